/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_PACKED_H
#define VDPA_PACKED_H 1

#include <stdint.h>

/* Has librte_vhost go on with the packed ring 'ring' of guest 'vid' where the
 * ring shows that the last device stopped, if the hypervisor said that it is
 * elsewhere.  Does nothing to a split ring.
 *
 * To be called before the ring is served, by any thread; neither waits nor
 * takes locks. */
void vdpa_packed_resume(int vid, uint16_t ring, const char *name);

#endif /* vdpa-packed.h */
