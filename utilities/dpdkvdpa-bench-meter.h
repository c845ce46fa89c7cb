/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_BENCH_METER_H
#define DPDKVDPA_BENCH_METER_H 1

/* Measuring on a machine that others use too
 * ==========================================
 *
 * What dpdkvdpa-bench's generators have in common.  Two threads belong to a
 * measurement: the calling one, which makes traffic, and one of another
 * process, which is to be measured.  Each keeps a core busy.  If somebody else
 * gets one of the two cores for a moment, then the other thread waits for
 * packets or for room, and its time would count for nothing done.
 *
 * So a measurement is made of slices of half a millisecond, and a slice counts
 * only if both threads ran all through it and through the one before.  The
 * CPU time of the other thread comes from the kernel's "task-clock"; where
 * that is not to be had, /proc tells the time as of the last timer tick, and
 * then only the calling thread decides what counts. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define METER_MAX_COUNTERS 8

struct meter {
    int fd;                     /* Tells the CPU time; -1: nobody's. */
    bool exact;
    bool lenient;               /* Every slice counts. */

    /* What is measured.  traffic() makes traffic until 'deadline' on the clock
     * of meter_now(), read() copies the caller's counters. */
    void (*traffic)(void *aux, double deadline);
    void (*read)(const void *aux, uint64_t counters[METER_MAX_COUNTERS]);
    void *aux;
};

/* What happened in the slices that count. */
struct meter_result {
    int n_slices;               /* All. */
    int n_counted;              /* Those that count. */
    double seconds;             /* Sum of these. */
    double cpu_seconds;         /* CPU time of the measured thread. */
    double tsc_hz;              /* Of the time stamp counter. */
    uint64_t counters[METER_MAX_COUNTERS];
};

double meter_now(void);
int meter_pin(int core);

void meter_init(struct meter *, void (*traffic)(void *, double),
                void (*read)(const void *, uint64_t *), void *aux);
int meter_watch(struct meter *, pid_t tid);
void meter_run(const struct meter *, double warm_up, double seconds,
               struct meter_result *);
void meter_print(const struct meter_result *, const char *const names[]);

#endif /* dpdkvdpa-bench-meter.h */
