/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Usage: test-guest TEST [ARGUMENT]
 *
 * Runs TEST on guest/.  Prints nothing and exits with 0 if all is as it should
 * be.  Whatever waits, where nothing may, is killed by SIGALRM. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "guest-call.h"
#include "guest-file.h"
#include "guest-sigbus.h"

/* Files of the kernel. */
#define DEV_SHM "/dev/shm"
#define PROC_EXE "/proc/self/exe"
#define PROC_MAPS "/proc/self/maps"
#define DEV_NULL "/dev/null"
#define DEV_ZERO "/dev/zero"

#define PATIENCE 30             /* In seconds. */
#define MIB (1u << 20)

#define CHECK(CONDITION)                                                \
    do {                                                                \
        if (!(CONDITION)) {                                             \
            fprintf(stderr, "line %d: %s is not true (errno: %d)\n",    \
                    __LINE__, #CONDITION, errno);                       \
            exit(1);                                                    \
        }                                                               \
    } while (0)

/* What vswitchd/seams.c has, for the same reason. */
int
sigaction(int signum, const struct sigaction *new, struct sigaction *old)
{
    int (*real)(int, const struct sigaction *, struct sigaction *);

    if (signum == SIGBUS && guest_sigbus_is_caught()) {
        return guest_sigbus_action(new, old);
    }
    *(void **) &real = dlsym(RTLD_NEXT, "sigaction");
    return real(signum, new, old);
}

/* Runs 'function' in a child, and returns what waitpid() says of it. */
static int
in_child(void (*function)(void))
{
    int status;
    pid_t pid;

    pid = fork();
    CHECK(pid >= 0);
    if (!pid) {
        alarm(PATIENCE);
        prctl(PR_SET_DUMPABLE, 0);
        function();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static bool
killed_by(int status, int sig)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == sig;
}

static pthread_t
start(void *(*function)(void *), void *aux)
{
    pthread_t thread;

    CHECK(!pthread_create(&thread, NULL, function, aux));
    return thread;
}

/* Files. */

static void
test_files(const char *path)
{
    int pair[2];
    int fd;

    /* Memory. */
    fd = memfd_create("a", 0);
    CHECK(guest_file_is_memory(fd) && !guest_file_is_eventfd(fd));
    close(fd);
    fd = memfd_create("anon_inode:[eventfd]", 0);
    CHECK(guest_file_is_memory(fd) && !guest_file_is_eventfd(fd));
    close(fd);
    fd = memfd_create("a", MFD_HUGETLB);
    CHECK(fd < 0 || guest_file_is_memory(fd));
    close(fd);
    fd = open(DEV_SHM, O_TMPFILE | O_RDWR, 0600);
    CHECK(fd < 0 || guest_file_is_memory(fd));
    close(fd);

    /* Eventfds. */
    fd = eventfd(0, 0);
    CHECK(!guest_file_is_memory(fd) && guest_file_is_eventfd(fd));
    close(fd);

    /* Others. */
    for (int i = 0; i < 9; i++) {
        switch (i) {
        case 0: fd = open(PROC_EXE, O_RDONLY); break;
        case 1: fd = open(PROC_MAPS, O_RDONLY); break;
        case 2: fd = open(DEV_NULL, O_RDWR); break;
        case 3: fd = open(DEV_ZERO, O_RDWR); break;
        case 4: fd = open(DEV_SHM, O_RDONLY | O_DIRECTORY); break;
        case 5: fd = timerfd_create(CLOCK_MONOTONIC, 0); break;
        case 6: CHECK(!pipe(pair)); fd = pair[0]; break;
        case 7:
            CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
            fd = pair[0];
            break;
        case 8: fd = open("anon_inode:[eventfd]", O_CREAT | O_RDWR, 0600);
            break;
        }
        CHECK(fd >= 0);
        CHECK((i == 8 || !guest_file_is_memory(fd))
              && !guest_file_is_eventfd(fd));
        close(fd);
    }
    unlink("anon_inode:[eventfd]");
    CHECK(!guest_file_is_memory(-1) && !guest_file_is_eventfd(-1));

    /* What is not to be opened has no size to be asked for. */
    fd = open(DEV_SHM, O_PATH);
    CHECK(!guest_file_is_memory(fd) && !guest_file_is_eventfd(fd));
    close(fd);

    if (path) {
        struct guest_file file;

        /* Of a file system that does not answer. */
        fd = open(path, O_RDWR);
        CHECK(fd >= 0);
        puts("open");
        fflush(stdout);
        CHECK(getchar() == '\n');
        CHECK(!guest_file_is_memory(fd));
        CHECK(!guest_file_is_eventfd(fd));
        CHECK(guest_file_examine(fd, &file) == EINVAL);
        CHECK(guest_file_close(fd));
        while (fcntl(fd, F_GETFD) >= 0) {
            continue;                   /* The thread is on its way. */
        }
        puts("closed");
        fflush(stdout);
        CHECK(getchar() == '\n');
    }
    CHECK(guest_file_close(-1));
    CHECK(guest_file_close(memfd_create("a", 0)));
    CHECK(guest_file_close(eventfd(0, 0)));
    CHECK(!pipe(pair) && guest_file_close(pair[0]));
}

static void
test_examine(void)
{
    struct guest_file a, b;
    int fd, fd2;

    fd = memfd_create("a", 0);
    CHECK(!ftruncate(fd, 12345) && !guest_file_examine(fd, &a));
    CHECK(a.size == 12345 && a.page_size == (size_t) sysconf(_SC_PAGESIZE));
    fd2 = memfd_create("a", MFD_HUGETLB | 21u << 26 /* 2 MiB */);
    if (fd2 >= 0) {
        CHECK(!guest_file_examine(fd2, &b) && b.page_size == 2 * MIB);
        close(fd2);
    }
    fd2 = dup(fd);
    CHECK(!guest_file_examine(fd2, &b) && a.ino == b.ino && a.dev == b.dev);
    close(fd2);
    fd2 = memfd_create("a", 0);
    CHECK(!guest_file_examine(fd2, &b) && a.ino != b.ino);
}

/* Eventfds. */

static int
full_eventfd(void)
{
    int fd = eventfd(0, 0);

    CHECK(!eventfd_write(fd, UINT64_MAX - 1));
    return fd;
}

static void
test_call(void)
{
    int fd = eventfd(0, 0);
    eventfd_t n;

    CHECK(!guest_call_init());
    for (int i = 0; i < 1000; i++) {
        CHECK(!guest_call(fd));
    }
    CHECK(!eventfd_read(fd, &n) && n == 1000);

    /* The flags are their owner's. */
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));

    for (int i = 0; i < 1000; i++) {
        CHECK(!guest_call(full_eventfd()) || errno == EMFILE);
    }
    CHECK(guest_call(STDIN_FILENO) == EINVAL);
    CHECK(guest_call(-1) == EBADF || guest_call(-1) == EINVAL);
    CHECK(!guest_call(fd));
}

