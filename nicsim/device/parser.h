/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * From a packet's bytes to struct nicsim_key. */

#ifndef NICSIM_PARSER_H
#define NICSIM_PARSER_H 1

struct packet;

void packet_parse(struct packet *);

#endif /* nicsim/device/parser.h */
