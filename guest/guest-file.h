/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef GUEST_FILE_H
#define GUEST_FILE_H 1

/* Files that a hypervisor hands over
 * ==================================
 *
 * A hypervisor passes files on its socket: the memory of its guest, a log of
 * what was written to it, and eventfds.  Nothing keeps it from passing
 * something else instead, for example a file of a file system that it serves
 * itself (FUSE).  Whoever asks that file system for anything (fstat(), mmap()
 * and the access that follows, read(), write()) waits for as long as the
 * hypervisor likes.
 *
 * So what a file is has to be known before it is used, and has to be found
 * out without a question to the file itself.  The functions here never block,
 * whatever the file.  To be called for each file, before anything else is
 * done with it.
 *
 * That includes close(): FUSE asks the file system then, too, and whoever
 * closes waits for the answer, without that even a signal ends it.  So a file
 * of an unknown kind is to be closed by guest_file_close().
 *
 * Memory is what the kernel has in memory of its own: memfd, tmpfs and
 * hugetlbfs.  (The other file systems of the kernel's are not meant to harm
 * either, but may wait for a disk or for a network.)
 *
 * Thread-safety
 * -------------
 *
 * All functions may be called from any thread. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is to be known of a file of memory. */
struct guest_file {
    uint64_t size;              /* In bytes, now: it may change any time. */
    uint64_t page_size;         /* What mappings have to be multiples of. */
    dev_t dev;                  /* Which file it is. */
    ino_t ino;
};

bool guest_file_is_memory(int fd);
bool guest_file_is_eventfd(int fd);
int guest_file_examine(int fd, struct guest_file *);
bool guest_file_close(int fd);

#endif /* guest-file.h */
