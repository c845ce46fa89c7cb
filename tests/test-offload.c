/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Prints what the offload provider makes of megaflows, without a NIC. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "netdev.h"
#include "netdev-vport.h"
#include "netlink.h"
#include "odp-netlink.h"
#include "odp-util.h"
#include "offload-actions.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "offload-rule-format.h"
#include "offload-rule.h"
#include "offload-support.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-router.h"
#include "seq.h"
#include "smap.h"
#include "util.h"

/* Ports from here on are not of the NIC: a tap, one without a representor, one
 * of another NIC. */
#define PORT_TAP   100
#define PORT_ALONE 101
#define PORT_OTHER 102

/* Datapath port N is ethdev N. */
static bool
resolve_port(odp_port_t port_no, int growth OVS_UNUSED, uint16_t *port_id,
             struct offload_refusal *refusal, void *aux OVS_UNUSED)
{
    switch (odp_to_u32(port_no)) {
    case PORT_TAP:
        return offload_refuse_words(refusal, OFFLOAD_REFUSAL_PORT_CLASS,
                                    "tap0, type tap");
    case PORT_ALONE:
        return offload_refuse(refusal, OFFLOAD_REFUSAL_PORT_NO_REPRESENTOR);
    case PORT_OTHER:
        return offload_refuse(refusal, OFFLOAD_REFUSAL_PORT_OTHER_NIC);
    default:
        *port_id = odp_to_u32(port_no);
        return true;
    }
}

/* Group 100 + N is that of recirc_id N, or of tunnel port N. */
static bool
resolve_jump(uint32_t recirc_id, odp_port_t tnl_port,
             bool hash_gone OVS_UNUSED, uint32_t *group,
             struct offload_refusal *refusal OVS_UNUSED, void *aux OVS_UNUSED)
{
    *group = 100 + (recirc_id ? recirc_id : odp_to_u32(tnl_port));
    return true;
}

/* Meter N is the NIC's meter 200 + N. */
static bool
resolve_meter(uint32_t id, uint32_t *mtr_id,
              struct offload_refusal *refusal OVS_UNUSED, void *aux OVS_UNUSED)
{
    *mtr_id = 200 + id;
    return true;
}

static bool
resolve_userspace(const struct nlattr *userspace OVS_UNUSED, uint32_t *mark,
                  uint16_t *port_id,
                  struct offload_refusal *refusal OVS_UNUSED,
                  void *aux OVS_UNUSED)
{
    *mark = 300;
    *port_id = 1;
    return true;
}

static const struct offload_actions_ops ops = {
    .output = resolve_port,
    .jump = resolve_jump,
    .meter = resolve_meter,
    .userspace = resolve_userspace,
};

/* A tunnel port, as "vxlan", "geneve" or "gre" has it. */
static struct netdev *
open_tunnel(const char *type)
{
    struct netdev *netdev;
    struct smap args;
    char *error = NULL;

    tnl_conf_seq = seq_create();
    ovs_router_init();
    netdev_vport_tunnel_register();
    if (netdev_open("tunnel", type, &netdev)) {
        ovs_fatal(0, "%s: no such tunnel", type);
    }
    smap_init(&args);
    smap_add(&args, "remote_ip", "flow");
    smap_add(&args, "key", "flow");
    if (netdev_set_config(netdev, &args, &error)) {
        ovs_fatal(0, "%s: %s", type, error);
    }
    smap_destroy(&args);
    return netdev;
}

/* Parses 'flow_s', in the syntax of "ovs-dpctl add-flow", as dpif-netdev
 * does. */
static void
parse_match(const char *flow_s, struct match *match)
{
    enum odp_key_fitness fitness;
    struct ofpbuf key, mask;
    char *error = NULL;

    ofpbuf_init(&key, 0);
    ofpbuf_init(&mask, 0);
    if (odp_flow_from_string(flow_s, NULL, &key, &mask, &error)) {
        ovs_fatal(0, "%s: %s", flow_s, error ? error : "bad megaflow");
    }
    free(error);

    memset(match, 0, sizeof *match);
    fitness = odp_flow_key_to_flow(key.data, key.size, &match->flow, &error);
    if (fitness) {
        ovs_fatal(0, "%s: key: %s", flow_s, error);
    }
    fitness = odp_flow_key_to_mask(mask.data, mask.size, &match->wc,
                                   &match->flow, &error);
    if (fitness) {
        ovs_fatal(0, "%s: mask: %s", flow_s, error);
    }
    free(error);
    if (!match->wc.masks.vlans[0].tci) {
        match->wc.masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    }
    ofpbuf_uninit(&key);
    ofpbuf_uninit(&mask);
}

