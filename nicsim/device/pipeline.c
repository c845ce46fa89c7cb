/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "pipeline.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

#include "checksum.h"
#include "edit.h"
#include "meter.h"
#include "nic.h"
#include "packet.h"
#include "parser.h"
#include "rss.h"
#include "rule-table.h"
#include "rx.h"
#include "vdpa.h"
#include "wire.h"

/* Whether 'vf' takes frames to where 'p' goes. */
static bool
vf_accepts(const struct function *vf, const struct packet *p)
{
    return vf->promisc || p->data[0] & 1 || !memcmp(p->data, vf->mac, 6);
}

/* Delivers 'p' to what 'vport' represents: a VF or the wire.  The eSwitch
 * sends nothing that is longer than the MTU of the port that its software has
 * there. */
static void
deliver_out(struct nic *nic, uint32_t vport, struct packet *p)
{
    struct nicsim_vport_stats *stats = &nic->vports[vport];
    const struct function *software = vport_software(nic, vport);
    bool ok;

    if (unlikely(p->len > software->mtu + SENT_OVERHEAD)
        && software->started) {
        stats->out_too_long++;
        ok = false;
    } else if (vport == NICSIM_VPORT_UPLINK) {
        ok = wire_send(nic, p);
    } else {
        struct function *vf = vport_vf(nic, vport);

        ok = (vf_accepts(vf, p)
              && (is_vdpa(vf) ? vdpa_rx_deliver(vf, p) : rx_deliver(vf, p)));
    }
    if (ok) {
        count(&stats->out, p->len);
    } else {
        stats->out_dropped++;
    }
}

/* Delivers 'p' to the ethdev by which software sees 'vport'. */
static void
deliver_software(struct nic *nic, uint32_t vport, struct packet *p)
{
    if (!(p->flags & PACKET_COPY)) {
        count(&nic->vports[p->in_vport].to_software, p->len);
    }
    rx_deliver(vport_software(nic, vport), p);
}

/* Counts 'p', which rules sent on or dropped. */
static void
count_by_rule(struct nic *nic, const struct packet *p)
{
    if (!(p->flags & PACKET_COPY)) {
        count(&nic->vports[p->in_vport].by_rule, p->len);
    }
}

/* Parses 'p' as far as there are rules that look. */
static void
parse(struct nic *nic, struct packet *p)
{
    const struct parser *parser = rule_table_parser(nic->rules);

    packet_parse(p);
    if (unlikely(parser->n_tunnels)) {
        packet_parse_tunnel(parser, p);
    }
    if (unlikely(parser->n_checksums)
        && p->key.k.present & (NICSIM_P_IPV4 | NICSIM_P_IPV6)) {
        checksum_verify(p);
        p->key.k.present |= ((p->flags & PACKET_IP_CSUM_BAD
                              ? 0 : NICSIM_P_IP_OK)
                             | (p->flags & PACKET_L4_CSUM_BAD
                                ? 0 : NICSIM_P_L4_OK));
    }
}

/* A number that nobody can guess by counting packets (xorshift64). */
static uint32_t
random_number(struct nic *nic)
{
    nic->random ^= nic->random << 13;
    nic->random ^= nic->random >> 7;
    nic->random ^= nic->random << 17;
    return nic->random >> 32;
}

static bool execute(struct nic *, struct packet *);
static void sample(struct nic *, struct packet *, const struct rule *,
                   const struct nicsim_action *);

/* Sets bits of the meta word or of a tag. */
static void
set_register(struct packet *p, const struct nicsim_action *action)
{
    struct nicsim_meta *meta = &p->key.meta;
    uint32_t value, mask;
    uint32_t *reg;

    memcpy(&value, action->value, sizeof value);
    memcpy(&mask, action->mask, sizeof mask);
    value = rte_be_to_cpu_32(value);
    mask = rte_be_to_cpu_32(mask);
    if (action->field == NICSIM_F_META) {
        reg = &meta->meta;
        p->flags |= PACKET_META;
    } else {
        reg = &meta->tags[action->field - NICSIM_F_TAG];
    }
    *reg = (*reg & ~mask) | (value & mask);
}

/* Does the actions from 'action' to before 'end', which are of 'rule'.
 * Returns true if the packet goes on to p->group. */
static bool
act(struct nic *nic, struct packet *p, const struct rule *rule,
    const struct nicsim_action *action, const struct nicsim_action *end)
{
    for (; action < end; action++) {
        switch (action->type) {
        case NICSIM_ACT_COUNT:
            break;

        case NICSIM_ACT_OUTPUT:
            count_by_rule(nic, p);
            deliver_out(nic, action->arg, p);
            return false;

        case NICSIM_ACT_DROP:
            count_by_rule(nic, p);
            return false;

        case NICSIM_ACT_TO_SOFTWARE:
            deliver_software(nic, action->arg, p);
            return false;

        case NICSIM_ACT_JUMP:
            if (unlikely(++p->n_jumps > NICSIM_MAX_JUMPS)) {
                nic->jumps_exceeded++;
                count_by_rule(nic, p);
                return false;
            }
            p->group = action->arg;
            return true;

        case NICSIM_ACT_MARK:
            p->key.meta.mark = action->arg;
            p->flags |= PACKET_MARKED;
            break;

        case NICSIM_ACT_METER:
            if (!meter_passes(nic->meters, action->arg, p->len)) {
                count_by_rule(nic, p);
                return false;
            }
            break;

        case NICSIM_ACT_SAMPLE:
            if (action->arg == 1 || !(random_number(nic) % action->arg)) {
                sample(nic, p, rule, action);
            }
            action += action->field;
            break;

        case NICSIM_ACT_SET_FIELD:
            if (action->field >= NICSIM_F_META) {
                set_register(p, action);
                break;
            }
            /* Fall through. */
        default:
            if (unlikely(!edit_apply(p, action, rule_data(rule)))) {
                count_by_rule(nic, p);
                return false;
            }
            break;
        }
    }
    return false;
}

