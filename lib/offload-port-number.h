/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Numbers of datapath ports
 * =========================
 *
 * When a port goes, its megaflows stay until revalidators come by and find
 * that there is no such port.  A new port that got the same number at once
 * would inherit them: as their match and their actions are still right, they
 * would stay for as long as they have traffic.  But they lost their rules with
 * the old port, and dpif-netdev does not offer a megaflow twice.
 *
 * So, with hw-offload, a number is not given to another port for a while.
 *
 * Thread-safety: for the main thread only. */

#ifndef OFFLOAD_PORT_NUMBER_H
#define OFFLOAD_PORT_NUMBER_H 1

#include <inttypes.h>

#include "openvswitch/types.h"

struct dpif;

/* Returns a number for a new port of 'dpif', or ODPP_NONE if that may be any
 * number. */
odp_port_t offload_port_number_choose(const struct dpif *dpif);

/* Tells that port 'port_no' of 'dpif' is about to go. */
void offload_port_number_release(const struct dpif *dpif,
                                 odp_port_t port_no);

/* Offload threads can't ask the datapath, whose lock they have, for the name
 * of a port.  'words' that they left as OFFLOAD_PORT_NUMBER_FORMAT, and no
 * others, become the port's name.  Returns a string to be freed. */
#define OFFLOAD_PORT_NUMBER_FORMAT "datapath port %"PRIu32
char *offload_port_number_to_name(const char *words);

#endif /* offload-port-number.h */
