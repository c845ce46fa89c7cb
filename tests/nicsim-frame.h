/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Frames as words, for tests.
 *
 * A frame is made of words in the order of its headers:
 *
 *     src=MAC dst=MAC  vlan=TCI[:TPID] ...  type=ETHERTYPE
 *     ipv4 | ipv6, from=ADDR to=ADDR ttl=N tos=N id=N frag=WORD label=N
 *         options=BYTES iplen=N version=N badip  ext=PROTO ...
 *     tcp | udp | sctp | icmp | icmp6 | proto=N, sport=N dport=N seq=N
 *         flags=N kind=N code=N nocsum badcsum doff=N udplen=N
 *     len=BYTES of payload, cut=BYTES of the whole frame, pad=BYTES
 *     hex=BYTES of payload, and inner FRAME, which goes behind these
 *
 * What is not said has a default that makes a valid frame.  The payload's
 * bytes count up from the TCP sequence number, or 0, so that segments can be
 * told to be the right ones. */

#ifndef NICSIM_FRAME_H
#define NICSIM_FRAME_H 1

#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 65536

/* A frame that was made. */
struct frame {
    uint8_t data[FRAME_MAX];
    uint32_t len;
    uint32_t l2_len, l3_len, l4_len;
};

void frame_make(struct frame *, char **words, int n);
void frame_print(const uint8_t *data, uint32_t len);
void frame_partial_csum(struct frame *, uint32_t start, uint32_t offset);
uint32_t sum16(const uint8_t *data, uint32_t n, uint32_t sum);

const char *word_value(char **words, int n, const char *name);
uint64_t word_number(char **words, int n, const char *name, uint64_t value);
void parse_mac(const char *, uint8_t *mac);

#endif /* tests/nicsim-frame.h */
