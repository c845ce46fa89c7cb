/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Log of nicsimd: one line per event, with a time stamp, to stderr or to the
 * log file. */

#ifndef NICSIM_LOG_H
#define NICSIM_LOG_H 1

#include <stdbool.h>
#include <stdint.h>

/* How often a message may be repeated: LOG_LIMIT_BURST times at once, and then
 * once per second.  One for each thing that can be said, and for each function
 * if that is what makes it said: one guest's messages must not hide another's,
 * nor those of one kind those of another. */
struct log_limit {
    unsigned int tokens;
    unsigned int suppressed;
    uint64_t last;                      /* Seconds. */
    bool started;
};

#define LOG_LIMIT_BURST 10

/* What can be said of a function, by its driver's or guest's doing. */
enum log_kind {
    LOG_DMA_FAULT,
    LOG_RING_STOPPED,
    LOG_DROPPED,
    LOG_QUEUE_STOPPED,
    LOG_POSITION,
    LOG_CALL,
    LOG_REFUSED,                        /* A request of its host's. */
    LOG_N_KINDS
};

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_limited(struct log_limit *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fatal(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

int refuse(int error, char *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Logs something of 'FN', but not too often. */
#define LOG_FUNCTION(FN, KIND, ...) \
    log_limited(&(FN)->log_limits[KIND], __VA_ARGS__)

/* Logs what is no function's doing, but not too often. */
#define LOG_LIMITED(...)                            \
    do {                                            \
        static struct log_limit limit__;            \
        log_limited(&limit__, __VA_ARGS__);         \
    } while (0)

#endif /* nicsim/device/log.h */
