/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-vdpa-log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Another thread may map something beside the log meanwhile, so that the
 * kernel makes one mapping of two. */
#define MAX_TRIES 10

#define SELF_MAPS "/proc/self/maps"

static pthread_once_t tried = PTHREAD_ONCE_INIT;
static bool possible;

/* Finds the mapping that holds the 'len' bytes at 'addr'.  Returns 0 or a
 * positive errno: EFAULT if there is none, or not one that is shared and
 * writable. */
static int
find_mapping(uint64_t addr, uint64_t len, uint64_t *startp, uint64_t *endp,
             uint64_t *offsetp)
{
    FILE *maps = fopen(SELF_MAPS, "re");
    int error = EFAULT;
    char line[512];

    if (!maps) {
        return errno;
    }
    while (fgets(line, sizeof line, maps)) {
        uint64_t start, end, offset;
        char perms[5];

        /* What is left of a line that was too long matches nothing. */
        if (sscanf(line, "%"SCNx64"-%"SCNx64" %4s %"SCNx64, &start, &end,
                   perms, &offset) == 4
            && addr >= start && addr < end) {
            if (len <= end - addr && !strncmp(perms, "rw", 2)
                && perms[3] == 's') {
                *startp = start;
                *endp = end;
                *offsetp = offset + (addr - start);
                error = 0;
            }
            break;
        }
    }
    fclose(maps);
    return error;
}

int
nicsim_vdpa_log_open(uint64_t addr, uint64_t len, int *fdp, uint64_t *offsetp)
{
    for (int i = 0;; i++) {
        uint64_t start = 0, end = 0;
        char path[80];
        int error;

        error = find_mapping(addr, len, &start, &end, offsetp);
        if (error) {
            return error;
        }
        snprintf(path, sizeof path,
                 "/proc/self/map_files/%"PRIx64"-%"PRIx64, start, end);
        *fdp = open(path, O_RDWR | O_CLOEXEC);
        if (*fdp >= 0) {
            return 0;
        }
        if (errno != ENOENT || i == MAX_TRIES) {
            return errno;
        }
    }
}

static void
try(void)
{
    size_t len = sysconf(_SC_PAGESIZE);
    uint64_t offset;
    void *map;
    int fd2;
    int fd;

    fd = memfd_create("nicsim-try", MFD_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (!ftruncate(fd, len)) {
        map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            if (!nicsim_vdpa_log_open((uintptr_t) map, len, &fd2, &offset)) {
                possible = true;
                close(fd2);
            }
            munmap(map, len);
        }
    }
    close(fd);
}

bool
nicsim_vdpa_log_possible(void)
{
    pthread_once(&tried, try);
    return possible;
}
