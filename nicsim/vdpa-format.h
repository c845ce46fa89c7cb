/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Names for people of what nicsim/hw.h has numbers for: virtqueues. */

#ifndef NICSIM_VDPA_FORMAT_H
#define NICSIM_VDPA_FORMAT_H 1

const char *vdpa_error_name(unsigned int error);
const char *vdpa_state_name(unsigned int state);

#endif /* nicsim/vdpa-format.h */