static void
test_kick(void)
{
    int fd = eventfd(0, 0);
    eventfd_t n;

    CHECK(guest_kick_take(fd, &n) == EAGAIN);
    CHECK(!eventfd_write(fd, 3));
    CHECK(!guest_kick_take(fd, &n) && n == 3);
    CHECK(guest_kick_take(fd, &n) == EAGAIN);
}

/* What a hypervisor may do with an eventfd. */
static bool done;

static void *
fill_and_empty(void *fd_)
{
    int fd = *(int *) fd_;

    for (unsigned int i = 0; !__atomic_load_n(&done, __ATOMIC_RELAXED); i++) {
        eventfd_t n;

        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (i % 16) {
            eventfd_write(fd, UINT64_MAX - 1);
            guest_call(fd);
        } else {
            guest_kick_take(fd, &n);
        }
    }
    return NULL;
}

static void *
clear_nonblock(void *fd)
{
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        fcntl(*(int *) fd, F_SETFL, 0);
    }
    return NULL;
}

static void *
call_often(void *fd_)
{
    eventfd_t n;

    for (int i = 0; i < 100000; i++) {
        CHECK(!guest_call(*(int *) fd_));
        if (i % 64 == 0) {
            int error = guest_kick_take(*(int *) fd_, &n);

            CHECK(!error || error == EAGAIN);
        }
    }
    return NULL;
}

