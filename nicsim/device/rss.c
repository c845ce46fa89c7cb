/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "rss.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

#include "nic.h"
#include "packet.h"

/* Sets the key of 'rss'.
 *
 * The hash is linear: that of an input is the exclusive or of those of its
 * half bytes alone.  rte_thash works bit by bit, so let it fill tables here
 * rather than hash packets. */
void
rss_set_key(struct rss *rss, const uint8_t *key)
{
    memcpy(rss->key, key, sizeof rss->key);
    for (uint32_t i = 0; i < RSS_INPUT * 2; i++) {
        for (uint32_t value = 0; value < 16; value++) {
            uint32_t input[RSS_INPUT / 4] = { 0 };

            /* rte_softrss() takes words in host order: bits 31 to 28 are the
             * first half byte. */
            input[i / 8] = value << (28 - i % 8 * 4);
            rss->table[i][value] = rte_softrss(input, RSS_INPUT / 4,
                                               rss->key);
        }
    }
}

static uint32_t
hash_bytes(const struct rss *rss, uint32_t at, const void *data_, uint32_t n)
{
    const uint32_t (*table)[16] = &rss->table[at * 2];
    const uint8_t *data = data_;
    uint32_t hash = 0;

    for (uint32_t i = 0; i < n; i++) {
        hash ^= table[2 * i][data[i] >> 4] ^ table[2 * i + 1][data[i] & 15];
    }
    return hash;
}

/* Sets '*hash' to the hash of 'p', which was parsed.  Returns false if it has
 * no headers that 'rss' is told to hash. */
bool
rss_hash(const struct rss *rss, const struct packet *p, uint32_t *hash)
{
    const struct nicsim_key *key = &p->key.k;
    uint32_t present = key->present;
    uint32_t size = present & NICSIM_P_IPV4 ? 4 : 16;
    bool l4;

    if (!rss->types || !(present & (NICSIM_P_IPV4 | NICSIM_P_IPV6))) {
        return false;
    }
    l4 = ((present & NICSIM_P_TCP && rss->types & NICSIM_RSS_TCP)
          || (present & NICSIM_P_UDP && rss->types & NICSIM_RSS_UDP)
          || (present & NICSIM_P_SCTP && rss->types & NICSIM_RSS_SCTP))
         && !(present & NICSIM_P_FRAG);
    if (!l4 && !(rss->types & NICSIM_RSS_IP)) {
        return false;
    }
    *hash = hash_bytes(rss, 0, key->ip_src, size)
            ^ hash_bytes(rss, size, key->ip_dst, size);
    if (l4) {
        *hash ^= hash_bytes(rss, 2 * size, &key->l4_src, 4);
    }
    return true;
}