/* Takes 'p' from p->group on. */
static void
run_one(struct nic *nic, struct packet *p)
{
    for (;;) {
        if (!(p->flags & PACKET_PARSED)) {
            parse(nic, p);
        }
        rule_table_lookup(nic->rules, p->group, &p, 1);
        if (!p->rule) {
            deliver_software(nic, p->in_vport, p);
            return;
        }
        if (!execute(nic, p)) {
            return;
        }
    }
}

/* Does the actions that 'action', a SAMPLE of 'rule', has, with a copy of
 * 'p'. */
static void
sample(struct nic *nic, struct packet *p, const struct rule *rule,
       const struct nicsim_action *action)
{
    struct packet *copy;

    if (action->field == 1 && action[1].type == NICSIM_ACT_OUTPUT
        && p->flags & PACKET_PARSED) {
        /* To deliver changes nothing. */
        deliver_out(nic, action[1].arg, p);
        return;
    }
    if (unlikely(nic->n_copies == MAX_COPIES)) {
        /* Copies that jump to rules that make copies that jump ... */
        nic->jumps_exceeded++;
        return;
    }
    copy = &nic->copies[nic->n_copies++];
    packet_copy(copy, p);
    copy->flags |= PACKET_COPY;
    if (act(nic, copy, rule, action + 1, action + 1 + action->field)) {
        run_one(nic, copy);
    }
    nic->n_copies--;
}

/* Does what 'p->rule' says.  Returns true if the packet goes on to
 * p->group. */
static bool
execute(struct nic *nic, struct packet *p)
{
    struct rule *rule = p->rule;
    const struct nicsim_action *actions = rule_actions(rule);

    if (unlikely(rule->decrements_ttl && edit_ttl_expires(p))) {
        deliver_software(nic, p->in_vport, p);
        return false;
    }
    count(&rule->counter, p->len);
    return act(nic, p, rule, actions, actions + rule->n_actions);
}

/* Sends the 'n' packets, at most BURST, that entered at 'vport' through the
 * rules, but for those that are longer than the MTU of the port that software
 * has there. */
void
pipeline_run(struct nic *nic, uint32_t vport, struct packet **packets,
             unsigned int n)
{
    struct nicsim_vport_stats *stats = &nic->vports[vport];
    bool encaps = rule_table_has_encaps(nic->rules);
    struct function *software = vport_software(nic, vport);
    struct packet *pending[BURST], *batch[BURST];
    unsigned int n_pending = 0;

    for (unsigned int i = 0; i < n; i++) {
        struct packet *p = packets[i];

        p->in_vport = vport;
        memset(&p->key.meta, 0, sizeof p->key.meta);
        p->key.meta.vport = vport;
        p->group = 0;
        p->n_jumps = 0;
        count(&stats->in, p->len);
        if (unlikely(p->len > software->mtu + FRAME_OVERHEAD)
            && software->started) {
            software->stats.rx_errors++;
            continue;
        }
        parse(nic, p);
        if (unlikely(encaps)
            && !rss_hash(&vport_software(nic, vport)->rss, p, &p->entropy)) {
            p->entropy = 0;
        }
        pending[n_pending++] = p;
    }
    n = n_pending;

    /* No packet jumps more than NICSIM_MAX_JUMPS times, so this ends. */
    while (n) {
        uint32_t group = pending[0]->group;
        unsigned int n_batch = 0;

        n_pending = 0;

        for (unsigned int i = 0; i < n; i++) {
            if (pending[i]->group == group) {
                batch[n_batch++] = pending[i];
            } else {
                pending[n_pending++] = pending[i];
            }
        }
        rule_table_lookup(nic->rules, group, batch, n_batch);
        for (unsigned int i = 0; i < n_batch; i++) {
            struct packet *p = batch[i];

            if (!p->rule) {
                deliver_software(nic, vport, p);
            } else if (execute(nic, p)) {
                if (!(p->flags & PACKET_PARSED)) {
                    parse(nic, p);
                }
                pending[n_pending++] = p;
            }
        }
        n = n_pending;
    }
}

/* Sends the 'n' packets, at most BURST, that the driver of 'fn' sent to where
 * they go from there. */
void
pipeline_send(struct function *fn, struct packet **packets, unsigned int n)
{
    struct nic *nic = fn->nic;

    if (NICSIM_FN_KIND(fn->id) == NICSIM_FN_VF) {
        pipeline_run(nic, fn->vport, packets, n);
        return;
    }
    for (unsigned int i = 0; i < n; i++) {
        packets[i]->in_vport = fn->vport;
        deliver_out(nic, fn->vport, packets[i]);
    }
}

/* Makes what was delivered visible to the receivers. */
void
pipeline_flush(struct nic *nic)
{
    rx_flush(nic);
    vdpa_rx_flush(nic);
    wire_flush(nic);
}
