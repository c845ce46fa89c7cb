/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * The embedded switch: where a packet goes. */

#ifndef NICSIM_PIPELINE_H
#define NICSIM_PIPELINE_H 1

#include <stdint.h>

struct function;
struct nic;
struct packet;

void pipeline_run(struct nic *, uint32_t vport, struct packet **,
                  unsigned int n);
void pipeline_send(struct function *, struct packet **, unsigned int n);
void pipeline_flush(struct nic *);

#endif /* nicsim/device/pipeline.h */
