/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Log of nicsimd: one line per event, with a time stamp, to stderr or to the
 * log file. */

#ifndef NICSIM_LOG_H
#define NICSIM_LOG_H 1

#include <stdbool.h>
#include <stdint.h>

/* How often a message may be repeated: 'burst' times at once, and then once
 * per second.  A static variable at each place that a host or a packet can
 * make speak. */
struct log_limit {
    unsigned int tokens;
    unsigned int suppressed;
    uint64_t last;                      /* Seconds. */
    bool started;
};

#define LOG_LIMIT_BURST 10

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_limited(struct log_limit *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fatal(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

int refuse(int error, char *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Logs, but not too often. */
#define LOG_LIMITED(...)                            \
    do {                                            \
        static struct log_limit limit__;            \
        log_limited(&limit__, __VA_ARGS__);         \
    } while (0)

#endif /* nicsim/device/log.h */
