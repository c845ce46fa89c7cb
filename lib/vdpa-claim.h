/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_CLAIM_H
#define VDPA_CLAIM_H 1

/* Whose device it is
 * ==================
 *
 * A dpdkvdpa port has a socket and a VF, from when it was configured to when
 * it goes: in either mode, and also while it is not joined.  Nobody else may
 * have them, neither another dpdkvdpa port nor one of OVS's "dpdk" class, nor
 * may the VF be detached from DPDK.  These functions tell, whichever of its
 * names a device is called by, and by the port's name.
 *
 * The other way round, a port's own configuration looks at whether its VF is
 * a "dpdk" port's; see netdev-dpdkvdpa.c.
 *
 * Thread-safety
 * -------------
 *
 * To be called from the main thread. */

#include <stdbool.h>

struct vdpa_options;
struct vdpa_port;

int vdpa_claim_check_options(const struct vdpa_port *,
                             const struct vdpa_options *, char **errorp);
char *vdpa_claim_find_port(const char *devargs, const struct vdpa_port *except,
                           bool siblings);

#endif /* vdpa-claim.h */
