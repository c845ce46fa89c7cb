/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "nic.h"
#include "rule-table.h"
#include "vdpa.h"
#include "wire.h"

/* The NIC as a whole. */
int
ctl_info(struct nic *nic, struct nicsim_ctl_info *info)
{
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "%s", nic->name);
    snprintf(info->wire, sizeof info->wire, "%.*s",
             (int) sizeof info->wire - 1,
             nic->opts.wire ? nic->opts.wire : "");
    info->n_vfs = nic->opts.n_vfs;
    info->n_queues = nic->opts.n_queues;
    info->pid = getpid();
    info->wire_up = nic->link_up;
    info->n_rules = rule_table_count(nic->rules);
    info->max_rules = rule_table_max(nic->rules);
    info->n_masks = rule_table_n_masks(nic->rules);
    info->rule_ops = nic->rule_ops;
    info->rules_refused = nic->rules_refused;
    info->dma_faults = nic->dma_faults;
    info->jumps_exceeded = nic->jumps_exceeded;
    return 0;
}

/* The rule after a given one. */
int
ctl_rule(struct nic *nic, struct nicsim_ctl_rule *req)
{
    const struct rule *rule = rule_table_after(nic->rules, req->after);

    if (!rule) {
        return ENOENT;
    }
    req->id = rule->id;
    req->fn = rule->fn;
    req->counter = rule->counter;
    rule_table_export(rule, &req->rule);
    return 0;
}

/* One vport and the functions that face it. */
int
ctl_vport(struct nic *nic, struct nicsim_ctl_vport *req)
{
    uint32_t vport = req->vport;
    const struct function *fns[2];

    if (vport >= nic->n_vports) {
        return ENOENT;
    }
    memset(req, 0, sizeof *req);
    req->vport = vport;
    fns[0] = vport_software(nic, vport);
    fns[1] = vport == NICSIM_VPORT_UPLINK ? NULL : vport_vf(nic, vport);
    for (int i = 0; i < 2; i++) {
        const struct function *fn = fns[i];

        if (!fn) {
            continue;
        }
        memcpy(req->fn[i].mac, fn->host ? fn->mac : fn->permanent_mac,
               sizeof req->fn[i].mac);
        req->fn[i].stats = fn->stats;
        if (fn->host) {
            req->fn[i].open = 1;
            req->fn[i].vdpa = is_vdpa(fn);
            req->fn[i].started = (is_vdpa(fn) ? fn->vdpa->started
                                  : fn->started);
            req->fn[i].pid = fn->host->pid;
            req->fn[i].mtu = fn->mtu;
            memcpy(req->fn[i].program, fn->host->program,
                   sizeof req->fn[i].program);
            for (int j = 0; j < NICSIM_MAX_QUEUES; j++) {
                req->fn[i].n_rxq += (is_vdpa(fn) ? fn->vdpa->vqs[2 * j].running
                                     : fn->rx[j].n_desc > 0);
                req->fn[i].n_txq += (is_vdpa(fn)
                                     ? fn->vdpa->vqs[2 * j + 1].running
                                     : fn->tx[j].n_desc > 0);
            }
        }
    }
    req->stats = nic->vports[vport];
    if (vport == NICSIM_VPORT_UPLINK) {
        wire_stats(nic, &req->wire_rx, &req->wire_tx, &req->wire_tx_dropped);
    }
    return 0;
}

/* The vDPA side of one VF. */
int
ctl_vdpa(struct nic *nic, struct nicsim_ctl_vdpa *req)
{
    uint32_t vport = req->vport;

    if (vport == NICSIM_VPORT_UPLINK || vport >= nic->n_vports) {
        return ENOENT;
    }
    memset(req, 0, sizeof *req);
    req->vport = vport;
    vdpa_show(vport_vf(nic, vport), req);
    return 0;
}

/* One virtqueue of that. */
int
ctl_vdpa_queue(struct nic *nic, struct nicsim_vdpa_queue *req, char *why)
{
    uint32_t vport = req->fn;

    if (vport == NICSIM_VPORT_UPLINK || vport >= nic->n_vports) {
        return ENOENT;
    }
    req->reset = 0;
    return vdpa_show_queue(vport_vf(nic, vport), req, why);
}
