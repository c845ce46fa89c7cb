/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "pipeline.h"

#include <rte_branch_prediction.h>

#include "edit.h"
#include "nic.h"
#include "packet.h"
#include "parser.h"
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

/* Delivers 'p' to what 'vport' represents: a VF or the wire. */
static void
deliver_out(struct nic *nic, uint32_t vport, struct packet *p)
{
    struct nicsim_vport_stats *stats = &nic->vports[vport];
    bool ok;

    if (vport == NICSIM_VPORT_UPLINK) {
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
    count(&nic->vports[p->in_vport].to_software, p->len);
    rx_deliver(vport_software(nic, vport), p);
}

/* Does what 'p->rule' says.  Returns true if the packet goes on to
 * p->group. */
static bool
execute(struct nic *nic, struct packet *p)
{
    struct rule *rule = p->rule;
    const struct nicsim_action *action = rule_actions(rule);
    const struct nicsim_action *end = action + rule->n_actions;

    if (unlikely(rule->decrements_ttl && edit_ttl_expires(p))) {
        deliver_software(nic, p->in_vport, p);
        return false;
    }
    count(&rule->counter, p->len);
    for (; action < end; action++) {
        switch (action->type) {
        case NICSIM_ACT_COUNT:
            break;

        case NICSIM_ACT_OUTPUT:
            count(&nic->vports[p->in_vport].by_rule, p->len);
            deliver_out(nic, action->arg, p);
            return false;

        case NICSIM_ACT_DROP:
            count(&nic->vports[p->in_vport].by_rule, p->len);
            return false;

        case NICSIM_ACT_TO_SOFTWARE:
            deliver_software(nic, action->arg, p);
            return false;

        case NICSIM_ACT_JUMP:
            p->group = action->arg;
            return true;

        case NICSIM_ACT_MARK:
            p->key.k.mark = action->arg;
            p->flags |= PACKET_MARKED;
            break;

        default:
            if (unlikely(!edit_apply(p, action))) {
                count(&nic->vports[p->in_vport].by_rule, p->len);
                return false;
            }
            break;
        }
    }
    return false;
}

/* Sends the 'n' packets, at most BURST, that entered at 'vport' through the
 * rules. */
void
pipeline_run(struct nic *nic, uint32_t vport, struct packet **packets,
             unsigned int n)
{
    struct nicsim_vport_stats *stats = &nic->vports[vport];
    struct packet *pending[BURST], *batch[BURST];

    for (unsigned int i = 0; i < n; i++) {
        struct packet *p = packets[i];

        p->in_vport = vport;
        p->key.k.vport = vport;
        p->key.k.mark = 0;
        p->group = 0;
        count(&stats->in, p->len);
        packet_parse(p);
        pending[i] = p;
    }

    /* A packet only ever jumps to a higher group, so this ends. */
    while (n) {
        uint32_t group = pending[0]->group;
        unsigned int n_batch = 0, n_pending = 0;

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
                    packet_parse(p);
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
        packets[i]->key.k.mark = 0;
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
