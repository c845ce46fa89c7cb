/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include "guest-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

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
