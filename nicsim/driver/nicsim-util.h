/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Memory of the C library's, for what is neither shared with the device nor
 * used per packet.  All may return NULL: a driver does not end the process it
 * is loaded into. */

#ifndef NICSIM_UTIL_H
#define NICSIM_UTIL_H 1

#include <stdlib.h>
#include <string.h>

/* Returns 'size' zeroed bytes, to be freed by free(). */
static inline void *
nicsim_zalloc(size_t size)
{
    void *p = reallocarray(NULL, 1, size);

    return p ? memset(p, 0, size) : NULL;
}

/* Returns a copy of 's', to be freed by free(). */
static inline char *
nicsim_strdup(const char *s)
{
    char *copy = nicsim_zalloc(strlen(s) + 1);

    return copy ? memcpy(copy, s, strlen(s)) : NULL;
}

#endif /* nicsim-util.h */
