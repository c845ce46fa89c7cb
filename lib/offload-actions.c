/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include <config.h>
#include "offload-actions.h"

#include <string.h>

#include "flow.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "offload-form.h"
#include "offload-match.h"
#include "offload-mpls.h"
#include "offload-refusal.h"
#include "offload-set.h"
#include "offload-support.h"
#include "offload-tunnel.h"
#include "packets.h"
#include "util.h"

/* The translation of one list of datapath actions. */
struct actions_parser {
    struct offload_action_list list;    /* What is added to now. */
    const struct offload_actions_ops *ops;
    void *aux;
    bool in_sample;             /* 'list' is that of a sample. */
    bool done;                  /* After the fate of the packet. */
};

/* What is put aside while a sample's list is made. */
struct outer_list {
    struct offload_action_list list;
    bool in_sample, done;
};

union offload_action_conf *
offload_action_add(struct offload_action_list *list,
                   enum rte_flow_action_type type)
{
    struct offload_actions *oa = list->oa;
    union offload_action_conf *conf;

    /* One place stays free for END. */
    if (list->n >= list->max - 1 || oa->n_confs >= OFFLOAD_MAX_CONFS - 1) {
        list->overflow = true;
        return &oa->confs[OFFLOAD_MAX_CONFS - 1];
    }

    conf = &oa->confs[oa->n_confs++];
    memset(conf, 0, sizeof *conf);
    list->actions[list->n++] = (struct rte_flow_action) {
        .type = type,
        .conf = conf,
    };
    return conf;
}

void
offload_action_add_bare(struct offload_action_list *list,
                        enum rte_flow_action_type type)
{
    offload_action_add(list, type);
    if (!list->overflow) {
        list->actions[list->n - 1].conf = NULL;
    }
}

static void
end_list(struct offload_action_list *list)
{
    list->actions[list->n] = (struct rte_flow_action) {
        .type = RTE_FLOW_ACTION_TYPE_END,
    };
}

/* Samples. */

/* Has what is added from now on go to a sample, about a copy of the packet,
 * and stores in '*outer' what sample_end() needs. */
static bool
sample_begin(struct actions_parser *ap, uint32_t ratio,
             struct outer_list *outer)
{
    struct offload_actions *oa = ap->list.oa;
    struct rte_flow_action_sample *sample;

    if (ap->in_sample) {
        return offload_refuse(ap->list.refusal, OFFLOAD_REFUSAL_ACTION_CLONE);
    }
    if (oa->n_samples >= OFFLOAD_MAX_SAMPLES) {
        return offload_refuse(ap->list.refusal,
                              OFFLOAD_REFUSAL_ACTION_TOO_MANY);
    }
    sample = &offload_action_add(&ap->list, RTE_FLOW_ACTION_TYPE_SAMPLE)
             ->sample;
    sample->ratio = ratio;
    sample->actions = oa->samples[oa->n_samples];

    outer->list = ap->list;
    outer->in_sample = ap->in_sample;
    outer->done = ap->done;
    ap->list.actions = oa->samples[oa->n_samples++];
    ap->list.n = 0;
    ap->list.max = OFFLOAD_MAX_SUBACTIONS;
    ap->in_sample = true;
    return true;
}

static void
sample_end(struct actions_parser *ap, const struct outer_list *outer)
{
    bool overflow = ap->list.overflow;

    end_list(&ap->list);
    ap->list = outer->list;
    ap->list.overflow = overflow;
    ap->in_sample = outer->in_sample;
    ap->done = outer->done;
}

/* Adds the output itself. */
static bool
add_output(struct actions_parser *ap, odp_port_t port_no)
{
    struct offload_action_list *list = &ap->list;
    uint16_t port_id;

    if (!ap->ops->output(port_no, list->packet.growth, &port_id,
                         list->refusal, ap->aux)) {
        return false;
    }
    list->oa->forms_used |= OFFLOAD_FORM_ACTION_PORT_ID;
    if (list->forms & OFFLOAD_FORM_ACTION_PORT_ID) {
        offload_action_add(list, RTE_FLOW_ACTION_TYPE_PORT_ID)->port_id.id
            = port_id;
    } else {
        offload_action_add(list, RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT)
            ->ethdev.port_id = port_id;
    }
    return true;
}