static void
test_call_race(void)
{
    pthread_t hostile[3];
    int fds[2];

    /* One that is filled without end, and one that stays full: who has the
     * former waits for nothing but its owner. */
    fds[0] = full_eventfd();
    fds[1] = full_eventfd();
    for (int i = 0; i < 2; i++) {
        hostile[i] = start(clear_nonblock, &fds[i]);
    }
    hostile[2] = start(fill_and_empty, &fds[0]);
    for (int i = 0; i < 2; i++) {
        pthread_t other = start(call_often, &fds[1]);

        call_often(&fds[0]);
        pthread_join(other, NULL);
    }
    done = true;
    pthread_join(hostile[0], NULL);
    pthread_join(hostile[1], NULL);
    /* The last may wait for itself. */
}

/* Lines of /proc/self/maps with 'text' in them. */
static int
count_maps(const char *text)
{
    FILE *maps = fopen(PROC_MAPS, "r");
    char line[512];
    int n = 0;

    CHECK(maps);
    while (fgets(line, sizeof line, maps)) {
        n += strstr(line, text) != NULL;
    }
    fclose(maps);
    return n;
}

static void *
call_once(void *fd)
{
    CHECK(!guest_call(*(int *) fd));
    return NULL;
}

static void
test_call_threads(void)
{
    int fd = eventfd(0, 0);
    eventfd_t n;

    for (int i = 0; i < 40; i++) {
        pthread_t a = start(call_once, &fd), b = start(call_once, &fd);

        pthread_join(a, NULL);
        pthread_join(b, NULL);
    }
    CHECK(!eventfd_read(fd, &n) && n == 80);
    CHECK(count_maps("[aio]") == 1);
}

/* Has the system call 'nr' fail with 'error' from now on if its fourth
 * argument has 'flag', or always if that is 0. */
static void
forbid(int nr, uint32_t flag, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, flag ? 1 : 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = 6, .filter = filter };

    CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void
test_call_without_aio(void)
{
    int fd = eventfd(0, 0);
    eventfd_t n;

    forbid(SYS_io_setup, 0, ENOSYS);
    CHECK(guest_call_init() == ENOSYS);
    CHECK(!guest_call(fd) && !eventfd_read(fd, &n) && n == 1);
    CHECK(!guest_call(full_eventfd()));
}

/* Threads that get no context share one, and lose no interrupt. */
static void
test_call_shared(void)
{
    pthread_t threads[8];
    int fd = eventfd(0, 0);
    int full = full_eventfd();
    eventfd_t n;

    CHECK(!guest_call_init());
    forbid(SYS_io_setup, 0, EAGAIN);
    for (int i = 0; i < 8; i++) {
        threads[i] = start(call_often, i < 4 ? &full : &fd);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    while (!guest_kick_take(fd, &n)) {
        continue;
    }
    CHECK(!guest_call(fd) && !eventfd_read(fd, &n) && n == 1);
    CHECK(count_maps("[aio]") == 1);
}

/* SIGBUS. */

struct memory {
    struct guest_sigbus guest;
    uint8_t *map;
    size_t len;
    int fd;
};

static void
memory_map(struct memory *m, size_t len, unsigned int flags)
{
    memset(m, 0, sizeof *m);
    m->len = len;
    m->fd = memfd_create("guest", flags);
    CHECK(m->fd >= 0 && !ftruncate(m->fd, len));
    m->map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    CHECK(m->map != MAP_FAILED);
    CHECK(!guest_sigbus_add(&m->guest, m->map, len));
}

static void
memory_unmap(struct memory *m)
{
    guest_sigbus_remove(&m->guest, NULL);
    CHECK(!munmap(m->map, m->len));
    close(m->fd);
}

static void *
touch(void *p)
{
    for (int i = 0; i < 100; i++) {
        *(volatile uint8_t *) p += 1;
    }
    return NULL;
}

/* In pages of any size, in any thread, at once; the others' is untouched. */
static void
confine(unsigned int flags, size_t len)
{
    for (int round = 0; round < 20; round++) {
        struct memory m, other;
        pthread_t threads[8];
        int n_maps;

        memory_map(&other, len, flags);
        memory_map(&m, len, flags);
        memset(m.map, 1, len);
        other.map[len / 2] = 7;
        n_maps = count_maps("-");

        CHECK(!ftruncate(m.fd, 0));
        for (int i = 0; i < 8; i++) {
            threads[i] = start(touch, m.map + len / 8 * i);
        }
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
        }
        CHECK(guest_sigbus_is_broken(&m.guest));
        CHECK(!guest_sigbus_is_broken(&other.guest));
        CHECK(other.map[len / 2] == 7);
        CHECK(m.map[1] == 0 && m.map[len - 1] == 0);
        m.map[len - 1] = 1;
        CHECK(count_maps("-") <= n_maps + 16);  /* The threads' stacks. */

        /* A system call gives no signal. */
        CHECK(!ftruncate(other.fd, 0));
        CHECK(read(open(DEV_ZERO, O_RDONLY), other.map, 1) < 0
              && errno == EFAULT);
        CHECK(!guest_sigbus_is_broken(&other.guest));
        memory_unmap(&m);
        memory_unmap(&other);
    }
}

