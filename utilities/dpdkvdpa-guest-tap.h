/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef DPDKVDPA_GUEST_TAP_H
#define DPDKVDPA_GUEST_TAP_H 1

/* The kernel's side of a guest: a tap interface
 * =============================================
 *
 * The tap exchanges frames with a virtio-net header of VNET_HDR_LEN bytes in
 * front, the very header that virtio 1.x puts in front of a frame in a ring:
 * whatever the kernel's TCP/IP stack asks for (checksum, segmentation) or is
 * told (needs checksum, received merged) passes without translation.
 *
 * The interface lives as long as its queues' file descriptors.
 */

#include <stdbool.h>
#include <stdint.h>

#define VNET_HDR_LEN 12         /* struct virtio_net_hdr_v1. */
#define TAP_MAX_QUEUES 16

struct tap {
    int n_queues;
    int active;                 /* Queues 0..'active'-1 are attached. */
    int fds[TAP_MAX_QUEUES];    /* The first 'n_queues' are open. */
    char name[16];
};

int tap_open(struct tap *, const char *name, const char *netns, int n_queues,
             const uint8_t mac[6], int mtu);
void tap_close(struct tap *);
int tap_set_active(struct tap *, int n_active);
int tap_set_offloads(struct tap *, bool csum, bool tso4, bool tso6, bool ecn);
int tap_set_carrier(struct tap *, bool up);
void tap_discard(struct tap *, void *scratch, unsigned int scratch_len);

#endif /* dpdkvdpa-guest-tap.h */