/* 'last' is true if no packet leaves behind this action. */
static bool
parse_output(struct actions_parser *ap, const struct nlattr *a, bool last)
{
    odp_port_t port_no;
    struct outer_list outer;

    if (nl_attr_get_size(a) != sizeof port_no) {
        return offload_refuse(ap->list.refusal,
                              OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    port_no = nl_attr_get_odp_port(a);
    if (last) {
        ap->done = true;
        return add_output(ap, port_no);
    }
    if (!sample_begin(ap, 1, &outer) || !add_output(ap, port_no)) {
        return false;
    }
    sample_end(ap, &outer);
    return true;
}

/* Open vSwitch pushes a tag with a DEI bit of 0.  So does OF_PUSH_VLAN. */
static bool
parse_push_vlan(struct actions_parser *ap, const struct nlattr *a)
{
    struct offload_action_list *list = &ap->list;
    struct offload_packet *packet = &list->packet;
    const struct ovs_action_push_vlan *vlan;

    if (nl_attr_get_size(a) != sizeof *vlan) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    if (packet->n_vlans + eth_type_vlan(packet->eth_type) > 1) {
        return offload_refuse(list->refusal, OFFLOAD_REFUSAL_VLAN_PUSH_THIRD);
    }
    vlan = nl_attr_get(a);
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_OF_PUSH_VLAN)
        ->push_vlan.ethertype = vlan->vlan_tpid;
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_VID)
        ->vlan_vid.vlan_vid = vlan->vlan_tci & htons(VLAN_VID_MASK);
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_OF_SET_VLAN_PCP)
        ->vlan_pcp.vlan_pcp = vlan_tci_to_pcp(vlan->vlan_tci);
    packet->pushed[packet->n_pushed++] = (struct offload_tag) {
        .tpid = vlan->vlan_tpid,
        .tci = vlan->vlan_tci & htons(~VLAN_CFI),
    };
    packet->n_vlans++;
    packet->growth += VLAN_HEADER_LEN;
    return true;
}

static bool
parse_pop_vlan(struct actions_parser *ap)
{
    struct offload_packet *packet = &ap->list.packet;

    if (!packet->n_vlans) {
        return offload_refuse(ap->list.refusal, OFFLOAD_REFUSAL_VLAN_POP_NONE);
    }
    offload_action_add_bare(&ap->list, RTE_FLOW_ACTION_TYPE_OF_POP_VLAN);
    packet->n_vlans--;
    packet->growth -= VLAN_HEADER_LEN;
    if (packet->n_pushed) {
        packet->n_pushed--;
    } else {
        packet->n_popped++;
    }
    if (!packet->n_vlans && eth_type_vlan(packet->eth_type)) {
        /* There was one more tag, which was matched as EtherType. */
        packet->n_vlans = 1;
        packet->eth_type = 0;
    }
    return true;
}

/* Goes on in another group.  Nothing can come behind that. */
static bool
parse_jump(struct actions_parser *ap, uint32_t recirc_id, odp_port_t tnl_port,
           bool last)
{
    struct offload_action_list *list = &ap->list;
    uint32_t group;

    if (!last || ap->in_sample) {
        return offload_refuse(list->refusal,
                              OFFLOAD_REFUSAL_ACTION_RECIRC_NOT_LAST);
    }
    if (recirc_id && list->packet.encapsulated) {
        /* For software these come from the port by which the tunnel leaves,
         * which a NIC does not know. */
        return offload_refuse(list->refusal,
                              OFFLOAD_REFUSAL_ACTION_RECIRC_ENCAP);
    }
    if (!ap->ops->jump(recirc_id, tnl_port, list->packet.hash_gone, &group,
                       list->refusal, ap->aux)) {
        return false;
    }
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_JUMP)->jump.group = group;
    ap->done = true;
    return true;
}

