/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim/vdpa-format.h"

#include "nicsim/hw.h"

/* The name of enum nicsim_vq_error. */
const char *
vdpa_error_name(unsigned int error)
{
    static const char *const names[NICSIM_VQ_N_ERRORS] = {
        [NICSIM_VQ_OK] = "ok",
        [NICSIM_VQ_NO_BUFFER] = "no-buffer",
        [NICSIM_VQ_BAD_ADDRESS] = "bad-address",
        [NICSIM_VQ_BAD_LENGTH] = "bad-length",
        [NICSIM_VQ_BAD_DIRECTION] = "bad-direction",
        [NICSIM_VQ_BAD_HEADER] = "bad-header",
        [NICSIM_VQ_TOO_MANY] = "too-many",
        [NICSIM_VQ_BAD_INDEX] = "bad-index",
        [NICSIM_VQ_BAD_CHAIN] = "bad-chain",
        [NICSIM_VQ_BAD_INDIRECT] = "bad-indirect",
        [NICSIM_VQ_BAD_WRAP] = "bad-wrap",
        [NICSIM_VQ_MEMORY_GONE] = "memory-gone",
    };

    return error < NICSIM_VQ_N_ERRORS ? names[error] : "unknown";
}

/* The name of enum nicsim_vq_state. */
const char *
vdpa_state_name(unsigned int state)
{
    static const char *const names[] = {
        [NICSIM_VQ_ABSENT] = "absent",
        [NICSIM_VQ_OFF] = "off",
        [NICSIM_VQ_RUNNING] = "running",
        [NICSIM_VQ_BROKEN] = "broken",
    };

    return state <= NICSIM_VQ_BROKEN ? names[state] : "unknown";
}
