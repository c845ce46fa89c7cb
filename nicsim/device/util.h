/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#ifndef NICSIM_UTIL_H
#define NICSIM_UTIL_H 1

#include <stdlib.h>
#include <string.h>

/* Returns 'n' zeroed elements of 'size' bytes, to be freed by free(), or NULL
 * without memory: hosts can ask for more than there is, and nicsimd outlives
 * that. */
static inline void *
zalloc(size_t n, size_t size)
{
    void *p = reallocarray(NULL, n, size);

    if (p) {
        memset(p, 0, n * size);
    }
    return p;
}

#endif /* nicsim/device/util.h */
