/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * From a packet's bytes to union key.
 *
 * The outer headers are always parsed.  What is in a tunnel is, and checksums
 * are checked before the rules, only while a rule asks for it: struct parser
 * knows. */

#ifndef NICSIM_PARSER_H
#define NICSIM_PARSER_H 1

#include <stdint.h>

struct nicsim_match;
struct packet;

/* Different UDP ports of tunnels. */
#define PARSER_PORTS 8

struct parser {
    struct {
        uint32_t n_rules;               /* 0: this place is free. */
        uint16_t port;                  /* Network byte order. */
        uint8_t type;                   /* enum nicsim_tunnel_type. */
    } ports[PARSER_PORTS];
    uint32_t n_gre;                     /* Rules for GRE ... */
    uint32_t n_tunnels;                 /* ... or any tunnel ... */
    uint32_t n_checksums;               /* ... or that ask for checksums. */
};

void packet_parse(struct packet *);
void packet_parse_tunnel(const struct parser *, struct packet *);

int parser_check(const struct parser *, const struct nicsim_match *key,
                 const struct nicsim_match *mask);
void parser_learn(struct parser *, const struct nicsim_match *key,
                  const struct nicsim_match *mask);
void parser_forget(struct parser *, const struct nicsim_match *key,
                   const struct nicsim_match *mask);

#endif /* nicsim/device/parser.h */
