/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Bytes of keys and masks, for device, driver and tools. */

#ifndef NICSIM_BYTES_H
#define NICSIM_BYTES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns true if all 'n' bytes at 'data_' are 0. */
static inline bool
is_zero(const void *data_, size_t n)
{
    const uint8_t *data = data_;

    while (n--) {
        if (data[n]) {
            return false;
        }
    }
    return true;
}

#endif /* nicsim/bytes.h */