static void
test_sigbus(void)
{
    CHECK(!guest_sigbus_init() && !guest_sigbus_init());
    confine(0, 4 * MIB);
}

static void
test_sigbus_huge(void)
{
    int fd = memfd_create("huge", MFD_HUGETLB);

    if (fd < 0 || ftruncate(fd, 32 * MIB)
        || mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                0) == MAP_FAILED) {
        exit(77);
    }
    CHECK(!guest_sigbus_init());
    confine(MFD_HUGETLB, 16 * MIB);
}

/* Many guests come and go while others' memory is missed. */
static void *
come_and_go(void *aux)
{
    for (int i = 0; i < 200; i++) {
        struct memory m[8];

        for (int j = 0; j < 8; j++) {
            memory_map(&m[j], MIB, 0);
        }
        for (int j = 0; j < 8; j += 2) {
            CHECK(!ftruncate(m[j].fd, 0));
            touch(m[j].map);
        }
        for (int j = 0; j < 8; j++) {
            CHECK(guest_sigbus_is_broken(&m[j].guest) == !(j % 2));
            m[j].map[5] = 1;
            memory_unmap(&m[j]);
        }
    }
    return aux;
}

static void
test_sigbus_many(void)
{
    struct memory kept[300];
    pthread_t threads[4];

    CHECK(!guest_sigbus_init());
    for (int i = 0; i < 300; i++) {
        memory_map(&kept[i], 4096, 0);
    }
    for (int i = 0; i < 4; i++) {
        threads[i] = start(come_and_go, NULL);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 300; i++) {
        CHECK(!guest_sigbus_is_broken(&kept[i].guest));
        CHECK(!ftruncate(kept[i].fd, 0));
        touch(kept[i].map);
        CHECK(guest_sigbus_is_broken(&kept[i].guest));
        memory_unmap(&kept[i]);
    }
}

/* Has the process have as many mappings as the kernel lets it have. */
static void
map_all(void)
{
    size_t page = sysconf(_SC_PAGESIZE);
    uint8_t *p;

    p = mmap(NULL, page << 24, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    for (size_t i = 1; !mprotect(p + i * page, page, PROT_READ); i += 2) {
        continue;
    }
    CHECK(errno == ENOMEM);
    while (mmap(NULL, page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED) {
        continue;
    }
    CHECK(errno == ENOMEM);
}

static void
at_limit(void)
{
    struct memory m[8];

    CHECK(!guest_sigbus_init());
    for (int i = 0; i < 8; i++) {
        memory_map(&m[i], MIB, 0);
    }
    map_all();
    for (int i = 0; i < 8; i++) {
        CHECK(!ftruncate(m[i].fd, 0));
        touch(m[i].map + MIB / 2);
        CHECK(guest_sigbus_is_broken(&m[i].guest));
    }
}

static void
test_sigbus_limit(void)
{
    CHECK(!in_child(at_limit));
}

/* Another thread takes every mapping that is given up. */
static void *
map_on(void *aux)
{
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    }
    return aux;
}

static void
at_limit_race(void)
{
    struct memory m[8];
    pthread_t thread;

    CHECK(!guest_sigbus_init());
    for (int i = 0; i < 8; i++) {
        memory_map(&m[i], MIB, 0);
    }
    thread = start(map_on, NULL);
    map_all();
    CHECK(!ftruncate(m[0].fd, 0));
    touch(m[0].map);
    CHECK(guest_sigbus_is_broken(&m[0].guest));
    done = true;
    pthread_join(thread, NULL);
}

static void
test_sigbus_limit_race(void)
{
    for (int i = 0; i < 5; i++) {
        CHECK(!in_child(at_limit_race));
    }
}

/* Memory of our own as large as the guest's is not to be had
 * (vm.overcommit_memory).  What one guest left is not seen by the next. */
static void
overcommitted(void)
{
    struct memory m;

    CHECK(!guest_sigbus_init());
    forbid(SYS_mmap, MAP_ANONYMOUS, ENOMEM);
    for (int i = 0; i < 3; i++) {
        memory_map(&m, 1024 * MIB, 0);
        CHECK(!ftruncate(m.fd, 0));
        touch(m.map + 5);
        CHECK(guest_sigbus_is_broken(&m.guest) && m.map[5] == 100);
        memory_unmap(&m);
    }
}

static void
test_sigbus_overcommitted(void)
{
    CHECK(!in_child(overcommitted));
}

/* Not a guest's. */

static struct guest_sigbus guest;

static uint8_t *foreign;
static int foreign_fd;

static void
foreign_map(void)
{
    foreign_fd = memfd_create("foreign", 0);
    CHECK(!ftruncate(foreign_fd, 4096));
    foreign = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, foreign_fd,
                   0);
    CHECK(foreign != MAP_FAILED && !ftruncate(foreign_fd, 0));
}

