/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include "guest-sigbus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Mappings of guests
 * ==================
 *
 * A handler takes no lock and nobody waits for one.  So each mapping is
 * guarded by a sequence number, which is odd while its slot is changed, and
 * slots are never freed.  A slot that is being changed is not the one that a
 * handler is looking for: its mapping is not touched at this time. */

#define CHUNK_SLOTS 128

struct slot {
    uint32_t seq;
    uintptr_t start;
    size_t len;                 /* 0 if the slot is free. */
    struct guest_sigbus *guest;
};

struct chunk {
    struct chunk *next;
    struct slot slots[CHUNK_SLOTS];
};

static pthread_mutex_t slots_mutex = PTHREAD_MUTEX_INITIALIZER; /* To write. */
static struct chunk first_chunk;

static void
slot_set(struct slot *slot, struct guest_sigbus *guest, uintptr_t start,
         size_t len)
{
    __atomic_store_n(&slot->seq, slot->seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&slot->guest, guest, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->len, len, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->seq, slot->seq + 1, __ATOMIC_RELEASE);
}

/* Copies 'slot' into '*copy'.  Returns false if it is being changed. */
static bool
slot_get(struct slot *slot, struct slot *copy)
{
    copy->seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
    copy->guest = __atomic_load_n(&slot->guest, __ATOMIC_RELAXED);
    copy->start = __atomic_load_n(&slot->start, __ATOMIC_RELAXED);
    copy->len = __atomic_load_n(&slot->len, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return (!(copy->seq & 1)
            && copy->seq == __atomic_load_n(&slot->seq, __ATOMIC_RELAXED));
}

static bool
find_registered(uintptr_t addr, struct slot *found)
{
    for (struct chunk *chunk = &first_chunk; chunk;
         chunk = __atomic_load_n(&chunk->next, __ATOMIC_ACQUIRE)) {
        for (int i = 0; i < CHUNK_SLOTS; i++) {
            if (slot_get(&chunk->slots[i], found)
                && addr - found->start < found->len) {
                return true;
            }
        }
    }
    return false;
}

/* Mappings that guests' files may have
 * ==================================== */

#define MAPS "/proc/self/maps"

/* What guest_sigbus_expect() said. */
static __thread struct guest_sigbus *expected;

/* The kernel's list.  Open from the beginning, since there may be no
 * descriptor left when it is needed. */
static int maps_fd = -1;
static pid_t maps_pid;

/* A line of the list. */
struct mapping {
    uint64_t start, end;
    char perms[4];
    uint64_t major, minor, ino;
};

/* Parses a number, and the character 'end' behind it.  Returns what follows,
 * or NULL. */
static const char *
parse_number(const char *p, unsigned int base, char end, uint64_t *n)
{
    const char *begin = p;

    for (*n = 0;; p++) {
        unsigned int digit = UINT_MAX;

        if (*p >= '0' && *p <= '9') {
            digit = *p - '0';
        } else if (*p >= 'a' && *p <= 'f') {
            digit = *p - 'a' + 10;
        }
        if (digit >= base) {
            break;
        }
        *n = *n * base + digit;
    }
    return p > begin && *p == end ? p + 1 : NULL;
}

/* Parses 'line': "START-END PERMS OFFSET MAJOR:MINOR INODE ...". */
static bool
parse_mapping(const char *line, struct mapping *m)
{
    uint64_t offset;

    if (!(line = parse_number(line, 16, '-', &m->start))
        || !(line = parse_number(line, 16, ' ', &m->end))
        || strnlen(line, 5) < 5) {
        return false;
    }
    memcpy(m->perms, line, sizeof m->perms);
    return ((line = parse_number(line + 5, 16, ' ', &offset))
            && (line = parse_number(line, 16, ':', &m->major))
            && (line = parse_number(line, 16, ' ', &m->minor))
            && (parse_number(line, 10, ' ', &m->ino)
                || parse_number(line, 10, '\0', &m->ino)));
}

/* Finds out what is mapped at 'addr', by system calls alone. */
static bool
find_mapping(uintptr_t addr, struct mapping *m)
{
    char buf[2048], line[128];
    size_t line_len = 0;
    bool found = false;
    ssize_t n;
    int fd;

    /* One's child has memory of its own. */
    fd = (maps_pid == getpid() ? maps_fd
          : open(MAPS, O_RDONLY | O_CLOEXEC));
    for (off_t ofs = 0; !found && (n = pread(fd, buf, sizeof buf, ofs)) > 0;
         ofs += n) {
        for (ssize_t i = 0; i < n && !found; i++) {
            if (buf[i] == '\n') {
                line[line_len] = '\0';
                found = (parse_mapping(line, m) && addr >= m->start
                         && addr < m->end);
                line_len = 0;
            } else if (line_len < sizeof line - 1) {
                line[line_len++] = buf[i];      /* Not all of a long name. */
            }
        }
    }
    if (fd >= 0 && fd != maps_fd) {
        close(fd);
    }
    return found;
}

static bool
find_expected(uintptr_t addr, struct slot *found)
{
    struct guest_sigbus *guest = expected;
    struct mapping m;

    /* While other threads map and unmap, the list may lack a line. */
    for (int tries = 0; guest && tries < 10; tries++) {
        if (find_mapping(addr, &m)) {
            for (unsigned int i = 0; i < guest->n_files; i++) {
                const struct guest_file *file = &guest->files[i];

                if (m.perms[3] == 's' && m.ino == file->ino
                    && m.major == major(file->dev)
                    && m.minor == minor(file->dev)) {
                    found->guest = guest;
                    found->start = m.start;
                    found->len = m.end - m.start;
                    return true;
                }
            }
            return false;
        }
    }
    return false;
}

/* Replacing a mapping
 * =================== */

/* The kernel limits the number of mappings (vm.max_map_count), and does not
 * even replace one by another beyond that.  So there are some that are good
 * for nothing but to be given up then: as many as there are pages, since each
 * has another protection than its neighbours. */
#define RESERVE_PAGES 64

static void *reserve;           /* Atomic. */
static size_t page_size;

/* Where a mapping of our own memory is not to be had since it might become
 * too much (vm.overcommit_memory of 2, RLIMIT_DATA), this file is mapped, of
 * which only that counts which is there.  Each address has a place in it. */
static int spare_fd = -1;
static bool spare_used;         /* Atomic. */

/* By system calls alone. */
static void
reserve_fill(void)
{
    uint8_t *new;
    void *none = NULL;

    if (__atomic_load_n(&reserve, __ATOMIC_RELAXED)) {
        return;
    }
    new = mmap(NULL, RESERVE_PAGES * page_size, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (new == MAP_FAILED) {
        return;
    }
    for (int i = 1; i < RESERVE_PAGES; i += 2) {
        mprotect(new + i * page_size, page_size, PROT_READ);
    }
    if (!__atomic_compare_exchange_n(&reserve, &none, (void *) new, false,
                                     __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        munmap(new, RESERVE_PAGES * page_size);
    }
}

static bool
replace(uintptr_t start, size_t len)
{
    void *p = (void *) start;

    for (int tries = 0; tries < 1000; tries++) {
        void *r;

        if (mmap(p, len, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                 0) != MAP_FAILED) {
            return true;
        }
        if (errno != ENOMEM && errno != EAGAIN) {
            return false;
        }
        r = __atomic_exchange_n(&reserve, NULL, __ATOMIC_ACQUIRE);
        if (r) {
            munmap(r, RESERVE_PAGES * page_size);
        } else if (spare_fd >= 0
                   && !fallocate(spare_fd,
                                 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 start, len)
                   && mmap(p, len, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_FIXED, spare_fd,
                           start) != MAP_FAILED) {
            __atomic_store_n(&spare_used, true, __ATOMIC_RELAXED);
            return true;
        } else {
            /* Other threads were faster in using what was given up. */
            sched_yield();
        }
    }
    return false;
}

/* Other handlers
 * ============== */

/* What is to be done with a SIGBUS that is not a guest's, in all threads but
 * those that have something else in 'own_action'. */
static uint32_t action_seq;             /* Odd while it is changed. */
static struct sigaction action;
static bool action_locked;

static __thread bool has_own_action;
static __thread struct sigaction own_action;

static bool caught;

static void
action_get(struct sigaction *copy)
{
    uint32_t seq;

    do {
        do {
            seq = __atomic_load_n(&action_seq, __ATOMIC_ACQUIRE);
        } while (seq & 1);
        memcpy(copy, &action, sizeof *copy);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (seq != __atomic_load_n(&action_seq, __ATOMIC_RELAXED));
}

static void
action_set(const struct sigaction *new)
{
    sigset_t all, old;

    /* A handler in this thread would wait for itself. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    while (__atomic_test_and_set(&action_locked, __ATOMIC_ACQUIRE)) {
        sched_yield();
    }
    __atomic_store_n(&action_seq, action_seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(&action, new, sizeof action);
    __atomic_store_n(&action_seq, action_seq + 1, __ATOMIC_RELEASE);
    __atomic_clear(&action_locked, __ATOMIC_RELEASE);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Ends the process, as if there had never been a handler. */
static void
die(int sig)
{
    /* The kernel's struct sigaction, for which all zeros means SIG_DFL.  The C
     * library's function may be one that calls us. */
    uint64_t zeros[16] = { 0 };

    syscall(SYS_rt_sigaction, sig, zeros, NULL, (size_t) _NSIG / 8);
    raise(sig);                         /* Comes when we return. */
}

/* Does what would be done if it was not for us. */
static void
pass_on(int sig, siginfo_t *info, void *context)
{
    struct sigaction a;
    sigset_t old;

    if (has_own_action) {
        a = own_action;
    } else {
        action_get(&a);
    }
    if (!(a.sa_flags & SA_SIGINFO)
        && (a.sa_handler == SIG_DFL || a.sa_handler == SIG_IGN)) {
        /* A fault cannot be ignored. */
        if (a.sa_handler == SIG_DFL || info->si_code > 0) {
            die(sig);
        }
        return;
    }
    if (a.sa_flags & SA_RESETHAND) {
        struct sigaction none;

        memset(&none, 0, sizeof none);
        none.sa_handler = SIG_DFL;
        if (has_own_action) {
            own_action = none;
        } else {
            action_set(&none);
        }
    }

    /* It need not return. */
    pthread_sigmask(SIG_BLOCK, &a.sa_mask, &old);
    if (a.sa_flags & SA_SIGINFO) {
        a.sa_sigaction(sig, info, context);
    } else {
        a.sa_handler(sig);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void
handle_sigbus(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    bool confined = false;
    struct slot slot;

    /* Of what has another code, 'si_addr' says nothing.  mmap() is not among
     * what POSIX lets a handler call, but is a system call like others. */
    if (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) {
        uintptr_t addr = (uintptr_t) info->si_addr;

        if (find_registered(addr, &slot) || find_expected(addr, &slot)) {
            __atomic_store_n(&slot.guest->broken, true, __ATOMIC_RELAXED);
            confined = replace(slot.start, slot.len);
            reserve_fill();
        }
    }
    if (!confined) {
        pass_on(sig, info, context);
    }
    errno = saved_errno;
}

/* Has a SIGBUS that is about a guest's memory cost nobody but that guest, from
 * now on.  May be called more than once, by one thread; a process that forks
 * to go into the background does that before.  Returns 0 or a positive errno
 * value. */
int
guest_sigbus_init(void)
{
    struct sigaction ours, former;
    struct rlimit limit;

    if (guest_sigbus_is_caught()) {
        return 0;
    }
    page_size = sysconf(_SC_PAGESIZE);
    reserve_fill();
    maps_fd = open(MAPS, O_RDONLY | O_CLOEXEC);
    maps_pid = getpid();
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur == RLIM_INFINITY) {
        spare_fd = memfd_create("guest-sigbus", MFD_CLOEXEC);
        if (spare_fd >= 0
            && ftruncate(spare_fd, INT64_MAX & ~(page_size - 1))) {
            close(spare_fd);
            spare_fd = -1;
        }
    }

    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = handle_sigbus;
    ours.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGBUS, NULL, &former)) {
        return errno;
    }
    action_set(&former);
    if (sigaction(SIGBUS, &ours, NULL)) {
        return errno;
    }
    __atomic_store_n(&caught, true, __ATOMIC_RELEASE);
    return 0;
}

/* Returns true if guest_sigbus_init() was successful. */
bool
guest_sigbus_is_caught(void)
{
    return __atomic_load_n(&caught, __ATOMIC_ACQUIRE);
}

/* Does for SIGBUS what sigaction() does, but for that a SIGBUS which is about
 * a guest's memory remains ours.  Returns 0. */
int
guest_sigbus_action(const struct sigaction *new, struct sigaction *old)
{
    struct sigaction shared, wanted;

    action_get(&shared);
    if (new) {
        wanted = *new;
    }
    if (old) {
        *old = has_own_action ? own_action : shared;
    }
    if (new) {
        /* One that was there before goes back to where it was. */
        has_own_action = (!(wanted.sa_flags & SA_SIGINFO)
                          && wanted.sa_handler != SIG_DFL
                          && wanted.sa_handler != SIG_IGN
                          && (shared.sa_flags & SA_SIGINFO
                              || shared.sa_handler != wanted.sa_handler));
        if (has_own_action) {
            own_action = wanted;
        } else {
            action_set(&wanted);
        }
    }
    return 0;
}

/* Says that the 'len' bytes at 'start', a whole mapping of one file, are
 * memory of 'guest'.  Returns 0 or ENOMEM. */
int
guest_sigbus_add(struct guest_sigbus *guest, void *start, size_t len)
{
    struct slot *slot = NULL;
    struct chunk *chunk;

    pthread_mutex_lock(&slots_mutex);
    if (guest_sigbus_is_caught()) {
        reserve_fill();
    }
    for (chunk = &first_chunk; !slot; chunk = chunk->next) {
        for (int i = 0; !slot && i < CHUNK_SLOTS; i++) {
            if (!chunk->slots[i].len) {
                slot = &chunk->slots[i];
            }
        }
        if (!slot && !chunk->next) {
            void *new = mmap(NULL, sizeof *chunk, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

            if (new == MAP_FAILED) {
                break;
            }
            __atomic_store_n(&chunk->next, new, __ATOMIC_RELEASE);
        }
    }
    if (slot) {
        slot_set(slot, guest, (uintptr_t) start, len);
    }
    pthread_mutex_unlock(&slots_mutex);
    return slot ? 0 : ENOMEM;
}

/* Takes the mapping that begins at 'start' from 'guest', or all that it has if
 * 'start' is NULL. */
void
guest_sigbus_remove(struct guest_sigbus *guest, const void *start)
{
    pthread_mutex_lock(&slots_mutex);
    for (struct chunk *chunk = &first_chunk; chunk; chunk = chunk->next) {
        for (int i = 0; i < CHUNK_SLOTS; i++) {
            struct slot *slot = &chunk->slots[i];

            if (slot->len && slot->guest == guest
                && (!start || slot->start == (uintptr_t) start)) {
                if (__atomic_load_n(&spare_used, __ATOMIC_RELAXED)) {
                    /* Perhaps it was replaced by a part of this. */
                    fallocate(spare_fd,
                              FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              slot->start, slot->len);
                }
                slot_set(slot, NULL, 0, 0);
            }
        }
    }
    pthread_mutex_unlock(&slots_mutex);
}

/* Adds 'file' to those of 'guest', if there is room. */
void
guest_sigbus_add_file(struct guest_sigbus *guest,
                      const struct guest_file *file)
{
    for (unsigned int i = 0; i < guest->n_files; i++) {
        if (guest->files[i].ino == file->ino
            && guest->files[i].dev == file->dev) {
            return;
        }
    }
    if (guest->n_files < GUEST_SIGBUS_MAX_FILES) {
        guest->files[guest->n_files++] = *file;
    }
}

/* Until the next call, takes a SIGBUS that the calling thread gets, and that
 * tells of an address where any of the files of 'guest' is mapped, as one of
 * that guest's, though the mapping was not added.  With NULL, that is over. */
void
guest_sigbus_expect(struct guest_sigbus *guest)
{
    expected = guest;
}
