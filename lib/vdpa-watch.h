/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_WATCH_H
#define VDPA_WATCH_H 1

/* Watching a vDPA driver
 * ======================
 *
 * When the rings of a guest are ready, librte_vhost has the driver of the
 * vDPA device configure it.  If the driver cannot, librte_vhost writes that to
 * its log and tells nobody: the guest is connected, and its packets go
 * nowhere.  A watch tells.
 *
 * It stands between librte_vhost and the driver: a device's table of functions
 * is replaced by a copy in which one of them is ours.  This is the only file
 * of lib/ that knows how DPDK's drivers look from within, for the very version
 * of DPDK that it is built with.
 *
 * Thread-safety
 * -------------
 *
 * A watch begins and ends while the device is attached to no socket.  The
 * callback comes from librte_vhost's threads. */

#include <stdbool.h>

struct rte_vdpa_device;
struct vdpa_watch;

/* 'error' is 0 if the driver configured the device for librte_vhost's guest
 * 'vid', otherwise a positive errno value. */
typedef void vdpa_watch_cb(int vid, int error, void *aux);

bool vdpa_watch_is_net(const struct rte_vdpa_device *);
struct vdpa_watch *vdpa_watch_begin(struct rte_vdpa_device *, vdpa_watch_cb *,
                                    void *aux);
void vdpa_watch_end(struct vdpa_watch *, bool there);

#endif /* vdpa-watch.h */