static void
foreign_fault(void)
{
    CHECK(!guest_sigbus_init());
    foreign_map();
    touch(foreign);
}

static void
foreign_fault_ignored(void)
{
    signal(SIGBUS, SIG_IGN);
    foreign_fault();
}

static void
foreign_signal(void)
{
    CHECK(!guest_sigbus_init());
    raise(SIGBUS);
}

static void
foreign_signal_ignored(void)
{
    signal(SIGBUS, SIG_IGN);
    CHECK(!guest_sigbus_init());
    raise(SIGBUS);
}

static volatile sig_atomic_t n_handled;

static void
repair(int sig, siginfo_t *info, void *context)
{
    (void) sig;
    (void) context;
    if (info->si_code > 0) {
        CHECK(info->si_addr == foreign);
        CHECK(!ftruncate(foreign_fd, 4096));
    }
    n_handled++;
}

/* The handler that there was before is called, and ours stays. */
static void
test_sigbus_foreign(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO }, old;
    struct memory m;

    CHECK(killed_by(in_child(foreign_fault), SIGBUS));
    CHECK(killed_by(in_child(foreign_fault_ignored), SIGBUS));
    CHECK(killed_by(in_child(foreign_signal), SIGBUS));
    CHECK(!in_child(foreign_signal_ignored));

    action.sa_sigaction = repair;
    CHECK(!sigaction(SIGBUS, &action, NULL));
    CHECK(!guest_sigbus_init());
    for (int i = 1; i <= 6; i++) {
        foreign_map();
        touch(foreign);
        CHECK(n_handled == i * 2 - 1);
        /* Where others have an address, this has a pid. */
        CHECK(!guest_sigbus_add(&guest, NULL, 1 << 22));
        kill(getpid(), SIGBUS);
        CHECK(n_handled == i * 2 && !guest_sigbus_is_broken(&guest));
        guest_sigbus_remove(&guest, NULL);
        memory_map(&m, MIB, 0);
        CHECK(!ftruncate(m.fd, 0));
        touch(m.map);
        CHECK(guest_sigbus_is_broken(&m.guest) && n_handled == i * 2);
        memory_unmap(&m);

        /* It may be another one, too. */
        CHECK(!sigaction(SIGBUS, NULL, &old)
              && old.sa_sigaction == repair);
        CHECK(!sigaction(SIGBUS, &old, NULL));
    }
}

/* Like DPDK, when its heap grows. */

static sigjmp_buf env;

static void
jump(int sig)
{
    (void) sig;
    siglongjmp(env, 1);
}

static pthread_barrier_t barrier;

static void *
grow_heap(void *rounds)
{
    for (volatile int i = 0; i < *(int *) rounds; i++) {
        struct sigaction action = { .sa_handler = jump }, old;
        volatile bool jumped = false;

        sigaddset(&action.sa_mask, SIGBUS);
        CHECK(!sigaction(SIGBUS, &action, &old));
        CHECK(old.sa_handler != jump);
        if (sigsetjmp(env, 1)) {
            jumped = true;
        } else {
            pthread_barrier_wait(&barrier);
            pthread_barrier_wait(&barrier);     /* Others' faults. */
            if (i % 2) {
                touch(foreign);
            }
        }
        CHECK(jumped == (i % 2));
        CHECK(!sigaction(SIGBUS, &old, NULL));
        CHECK(!sigaction(SIGBUS, NULL, &old) && old.sa_handler == SIG_DFL);
    }
    return NULL;
}

