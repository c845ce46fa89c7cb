/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What nicsimctl asks: NICSIM_CTL_* messages.  Each function fills the reply
 * and returns 0 or a positive errno. */

#ifndef NICSIM_CTL_H
#define NICSIM_CTL_H 1

struct nic;
struct nicsim_ctl_info;
struct nicsim_ctl_rule;
struct nicsim_ctl_vdpa;
struct nicsim_ctl_vport;
struct nicsim_vdpa_queue;

int ctl_info(struct nic *, struct nicsim_ctl_info *);
int ctl_rule(struct nic *, struct nicsim_ctl_rule *);
int ctl_vdpa(struct nic *, struct nicsim_ctl_vdpa *);
int ctl_vdpa_queue(struct nic *, struct nicsim_vdpa_queue *, char *why);
int ctl_vport(struct nic *, struct nicsim_ctl_vport *);

#endif /* nicsim/device/ctl.h */
