/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Items
 * =====
 *
 * All items are rows of tables: what a row says of an item (where it may
 * stand, which header it asks for, where its fields go to in the NIC's key) is
 * done by nicsim-flow-pattern.c, which knows no item.  What a table can't say,
 * an item's function does: nicsim-flow-item.c has those of the layers of
 * ordinary packets and of metadata, nicsim-flow-tunnel.c those of tunnels.
 *
 * A pattern describes one stack of headers, or two with a tunnel between. */

#ifndef NICSIM_FLOW_PATTERN_H
#define NICSIM_FLOW_PATTERN_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_flow.h>

#include "hw.h"

struct nicsim_port;

/* Where items may stand: only behind items of lower layers, unless they may be
 * repeated.  Behind a tunnel it begins again with Ethernet. */
enum nicsim_layer {
    NICSIM_LAYER_META,                  /* Anywhere. */
    NICSIM_LAYER_ETH,
    NICSIM_LAYER_VLAN,
    NICSIM_LAYER_3,
    NICSIM_LAYER_3_EXT,
    NICSIM_LAYER_4,
    NICSIM_LAYER_ND_SLA,
    NICSIM_LAYER_ND_TLA,
    NICSIM_LAYER_TUNNEL,
    NICSIM_LAYER_TUNNEL_OPT,
};

/* A pattern on its way into a rule. */
struct nicsim_pattern {
    const struct nicsim_port *port;
    const struct rte_flow_attr *attr;
    struct nicsim_rule *rule;
    struct rte_flow_error *error;

    struct nicsim_key *k, *km;          /* The stack, and its mask, that the
                                         * items are about now. */
    bool inner;                         /* It is the inner one. */
    enum nicsim_layer layer;            /* Of the last item. */
    uint32_t seen;                      /* NICSIM_ITEM_* so far ... */
    uint32_t seen_tags;                 /* ... and indexes of TAG items. */
    uint32_t n_opts;                    /* Bytes of Geneve options so far. */

    /* Of the present stack. */
    bool eth_seen;
    unsigned int n_vlans;
    /* What the last Ethernet or VLAN item says of the header behind it. */
    const struct rte_flow_item *type_item;      /* NULL: nothing. */
    uint16_t type;                      /* Host order. */
    int more_vlans;                     /* 0, 1, or -1: not said. */
};

/* Where a field of an item goes to. */
enum nicsim_target {
    NICSIM_TO_NOTHING,                  /* The key has no room for it. */
    NICSIM_TO_FUNCTION,                 /* The item's function does it ... */
    NICSIM_TO_RANGE,                    /* ... and takes ranges, too. */
    NICSIM_TO_STACK,                    /* struct nicsim_key. */
    NICSIM_TO_META,                     /* struct nicsim_meta. */
    NICSIM_TO_TUNNEL,                   /* struct nicsim_tunnel. */
};

struct nicsim_item_field {
    const char *name;
    uint16_t offset, size;              /* In the item. */
    enum nicsim_target target;
    uint16_t to;                        /* Offset in the target. */
};

#define NICSIM_FIELD__(STRUCT, MEMBER, NAME, TARGET, TO)                \
    { NAME, offsetof(struct STRUCT, MEMBER),                            \
      sizeof(((struct STRUCT *) NULL)->MEMBER), NICSIM_TO_##TARGET, TO }
#define NICSIM_FIELD_TO(STRUCT, MEMBER, NAME, TARGET)                   \
    NICSIM_FIELD__(STRUCT, MEMBER, NAME, TARGET, 0)
#define NICSIM_FIELD(STRUCT, MEMBER, NAME, KEY)                         \
    NICSIM_FIELD__(STRUCT, MEMBER, NAME, STACK,                         \
                   offsetof(struct nicsim_key, KEY))
#define NICSIM_FIELD_META(STRUCT, MEMBER, NAME, WORD)                   \
    NICSIM_FIELD__(STRUCT, MEMBER, NAME, META,                          \
                   offsetof(struct nicsim_meta, WORD))
#define NICSIM_FIELD_TUNNEL(STRUCT, MEMBER, NAME, OFS)                  \
    NICSIM_FIELD__(STRUCT, MEMBER, NAME, TUNNEL,                        \
                   offsetof(struct nicsim_tunnel, header) + OFS)
#define NICSIM_FIELDS_END { NULL, 0, 0, NICSIM_TO_NOTHING, 0 }

/* What is to be known of an item. */
struct nicsim_item {
    enum rte_flow_item_type type;
    uint32_t bit;                       /* NICSIM_ITEM_*. */
    enum nicsim_layer layer;
    bool repeated;                      /* Several may stand in a row; the
                                         * function limits them. */
    size_t size;                        /* Of spec, last and mask. */
    const void *default_mask;
    const struct nicsim_item_field *fields;     /* Up to one without name. */

    uint32_t present;                   /* NICSIM_P_*: headers it asks for. */
    uint16_t eth_type;                  /* Layer 3: EtherType.  Layer 4: that
                                         * of the only IP it goes with. */
    uint8_t proto;                      /* Layer 4: IP's protocol. */

    /* Does what is not said above, or NULL.  'spec' and 'mask' are NULL if the
     * item only asks for the header's presence.  Returns 0, or a negative
     * errno after nicsim_pattern_refuse(). */
    int (*parse)(struct nicsim_pattern *, const struct rte_flow_item *,
                 const void *spec, const void *mask);
};

#define NICSIM_ITEM_ROW(TYPE, BIT, LAYER, STRUCT, MASK, FIELDS)         \
    .type = RTE_FLOW_ITEM_TYPE_##TYPE, .bit = NICSIM_ITEM_##BIT,        \
    .layer = NICSIM_LAYER_##LAYER, .size = sizeof(struct STRUCT),       \
    .default_mask = MASK, .fields = FIELDS

/* The tables, each up to a row without fields. */
extern const struct nicsim_item nicsim_items[];
extern const struct nicsim_item nicsim_tunnel_items[];

/* For items' functions. */

/* Asks for NICSIM_P_* to be set ('want') or not.  Returns false if the pattern
 * asks for the contrary already. */
bool nicsim_pattern_require(struct nicsim_pattern *, uint32_t bits, bool want);

/* All return a negative errno, with the error filled in. */
int nicsim_pattern_refuse(struct nicsim_pattern *,
                          const struct rte_flow_item *,
                          enum rte_flow_error_type, const char *why);
int nicsim_pattern_refuse_mask(struct nicsim_pattern *,
                               const struct rte_flow_item *, const char *why);
int nicsim_pattern_contradiction(struct nicsim_pattern *,
                                 const struct rte_flow_item *);

/* Says that there is no more of layer 2 in this stack, since 'item' comes,
 * which stands behind EtherType 'type', or since the stack ends, with 0 and
 * NULL.  Returns 0 or a negative errno. */
int nicsim_pattern_finish_l2(struct nicsim_pattern *, uint16_t type,
                             const struct rte_flow_item *item);

#endif /* nicsim-flow-pattern.h */