static bool
parse_meter(struct actions_parser *ap, const struct nlattr *a)
{
    struct offload_action_list *list = &ap->list;
    uint32_t mtr_id;

    if (!ap->ops->meter(nl_attr_get_u32(a), &mtr_id, list->refusal,
                        ap->aux)) {
        return false;
    }
    offload_action_add(list, RTE_FLOW_ACTION_TYPE_METER)->meter.mtr_id
        = mtr_id;
    return true;
}

/* Sends one packet of 'ratio' to software, for the action 'a' there. */
static bool
parse_userspace(struct actions_parser *ap, const struct nlattr *a,
                uint32_t ratio)
{
    struct offload_action_list *list = &ap->list;
    struct outer_list outer;
    uint16_t port_id;
    uint32_t mark;

    if (!ap->ops->userspace(a, &mark, &port_id, list->refusal, ap->aux)
        || !sample_begin(ap, ratio, &outer)) {
        return false;
    }
    offload_action_add(&ap->list, RTE_FLOW_ACTION_TYPE_MARK)->mark.id = mark;
    offload_action_add(&ap->list, RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR)
        ->ethdev.port_id = port_id;
    sample_end(ap, &outer);
    return true;
}

/* Returns true if one of 'actions' does more than rewrite the packet. */
static bool
have_effect(const struct nlattr *actions, size_t actions_len)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        switch (nl_attr_type(a)) {
        case OVS_ACTION_ATTR_SET:
        case OVS_ACTION_ATTR_SET_MASKED:
        case OVS_ACTION_ATTR_PUSH_VLAN:
        case OVS_ACTION_ATTR_POP_VLAN:
        case OVS_ACTION_ATTR_PUSH_MPLS:
        case OVS_ACTION_ATTR_POP_MPLS:
        case OVS_ACTION_ATTR_CT_CLEAR:
            break;
        default:
            return true;
        }
    }
    return left != 0;
}

/* Returns how many of 'actions' let packets out, and stores in '*rewrites'
 * whether there are others. */
static size_t
count_outputs(const struct nlattr *actions, size_t actions_len, bool *rewrites)
{
    const struct nlattr *a;
    size_t n = 0;
    size_t left;

    *rewrites = false;
    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        if (nl_attr_type(a) == OVS_ACTION_ATTR_OUTPUT) {
            n++;
        } else {
            *rewrites = true;
        }
    }
    return n;
}

static bool parse_list(struct actions_parser *, const struct nlattr *actions,
                       size_t actions_len, bool last);

/* A clone that only outputs, or that nothing comes behind, is as good as its
 * actions.  Another one is done to a copy. */
static bool
parse_clone(struct actions_parser *ap, const struct nlattr *actions,
            size_t actions_len, bool last)
{
    struct outer_list outer;
    bool rewrites;
    size_t n;

    if (!have_effect(actions, actions_len)) {
        return true;
    }
    n = count_outputs(actions, actions_len, &rewrites);
    if (last || !rewrites) {
        return parse_list(ap, actions, actions_len, last);
    }
    if (n > 1) {
        return offload_refuse(ap->list.refusal, OFFLOAD_REFUSAL_ACTION_CLONE);
    }
    if (!sample_begin(ap, 1, &outer)
        || !parse_list(ap, actions, actions_len, true)) {
        return false;
    }
    if (!ap->done) {
        /* What is in the clone goes nowhere: a meter, say. */
        return offload_refuse(ap->list.refusal, OFFLOAD_REFUSAL_ACTION_CLONE);
    }
    sample_end(ap, &outer);
    return true;
}

/* The datapath samples with a probability of PROBABILITY / UINT32_MAX, which
 * Open vSwitch makes from "one in N". */
