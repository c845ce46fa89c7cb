/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Handing a guest over to the NIC, and back
 * =========================================
 *
 * librte_vhost has the guest's memory table, rings, positions, doorbell (kick)
 * and interrupt (call) files.  The NIC gets the files, and guest-physical
 * addresses for what librte_vhost knows as pointers into its own mapping of
 * the guest's memory.
 *
 * A ring is set up at the NIC when it is ready for the first time, which may
 * be long after the first two were and the device was started.  While it stays
 * set up the NIC knows its position better than anybody; librte_vhost is told
 * when the guest is taken back.  A doorbell or interrupt file that the
 * hypervisor replaces shows as a ring that stops being ready and is ready
 * again.
 *
 * All functions: 'vdpa->mutex' is held, and 'vdpa->vid' is the guest. */

#ifndef NICSIM_VDPA_GUEST_H
#define NICSIM_VDPA_GUEST_H 1

#include <stdint.h>

struct nicsim_vdpa;

/* Gives the guest of 'vdpa' to the NIC, which serves its rings from now on.
 * Returns 0, or a positive errno after logging why, and the NIC has nothing of
 * the guest. */
int nicsim_vdpa_hand_over(struct nicsim_vdpa *vdpa);

/* Takes the guest back.  From now on the NIC touches nothing of it, and
 * librte_vhost knows where the rings are to be resumed. */
void nicsim_vdpa_take_back(struct nicsim_vdpa *vdpa);

/* Brings the NIC up to date with 'on' of virtqueue 'queue' of a guest that is
 * handed over.  Returns 0, or a positive errno after logging why. */
int nicsim_vdpa_update_vring(struct nicsim_vdpa *vdpa, uint16_t queue);

/* Gives the dirty log to the NIC, or takes it away, as the negotiated
 * 'features' say.  Returns 0, or a positive errno after logging why. */
int nicsim_vdpa_update_log(struct nicsim_vdpa *vdpa, uint64_t features);

#endif /* nicsim-vdpa-guest.h */
