/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#define _GNU_SOURCE 1

#include "dpdkvdpa-bench-meter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* Seconds of a slice, and the part of it that each thread must have run. */
#define SLICE 0.0005
#define UNDISTURBED 0.99

/* See meter_run(). */
#define LONGER 10

static double
read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Returns a time in seconds, since some moment in the past. */
double
meter_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Keeps the calling thread on 'core'.  Returns 0 or a positive errno. */
int
meter_pin(int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set) ? errno : 0;
}

/* Initializes 'meter', which watches no thread yet. */
void
meter_init(struct meter *meter, void (*traffic)(void *, double),
           void (*read)(const void *, uint64_t *), void *aux)
{
    *meter = (struct meter) {
        .fd = -1, .traffic = traffic, .read = read, .aux = aux,
    };
}

/* Makes 'meter' measure thread 'tid', of any process.  Returns 0 or a positive
 * errno. */
int
meter_watch(struct meter *meter, pid_t tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_SW_TASK_CLOCK,
    };
    char path[64];

    if (meter->fd >= 0) {
        close(meter->fd);
    }
    meter->exact = true;
    meter->fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1,
                        PERF_FLAG_FD_CLOEXEC);
    if (meter->fd < 0) {
        meter->exact = false;
        snprintf(path, sizeof path, "/proc/%ld/schedstat", (long int) tid);
        meter->fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return meter->fd < 0 ? errno : 0;
}

/* Returns the CPU time in seconds that the watched thread had since some
 * moment in the past, 0 if it is gone. */
static double
watched_cpu(const struct meter *meter)
{
    uint64_t value = 0;

    if (meter->exact) {
        if (read(meter->fd, &value, sizeof value) != sizeof value) {
            return 0;
        }
    } else if (meter->fd >= 0) {
        char text[128];
        ssize_t n = pread(meter->fd, text, sizeof text - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        if (sscanf(text, "%"SCNu64, &value) != 1) {
            return 0;
        }
    }
    return value / 1e9;
}

/* Makes traffic for one slice, and adds what happened to '*result' if nobody
 * else had one of the two cores meanwhile and '*was_quiet', which is updated,
 * says the same of the slice before: rings and caches take some time to
 * recover. */
static void
run_slice(const struct meter *meter, struct meter_result *result,
          bool *was_quiet)
{
    uint64_t before[METER_MAX_COUNTERS] = { 0 };
    uint64_t after[METER_MAX_COUNTERS] = { 0 };
    double own, cpu, start, seconds;
    uint64_t tsc;
    bool quiet;

    meter->read(meter->aux, before);
    own = read_clock(CLOCK_THREAD_CPUTIME_ID);
    cpu = watched_cpu(meter);
    tsc = __rdtsc();
    start = meter_now();
    meter->traffic(meter->aux, start + SLICE);
    seconds = meter_now() - start;
    tsc = __rdtsc() - tsc;
    cpu = meter->fd >= 0 ? watched_cpu(meter) - cpu : seconds;
    own = read_clock(CLOCK_THREAD_CPUTIME_ID) - own;
    meter->read(meter->aux, after);

    quiet = (meter->lenient
             || (own >= UNDISTURBED * seconds
                 && (!meter->exact || cpu >= UNDISTURBED * seconds)));
    result->n_slices++;
    if (quiet && *was_quiet) {
        result->n_counted++;
        result->seconds += seconds;
        result->cpu_seconds += cpu;
        result->tsc_hz += tsc;
        for (int i = 0; i < METER_MAX_COUNTERS; i++) {
            result->counters[i] += after[i] - before[i];
        }
    }
    *was_quiet = quiet;
}

/* Makes traffic for 'warm_up' seconds, measures for 'seconds' more, or for up
 * to LONGER times as long until one slice in LONGER of those 'seconds' counts,
 * and stores what came of it into '*result'. */
void
meter_run(const struct meter *meter, double warm_up, double seconds,
          struct meter_result *result)
{
    int n_slices = seconds / SLICE + 0.5;
    bool was_quiet = false;

    meter->traffic(meter->aux, meter_now() + warm_up);
    memset(result, 0, sizeof *result);
    while (result->n_slices < n_slices
           || (result->n_slices < LONGER * n_slices
               && LONGER * result->n_counted < n_slices)) {
        run_slice(meter, result, &was_quiet);
    }
    if (result->n_counted) {
        result->tsc_hz /= result->seconds;
    }
}

/* Prints '*result' as members of a JSON object, each followed by a comma, with
 * the counters' 'names', of which the last is NULL. */
void
meter_print(const struct meter_result *result, const char *const names[])
{
    printf("\"slices\": %d, \"counted\": %d, \"seconds\": %.9f, "
           "\"switch_cpu\": %.9f, \"tsc_hz\": %.0f, ", result->n_slices,
           result->n_counted, result->seconds, result->cpu_seconds,
           result->tsc_hz);
    for (int i = 0; names[i]; i++) {
        printf("\"%s\": %"PRIu64", ", names[i], result->counters[i]);
    }
}