static bool
parse_sample(struct actions_parser *ap, const struct nlattr *sample, bool last)
{
    struct offload_refusal *refusal = ap->list.refusal;
    const struct nlattr *actions = NULL;
    const struct nlattr *inner;
    uint32_t probability = 0;
    const struct nlattr *a;
    uint32_t ratio;
    size_t left;

    NL_NESTED_FOR_EACH (a, left, sample) {
        if (nl_attr_type(a) == OVS_SAMPLE_ATTR_PROBABILITY
            && nl_attr_get_size(a) == sizeof probability) {
            probability = nl_attr_get_u32(a);
        } else if (nl_attr_type(a) == OVS_SAMPLE_ATTR_ACTIONS) {
            actions = a;
        }
    }
    if (!actions) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
    }
    if (!probability || !nl_attr_get_size(actions)) {
        return true;
    }
    if (probability == UINT32_MAX) {
        return parse_clone(ap, nl_attr_get(actions), nl_attr_get_size(actions),
                           last);
    }

    ratio = UINT32_MAX / probability;
    inner = nl_attr_get(actions);
    if (UINT32_MAX / ratio != probability
        || nl_attr_type(inner) != OVS_ACTION_ATTR_USERSPACE
        || (size_t) NLA_ALIGN(inner->nla_len) < nl_attr_get_size(actions)) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_SAMPLE);
    }
    return parse_userspace(ap, inner, ratio);
}

/* Why an action of 'type' is refused, always, or NONE. */
static enum offload_refusal_code
refusal_of_action(enum ovs_action_attr type)
{
    switch (type) {
#define OFFLOAD_ACTION(ATTR, NAME, RTE_FLOW, REFUSAL)                   \
    case OVS_ACTION_ATTR_##ATTR:                                        \
        return OFFLOAD_REFUSAL_##REFUSAL;
    OFFLOAD_ACTIONS
#undef OFFLOAD_ACTION

    case OVS_ACTION_ATTR_UNSPEC:
    case __OVS_ACTION_ATTR_MAX:
    default:
        return OFFLOAD_REFUSAL_ACTION_OTHER;
    }
}

/* Translates one action.  'last' is true if no other with an effect follows,
 * here or behind the lists around this one. */
static bool
parse_action(struct actions_parser *ap, const struct nlattr *a, bool last)
{
    struct offload_action_list *list = &ap->list;
    const struct nlattr *nested = nl_attr_get(a);
    size_t size = nl_attr_get_size(a);

    switch (nl_attr_type(a)) {
    case OVS_ACTION_ATTR_OUTPUT:
        return parse_output(ap, a, last);

    case OVS_ACTION_ATTR_SET:
    case OVS_ACTION_ATTR_SET_MASKED:
        return offload_set_parse(list, a, nl_attr_type(a)
                                          == OVS_ACTION_ATTR_SET_MASKED);

    case OVS_ACTION_ATTR_PUSH_VLAN:
        return parse_push_vlan(ap, a);

    case OVS_ACTION_ATTR_POP_VLAN:
        return parse_pop_vlan(ap);

    case OVS_ACTION_ATTR_PUSH_MPLS:
        if (size != sizeof(struct ovs_action_push_mpls)) {
            break;
        }
        return offload_mpls_push(list, (const void *) nested);

    case OVS_ACTION_ATTR_POP_MPLS:
        if (size != sizeof(ovs_be16)) {
            break;
        }
        return offload_mpls_pop(list, nl_attr_get_be16(a));

    case OVS_ACTION_ATTR_CT_CLEAR:
        /* A packet that never was in connection tracking has nothing to be
         * cleared. */
        return true;

    case OVS_ACTION_ATTR_CLONE:
        return parse_clone(ap, nested, size, last);

    case OVS_ACTION_ATTR_SAMPLE:
        return parse_sample(ap, a, last);

    case OVS_ACTION_ATTR_USERSPACE:
        return parse_userspace(ap, a, 1);

    case OVS_ACTION_ATTR_METER:
        if (size != sizeof(uint32_t)) {
            break;
        }
        return parse_meter(ap, a);

    case OVS_ACTION_ATTR_RECIRC:
        if (size != sizeof(uint32_t)) {
            break;
        }
        return parse_jump(ap, nl_attr_get_u32(a), ODPP_NONE, last);

    case OVS_ACTION_ATTR_TUNNEL_POP:
        if (size != sizeof(odp_port_t)) {
            break;
        }
        return parse_jump(ap, 0, nl_attr_get_odp_port(a), last);

    case OVS_ACTION_ATTR_TUNNEL_PUSH:
        /* The attribute ends with the header, which is not copied whole. */
        if (size < offsetof(struct ovs_action_push_tnl, header)
            || size < (offsetof(struct ovs_action_push_tnl, header)
                       + ((const struct ovs_action_push_tnl *) nested)
                         ->header_len)) {
            break;
        }
        return offload_tunnel_push(list, (const void *) nested);

    default:
        return offload_refuse(list->refusal,
                              refusal_of_action(nl_attr_type(a)));
    }
    return offload_refuse(list->refusal, OFFLOAD_REFUSAL_ACTION_MALFORMED);
}

