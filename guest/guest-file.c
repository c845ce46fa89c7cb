/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include "guest-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

/* Threads that close files, at most.  Each may wait for ever. */
#define MAX_CLOSERS 256

#define CLOSER_STACK (64 * 1024)

static unsigned int n_closers;          /* Atomic. */

/* Returns true if 'fd' is memory: a memfd, or a regular file of a tmpfs or
 * hugetlbfs.
 *
 * Seals are a matter of these alone.  The kernel looks at whose functions the
 * open file has (memfd_file_seals_ptr() in mm/memfd.c, and mm/shmem.c before
 * Linux 4.16) and says EINVAL for all others; for a file that was opened
 * with O_PATH it says EBADF. */
bool
guest_file_is_memory(int fd)
{
    return fcntl(fd, F_GET_SEALS) >= 0;
}

/* Returns true if 'fd' is an eventfd.
 *
 * The kernel makes the link's target up from its table of names.  That of a
 * file which has a place in a file system begins with a slash, and those of
 * other files without one are the kernel's to choose. */
bool
guest_file_is_eventfd(int fd)
{
    static const char eventfd[] = "anon_inode:[eventfd]";
    char path[64], target[sizeof eventfd];
    ssize_t len;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    len = readlink(path, target, sizeof target);
    return (len == (ssize_t) sizeof eventfd - 1
            && !memcmp(target, eventfd, sizeof eventfd - 1));
}

/* Stores what 'fd' is into '*file' if it is memory.  Returns 0, EINVAL if it
 * is something else, or another positive errno value. */
int
guest_file_examine(int fd, struct guest_file *file)
{
    struct statfs fs;
    struct stat st;

    if (!guest_file_is_memory(fd)) {
        return EINVAL;
    }
    if (fstat(fd, &st) || fstatfs(fd, &fs)) {
        return errno;
    }
    file->size = st.st_size;
    file->dev = st.st_dev;
    file->ino = st.st_ino;

    /* 'st_blksize' of a tmpfs may be that of huge pages, of which it can be
     * made without that a mapping has to. */
    file->page_size = (fs.f_type == HUGETLBFS_MAGIC ? (uint64_t) fs.f_bsize
                       : (uint64_t) sysconf(_SC_PAGESIZE));
    return 0;
}

static void *
closer_main(void *fd)
{
    close((intptr_t) fd);
    __atomic_sub_fetch(&n_closers, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Closes 'fd', whatever it is, if it is not negative.  If it is of a kind that
 * might make the caller wait, a thread is started to wait instead; 'fd' is
 * free for something else when that runs, and the process can't end before the
 * file system has answered or was aborted.
 *
 * Returns true if successful.  Returns false, and 'fd' stays open for good, if
 * there can't be one more such thread. */
bool
guest_file_close(int fd)
{
    pthread_attr_t attr;
    sigset_t all, old;
    pthread_t thread;
    int error;

    if (fd < 0) {
        return true;
    }
    if (guest_file_is_memory(fd) || guest_file_is_eventfd(fd)) {
        close(fd);
        return true;
    }
    if (__atomic_add_fetch(&n_closers, 1, __ATOMIC_RELAXED) > MAX_CLOSERS
        || pthread_attr_init(&attr)) {
        __atomic_sub_fetch(&n_closers, 1, __ATOMIC_RELAXED);
        return false;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, (CLOSER_STACK > PTHREAD_STACK_MIN
                                      ? CLOSER_STACK : PTHREAD_STACK_MIN));
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    error = pthread_create(&thread, &attr, closer_main,
                           (void *) (intptr_t) fd);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (error) {
        __atomic_sub_fetch(&n_closers, 1, __ATOMIC_RELAXED);
    }
    return !error;
}