static void
foreign_fault_meanwhile(void)
{
    pthread_t thread;
    int rounds = 1;

    CHECK(!guest_sigbus_init());
    foreign_map();
    thread = start(grow_heap, &rounds);
    pthread_barrier_wait(&barrier);
    touch(foreign);                     /* Not in the thread that jumps. */
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
}

static void
test_sigbus_jump(void)
{
    struct memory m;
    pthread_t thread;
    int rounds = 200;

    CHECK(!pthread_barrier_init(&barrier, NULL, 2));
    CHECK(killed_by(in_child(foreign_fault_meanwhile), SIGBUS));

    CHECK(!guest_sigbus_init());
    foreign_map();
    thread = start(grow_heap, &rounds);
    for (int i = 0; i < rounds; i++) {
        memory_map(&m, MIB, 0);
        CHECK(!ftruncate(m.fd, 0));
        pthread_barrier_wait(&barrier);
        touch(m.map);
        CHECK(guest_sigbus_is_broken(&m.guest));
        pthread_barrier_wait(&barrier);
        memory_unmap(&m);
    }
    pthread_join(thread, NULL);
}

/* What a library mapped, which nobody knows yet. */

static void
expect_foreign(void)
{
    struct guest_file file;

    CHECK(!guest_sigbus_init());
    foreign_map();
    CHECK(!guest_file_examine(foreign_fd, &file));
    guest_sigbus_add_file(&guest, &file);
    guest_sigbus_expect(&guest);
}

static void
fault_expected(void)
{
    uint8_t *map;

    expect_foreign();
    touch(foreign);
    CHECK(guest_sigbus_is_broken(&guest) && foreign[0] == 100);

    /* Another of its mappings, with no descriptor left to look for it. */
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, foreign_fd, 0);
    CHECK(map != MAP_FAILED);
    while (open(DEV_NULL, O_RDONLY) >= 0) {
        continue;
    }
    touch(map);
    CHECK(map[0] == 100);
}

static void
fault_unexpected(void)
{
    struct guest_file file;

    CHECK(!guest_sigbus_init());
    foreign_map();
    CHECK(!guest_file_examine(memfd_create("other", 0), &file));
    guest_sigbus_add_file(&guest, &file);
    guest_sigbus_expect(&guest);
    touch(foreign);
}

static void
fault_no_longer_expected(void)
{
    expect_foreign();
    guest_sigbus_expect(NULL);
    touch(foreign);
}

static void *
touch_foreign(void *aux)
{
    touch(foreign);
    return aux;
}

static void
fault_not_expected_here(void)
{
    expect_foreign();
    pthread_join(start(touch_foreign, NULL), NULL);
}

static void
test_sigbus_expect(void)
{
    CHECK(!in_child(fault_expected));
    CHECK(killed_by(in_child(fault_unexpected), SIGBUS));
    CHECK(killed_by(in_child(fault_no_longer_expected), SIGBUS));
    CHECK(killed_by(in_child(fault_not_expected_here), SIGBUS));
}

static const struct test {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "examine", test_examine },
    { "call", test_call },
    { "call-race", test_call_race },
    { "call-threads", test_call_threads },
    { "call-without-aio", test_call_without_aio },
    { "call-shared", test_call_shared },
    { "kick", test_kick },
    { "sigbus", test_sigbus },
    { "sigbus-huge", test_sigbus_huge },
    { "sigbus-many", test_sigbus_many },
    { "sigbus-limit", test_sigbus_limit },
    { "sigbus-limit-race", test_sigbus_limit_race },
    { "sigbus-overcommitted", test_sigbus_overcommitted },
    { "sigbus-foreign", test_sigbus_foreign },
    { "sigbus-jump", test_sigbus_jump },
    { "sigbus-expect", test_sigbus_expect },
};

int
main(int argc, char *argv[])
{
    alarm(PATIENCE * 4);
    if (argc >= 2 && !strcmp(argv[1], "files")) {
        test_files(argv[2]);
        return 0;
    }
    for (size_t i = 0; argc == 2 && i < sizeof tests / sizeof tests[0]; i++) {
        if (!strcmp(argv[1], tests[i].name)) {
            tests[i].run();
            return 0;
        }
    }
    fprintf(stderr, "usage: %s TEST [ARGUMENT]\n", argv[0]);
    return 2;
}