/* Translates a list of actions.  'last' is true if no packet leaves behind
 * it. */
static bool
parse_list(struct actions_parser *ap, const struct nlattr *actions,
           size_t actions_len, bool last)
{
    const struct nlattr *a;
    size_t left;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        const uint8_t *rest = (const uint8_t *) a + NLA_ALIGN(a->nla_len);
        size_t rest_len = left - MIN(left, NLA_ALIGN(a->nla_len));

        if (ap->done) {
            /* Rewrites that nobody sees. */
            return true;
        }
        if (nl_attr_type(a) == OVS_ACTION_ATTR_DROP) {
            /* The packet ends here, in whatever list. */
            if (!last) {
                return offload_refuse(ap->list.refusal,
                                      OFFLOAD_REFUSAL_ACTION_CLONE);
            }
            return true;
        }
        if (!parse_action(ap, a, last && !have_effect((const void *) rest,
                                                      rest_len))) {
            return false;
        }
    }
    return (!left || offload_refuse(ap->list.refusal,
                                    OFFLOAD_REFUSAL_ACTION_MALFORMED));
}

/* The packet is in a tunnel.  Takes its outer headers off, unless it
 * recirculates: then they are what tells software of the tunnel if the packet
 * misses, and nothing else may be done to it yet. */
static bool
begin_in_tunnel(struct actions_parser *ap, const struct nlattr *actions,
                size_t actions_len)
{
    bool recirculates = false;
    const struct nlattr *a;
    size_t left, n = 0;

    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        recirculates |= nl_attr_type(a) == OVS_ACTION_ATTR_RECIRC;
        n++;
    }
    if (!recirculates) {
        return offload_tunnel_pop(&ap->list, &ap->list.om->tunnel);
    }
    if (n == 1) {
        return true;
    }
    /* An action that is never translated would be refused without tunnel and
     * recirc as well, so that it is the reason. */
    NL_ATTR_FOR_EACH (a, left, actions, actions_len) {
        enum offload_refusal_code code = refusal_of_action(nl_attr_type(a));

        if (code) {
            return offload_refuse(ap->list.refusal, code);
        }
    }
    return offload_refuse(ap->list.refusal,
                          OFFLOAD_REFUSAL_ACTION_RECIRC_TUNNEL);
}

bool
offload_actions_init(struct offload_actions *oa,
                     const struct nlattr *actions, size_t actions_len,
                     struct offload_match *om, unsigned int forms,
                     const struct offload_actions_ops *ops, void *aux,
                     struct offload_refusal *refusal)
{
    struct actions_parser ap = {
        .list = {
            .oa = oa,
            .om = om,
            .packet = om->packet,
            .actions = oa->actions,
            .max = OFFLOAD_MAX_ACTIONS,
            .forms = forms,
            .refusal = refusal,
        },
        .ops = ops,
        .aux = aux,
    };

    if (!om->tunnel.type) {
        ap.list.packet.growth = om->packet.n_vlans * VLAN_HEADER_LEN;
    }
    oa->n_samples = oa->n_confs = oa->n_headers = 0;
    oa->forms_used = 0;
    offload_action_add(&ap.list, RTE_FLOW_ACTION_TYPE_COUNT);

    if (have_effect(actions, actions_len)) {
        if (om->tunnel.type && !begin_in_tunnel(&ap, actions, actions_len)) {
            return false;
        }
        if (!parse_list(&ap, actions, actions_len, true)) {
            return false;
        }
    }
    if (!ap.done) {
        offload_action_add_bare(&ap.list, RTE_FLOW_ACTION_TYPE_DROP);
    }
    if (ap.list.overflow) {
        return offload_refuse(refusal, OFFLOAD_REFUSAL_ACTION_TOO_MANY);
    }
    end_list(&ap.list);
    return true;
}
