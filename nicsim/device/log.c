/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "nicsim/hw.h"

static void
log_valist(const char *format, va_list args)
{
    struct timespec now;
    char stamp[32];
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);

    flockfile(stderr);
    fprintf(stderr, "%s.%03ldZ|", stamp, now.tv_nsec / 1000000);
    vfprintf(stderr, format, args);
    putc('\n', stderr);
    fflush(stderr);
    funlockfile(stderr);
}

/* Logs one line, without limit. */
void
log_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_valist(format, args);
    va_end(args);
}

/* Logs one line, unless 'limit' says that there were too many of the kind. */
void
log_limited(struct log_limit *limit, const char *format, ...)
{
    struct timespec now;
    va_list args;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (!limit->started) {
        limit->started = true;
        limit->tokens = LOG_LIMIT_BURST;
        limit->last = now.tv_sec;
    }
    if ((uint64_t) now.tv_sec > limit->last) {
        uint64_t gained = now.tv_sec - limit->last;

        limit->tokens = gained < LOG_LIMIT_BURST - limit->tokens
                        ? limit->tokens + gained : LOG_LIMIT_BURST;
        limit->last = now.tv_sec;
    }
    if (!limit->tokens) {
        limit->suppressed++;
        return;
    }
    limit->tokens--;

    if (limit->suppressed) {
        log_line("(%u messages like the next were suppressed)",
                 limit->suppressed);
        limit->suppressed = 0;
    }
    va_start(args, format);
    log_valist(format, args);
    va_end(args);
}

/* Logs one line and ends the process without success. */
void
fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_valist(format, args);
    va_end(args);
    exit(EXIT_FAILURE);
}

/* Writes why a host's request is refused to 'why', of NICSIM_TEXT_LEN bytes.
 * Returns 'error', a positive errno. */
int
refuse(int error, char *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, NICSIM_TEXT_LEN, format, args);
    va_end(args);
    return error;
}