/* Parses 'actions_s' into 'actions'.  Open vSwitch prints push_mpls but does
 * not parse it: it is taken for add_mpls, of the same form, first. */
static void
parse_actions(const char *actions_s, struct ofpbuf *actions)
{
    static const char push[] = "push_mpls", add[] = "add_mpls";
    bool pushes = strstr(actions_s, push) != NULL;
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpbuf parsed;
    const struct nlattr *a;
    const char *p;
    size_t left;

    while ((p = strstr(actions_s, push))) {
        ds_put_buffer(&s, actions_s, p - actions_s);
        ds_put_cstr(&s, add);
        actions_s = p + strlen(push);
    }
    ds_put_cstr(&s, actions_s);

    ofpbuf_init(&parsed, 0);
    if (strcmp(ds_cstr(&s), "drop")
        && odp_actions_from_string(ds_cstr(&s), NULL, &parsed)) {
        ovs_fatal(0, "%s: bad actions", ds_cstr(&s));
    }
    NL_ATTR_FOR_EACH (a, left, parsed.data, parsed.size) {
        if (nl_attr_type(a) == OVS_ACTION_ATTR_ADD_MPLS && pushes) {
            const struct ovs_action_add_mpls *mpls = nl_attr_get(a);
            struct ovs_action_push_mpls push_mpls = {
                .mpls_lse = mpls->mpls_lse,
                .mpls_ethertype = mpls->mpls_ethertype,
            };

            nl_msg_put_unspec(actions, OVS_ACTION_ATTR_PUSH_MPLS, &push_mpls,
                              sizeof push_mpls);
        } else {
            ofpbuf_put(actions, a, NLA_ALIGN(a->nla_len));
        }
    }
    ofpbuf_uninit(&parsed);
    ds_destroy(&s);
}

/* Has 'wc' match the whole of 'fields', names as OpenFlow has them: the
 * classifier makes masks that no text of a megaflow can say. */
static void
add_masks(struct flow_wildcards *wc, const char *fields)
{
    char *copy = xstrdup(fields);
    char *save_ptr = NULL;

    for (char *name = strtok_r(copy, ",", &save_ptr); name;
         name = strtok_r(NULL, ",", &save_ptr)) {
        const struct mf_field *field = mf_from_name(name);

        if (!field) {
            ovs_fatal(0, "%s: no such field", name);
        }
        mf_mask_field(field, wc);
    }
    free(copy);
}

/* Prints "flow create ..." or "refused: CODE: SENTENCE[: WORDS]".  A megaflow
 * of a tunnel, of type 'tunnel' if that is nonnull, enters by ethdev 1.
 * 'fields' are matched, too. */
static void
print_megaflow(const char *flow_s, const char *actions_s, unsigned int forms,
               const char *tunnel, const char *fields)
{
    struct offload_match_params params = { .forms = forms };
    struct offload_refusal refusal;
    struct offload_actions oa;
    struct offload_match om;
    struct ofpbuf actions;
    struct match match;

    parse_match(flow_s, &match);
    add_masks(&match.wc, fields);
    ofpbuf_init(&actions, 0);
    parse_actions(actions_s, &actions);
    params.port_id = odp_to_u32(match.flow.in_port.odp_port);
    if (tunnel) {
        params.port_id = 1;
        params.tunnel = open_tunnel(tunnel);
    }
    if (offload_match_init(&om, &match, &params, &refusal)
        && offload_actions_init(&oa, actions.data, actions.size, &om, forms,
                                &ops, NULL, &refusal)) {
        struct ds s = DS_EMPTY_INITIALIZER;
        struct rte_flow_attr attr;

        offload_rule_attr(&attr, (match.flow.recirc_id
                                  ? 100 + match.flow.recirc_id : 0));
        offload_rule_format(&s, params.port_id, &attr, om.items, oa.actions);
        puts(ds_cstr(&s));
        ds_destroy(&s);
    } else {
        printf("refused: %s: %s%s%s\n", offload_refusal_code(refusal.code),
               offload_refusal_sentence(refusal.code),
               refusal.words[0] ? ": " : "", refusal.words);
    }
    ofpbuf_uninit(&actions);
}

