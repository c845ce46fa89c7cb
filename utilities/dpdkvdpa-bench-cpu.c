/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#define _GNU_SOURCE 1

#include "dpdkvdpa-bench-cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Opens the clock of thread 'tid', of any process, into '*clock'.  Returns 0
 * or a positive errno. */
int
cpu_clock_open(struct cpu_clock *clock, pid_t tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_SW_TASK_CLOCK,
    };
    char path[64];

    clock->exact = true;
    clock->fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
    if (clock->fd >= 0) {
        return 0;
    }
    clock->exact = false;
    snprintf(path, sizeof path, "/proc/%ld/schedstat", (long int) tid);
    clock->fd = open(path, O_RDONLY | O_CLOEXEC);
    return clock->fd < 0 ? errno : 0;
}

/* Closes 'clock'. */
void
cpu_clock_close(struct cpu_clock *clock)
{
    close(clock->fd);
    clock->fd = -1;
}

/* Returns the nanoseconds of CPU time that the thread of 'clock' had since
 * some time in the past, 0 if it is gone. */
uint64_t
cpu_clock_read(const struct cpu_clock *clock)
{
    uint64_t value = 0;

    if (clock->exact) {
        if (read(clock->fd, &value, sizeof value) != sizeof value) {
            return 0;
        }
    } else {
        char text[128];
        ssize_t n = pread(clock->fd, text, sizeof text - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        if (sscanf(text, "%"SCNu64, &value) != 1) {
            return 0;
        }
    }
    return value;
}

/* Keeps the calling thread on 'core'.  Returns 0 or a positive errno. */
int
cpu_pin(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) ? errno : 0;
}
