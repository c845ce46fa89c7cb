/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_OPTIONS_H
#define VDPA_OPTIONS_H 1

/* Options of a dpdkvdpa port
 * ==========================
 *
 * Reads what a user wrote into Interface:options and checks as much of it as
 * can be checked without touching a device.  Each complaint names the option
 * and says what to write instead. */

#include <stdbool.h>

#include "vdpa-devargs.h"

struct smap;

struct vdpa_options {
    char *socket_path;              /* vdpa-socket-path, as written. */
    char *socket_id;                /* The same without symbolic links, so
                                     * that two ports' can be compared. */
    struct vdpa_devargs accelerator;
    unsigned int max_queues;        /* 0 for as many as the device has. */
    bool sw;                        /* Do not try hardware. */
    bool all_features;              /* Offer what one mode alone has, too. */
    bool link_of_guest;             /* Link is down while there is no guest. */
    char *representor;              /* dpdk-devargs, or NULL. */
    unsigned int n_rxq;
};

int vdpa_options_parse(const struct smap *, struct vdpa_options *,
                       char **errorp);
void vdpa_options_destroy(struct vdpa_options *);
void vdpa_options_clone(struct vdpa_options *, const struct vdpa_options *);
bool vdpa_options_same_ends(const struct vdpa_options *,
                            const struct vdpa_options *);
bool vdpa_options_same_way(const struct vdpa_options *,
                           const struct vdpa_options *);
void vdpa_options_format(const struct vdpa_options *, struct smap *);

#endif /* vdpa-options.h */
