/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Log messages of the nicsim driver: the EAL log type "pmd.net.nicsim". */

#ifndef NICSIM_LOG_H
#define NICSIM_LOG_H 1

#include <rte_log.h>

extern int nicsim_logtype;

/* Logs one line at LEVEL (ERR, WARNING, NOTICE, INFO or DEBUG). */
#define NICSIM_LOG(LEVEL, ...)                                          \
    nicsim_log(RTE_LOG_##LEVEL, __VA_ARGS__)

void nicsim_log(uint32_t level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* nicsim-log.h */
