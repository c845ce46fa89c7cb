/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include "guest-call.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/aio_abi.h>
#include <linux/fs.h>

/* What the kernel is asked for.  It rounds this up. */
#define N_EVENTS 4

/* The beginning of what an aio_context_t points to: where the kernel puts what
 * was completed at 'tail'.  That 'head' is moved is how it knows that there is
 * room again, and does not take a system call. */
struct aio_ring {
    uint32_t id;
    uint32_t nr;
    uint32_t head;
    uint32_t tail;
};

#define NULL_DEVICE "/dev/null"

static aio_context_t shared;    /* 0 if there is none. */
static int null_fd = -1;
static int shared_error;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

static pthread_key_t own_key;
static bool has_key;
static __thread bool has_context;
static __thread aio_context_t own;      /* If 'has_context', or 'shared'. */

static int
context_open(aio_context_t *context)
{
    *context = 0;
    return syscall(SYS_io_setup, N_EVENTS, context) ? errno : 0;
}

/* Ends the context of a thread that ends. */
static void
own_close(void *context)
{
    has_context = false;
    syscall(SYS_io_destroy, (aio_context_t) (uintptr_t) context);
}

static void
shared_open(void)
{
    has_key = !pthread_key_create(&own_key, own_close);
    null_fd = open(NULL_DEVICE, O_RDONLY | O_CLOEXEC);
    shared_error = null_fd < 0 ? errno : context_open(&shared);
}

/* Has guest_call() work, as it does without from its first call on.  Returns
 * 0, or a positive errno value that says why guest_call() may wait: then the
 * caller should say so. */
int
guest_call_init(void)
{
    pthread_once(&shared_once, shared_open);
    return shared_error;
}

/* Returns the context that the calling thread is to use, or 0. */
static aio_context_t
get_context(void)
{
    if (!has_context) {
        guest_call_init();
        has_context = true;
        own = shared;
        if (shared && has_key) {
            aio_context_t new;

            if (!context_open(&new)) {
                if (pthread_setspecific(own_key, (void *) (uintptr_t) new)) {
                    syscall(SYS_io_destroy, new);
                } else {
                    own = new;
                }
            }
        }
    }
    return own;
}

/* Says that what was completed was seen.  With a context that is shared,
 * another thread may have said so of more meanwhile; it will again. */
static void
context_clear(aio_context_t context)
{
    struct aio_ring *ring = (void *) (uintptr_t) context;

    __atomic_store_n(&ring->head,
                     __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
}

static int
call_by_write(int fd)
{
    static const uint64_t one = 1;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0
        || (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK))) {
        return errno;
    }

    /* EAGAIN: nobody has taken the last 2**64 - 2 interrupts. */
    return (write(fd, &one, sizeof one) == sizeof one || errno == EAGAIN
            ? 0 : errno);
}

/* Adds 1 to the counter of the eventfd 'fd', unless that is as large as it can
 * be, without waiting for anything.  Returns 0 or a positive errno value:
 * EINVAL if 'fd' is something else. */
int
guest_call(int fd)
{
    aio_context_t context = get_context();
    struct iocb iocb, *iocbs = &iocb;
    char nothing;

    if (!context) {
        return call_by_write(fd);
    }
    memset(&iocb, 0, sizeof iocb);
    iocb.aio_lio_opcode = IOCB_CMD_PREAD;
    iocb.aio_fildes = null_fd;
    iocb.aio_buf = (uintptr_t) &nothing;
    iocb.aio_flags = IOCB_FLAG_RESFD;
    iocb.aio_resfd = fd;
    for (int i = 0; i < 3; i++) {
        if (syscall(SYS_io_submit, context, 1, &iocbs) == 1) {
            context_clear(context);
            return 0;
        }
        if (errno != EAGAIN) {
            return errno;
        }

        /* Its other users have left no room. */
        context_clear(context);
    }
    return call_by_write(fd);
}

/* Takes what the eventfd 'fd' has counted, without waiting for anything, and
 * stores it into '*np'.  Returns 0, EAGAIN if it has counted nothing, or
 * another positive errno value: EOPNOTSUPP if this kernel (before Linux 5.8)
 * cannot do so without waiting.
 *
 * Nobody has to: an eventfd in an edge-triggered epoll set tells of each
 * kick. */
int
guest_kick_take(int fd, uint64_t *np)
{
    struct iovec iov = { .iov_base = np, .iov_len = sizeof *np };
    ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

    return n == (ssize_t) sizeof *np ? 0 : n < 0 ? errno : EINVAL;
}