/* Checks that codes and sentences are fit to be shown, and lists them. */
static void
list_refusals(void)
{
    for (int i = 1; i < OFFLOAD_N_REFUSALS; i++) {
        const char *code = offload_refusal_code(i);

        for (int j = 1; j < i; j++) {
            if (!strcmp(code, offload_refusal_code(j))) {
                ovs_fatal(0, "%s stands for two reasons", code);
            }
        }
        printf("%s: %s\n", code, offload_refusal_sentence(i));
    }
}

static void
print_row(const char *name, const char *how,
          enum offload_refusal_code refusal)
{
    if (refusal) {
        printf("| %s | | `%s`: %s |\n", name, offload_refusal_code(refusal),
               offload_refusal_sentence(refusal));
    } else {
        printf("| %s | %s | |\n", name, how);
    }
}

/* Prints the tables of Documentation/offload.md. */
static void
print_support(void)
{
    puts("| match | in the NIC, as | refused |\n|---|---|---|");
#define OFFLOAD_FIELD(FIELD, NAME, RTE_FLOW) \
    print_row(NAME, RTE_FLOW, OFFLOAD_REFUSAL_NONE);
    OFFLOAD_FIELDS
#undef OFFLOAD_FIELD
#define OFFLOAD_ZERO(FIELD, NAME, REFUSAL) \
    print_row(NAME " other than 0", "", OFFLOAD_REFUSAL_##REFUSAL);
    OFFLOAD_ZERO_FIELDS
#undef OFFLOAD_ZERO
#define OFFLOAD_NO_FIELD(FIELD, NAME, REFUSAL) \
    print_row(NAME, "", OFFLOAD_REFUSAL_##REFUSAL);
    OFFLOAD_NO_FIELDS
#undef OFFLOAD_NO_FIELD

    puts("\n| action | in the NIC, as | refused |\n|---|---|---|");
#define OFFLOAD_ACTION(ATTR, NAME, RTE_FLOW, REFUSAL) \
    print_row(NAME, RTE_FLOW, OFFLOAD_REFUSAL_##REFUSAL);
    OFFLOAD_ACTIONS
#undef OFFLOAD_ACTION
#define OFFLOAD_SET(ATTR, NAME, RTE_FLOW, REFUSAL) \
    print_row(NAME, RTE_FLOW, OFFLOAD_REFUSAL_##REFUSAL);
    OFFLOAD_SETS
#undef OFFLOAD_SET

    puts("\n| code | reason |\n|---|---|");
    for (int i = 1; i < OFFLOAD_N_REFUSALS; i++) {
        printf("| `%s` | %s |\n", offload_refusal_code(i),
               offload_refusal_sentence(i));
    }
}

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);

    if (argc == 4 && !strcmp(argv[1], "print")) {
        print_megaflow(argv[2], argv[3], 0, NULL, "");
    } else if (argc == 5 && !strcmp(argv[1], "print-form")) {
        print_megaflow(argv[3], argv[4], atoi(argv[2]), NULL, "");
    } else if (argc == 5 && !strcmp(argv[1], "print-tunnel")) {
        print_megaflow(argv[3], argv[4], 0, argv[2], "");
    } else if (argc == 5 && !strcmp(argv[1], "print-fields")) {
        print_megaflow(argv[3], argv[4], 0, NULL, argv[2]);
    } else if (argc == 2 && !strcmp(argv[1], "refusals")) {
        list_refusals();
    } else if (argc == 2 && !strcmp(argv[1], "support")) {
        print_support();
    } else {
        fprintf(stderr, "usage: %s print MEGAFLOW ACTIONS"
                " | print-form FORMS MEGAFLOW ACTIONS"
                " | print-tunnel TYPE MEGAFLOW ACTIONS"
                " | print-fields FIELD,... MEGAFLOW ACTIONS"
                " | refusals | support\n",
                program_name);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
