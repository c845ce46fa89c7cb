/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_BENCH_CPU_H
#define DPDKVDPA_BENCH_CPU_H 1

/* CPU time of a thread of another process
 * =======================================
 *
 * What dpdkvdpa-bench's generators divide packets by.  The kernel's
 * "task-clock" is exact; where it is not to be had, /proc tells the time that
 * the thread had at the last timer tick. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cpu_clock {
    int fd;
    bool exact;
};

int cpu_clock_open(struct cpu_clock *, pid_t tid);
void cpu_clock_close(struct cpu_clock *);
uint64_t cpu_clock_read(const struct cpu_clock *);

int cpu_pin(int core);

#endif /* dpdkvdpa-bench-cpu.h */
