/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Prints what the offload provider makes of megaflows, without a NIC, and asks
 * a NIC what it says to that. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_mtr.h>

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

/* A tunnel port, as "vxlan", "geneve" or "gre" has it, which has the name of
 * its type. */
static struct netdev *
open_tunnel(const char *type)
{
    struct netdev *netdev;
    struct smap args;
    char *error = NULL;

    if (!tnl_conf_seq) {
        tnl_conf_seq = seq_create();
        ovs_router_init();
        netdev_vport_tunnel_register();
    }
    if (netdev_open(type, type, &netdev)) {
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

/* What the provider makes of a megaflow. */
struct translation {
    struct match match;
    struct ofpbuf actions;              /* Open vSwitch's. */
    struct offload_match om;
    struct offload_actions oa;
    struct rte_flow_attr attr;
    uint16_t port_id;                   /* On which the rule is made. */
    struct offload_refusal refusal;
};

/* Translates a megaflow into 't', which is not uninitialized: the process is
 * short.  One of a tunnel, of type 'tunnel' if that is nonnull, enters by
 * ethdev 'tunnel_port'.  'fields' are matched, too.  Returns false if it is
 * refused. */
static bool
translate(struct translation *t, const char *flow_s, const char *actions_s,
          unsigned int forms, const char *tunnel, uint16_t tunnel_port,
          const char *fields)
{
    struct offload_match_params params = { .forms = forms };

    parse_match(flow_s, &t->match);
    add_masks(&t->match.wc, fields);
    ofpbuf_init(&t->actions, 0);
    parse_actions(actions_s, &t->actions);
    t->port_id = odp_to_u32(t->match.flow.in_port.odp_port);
    if (tunnel) {
        t->port_id = tunnel_port;
        params.tunnel = open_tunnel(tunnel);
    }
    params.port_id = t->port_id;
    offload_rule_attr(&t->attr, (t->match.flow.recirc_id
                                 ? 100 + t->match.flow.recirc_id : 0));
    return (offload_match_init(&t->om, &t->match, &params, &t->refusal)
            && offload_actions_init(&t->oa, t->actions.data, t->actions.size,
                                    &t->om, forms, &ops, NULL,
                                    &t->refusal));
}

/* Prints "flow create ..." or "refused: CODE: SENTENCE[: WORDS]". */
static void
print_megaflow(const char *flow_s, const char *actions_s, unsigned int forms,
               const char *tunnel, const char *fields)
{
    struct translation t;

    if (translate(&t, flow_s, actions_s, forms, tunnel, 1, fields)) {
        struct ds s = DS_EMPTY_INITIALIZER;

        offload_rule_format(&s, t.port_id, &t.attr, t.om.items, t.oa.actions);
        puts(ds_cstr(&s));
        ds_destroy(&s);
    } else {
        printf("refused: %s: %s%s%s\n", offload_refusal_code(t.refusal.code),
               offload_refusal_sentence(t.refusal.code),
               t.refusal.words[0] ? ": " : "", t.refusal.words);
    }
}

/* Asking a NIC.
 *
 * Its ethdev 0 is the uplink, the others are representors.  Each rule is
 * validated, created and destroyed, so that none depends on another. */

/* The words of a driver, without what would be part of a line. */
static void
print_error(const char *when, const struct rte_flow_error *error)
{
    printf("%s: %s (%s)\n", when, error->message ? error->message : "",
           rte_errno == ENOTSUP ? "ENOTSUP" : rte_errno == EINVAL ? "EINVAL"
           : rte_errno == ENOMEM ? "ENOMEM" : ovs_strerror(rte_errno));
}

static void
ask_rule(const char *words, uint16_t port_id,
         const struct rte_flow_attr *attr, const struct rte_flow_item *items,
         const struct rte_flow_action *actions)
{
    struct rte_flow_error error = { .message = NULL };
    struct rte_flow *flow;

    printf("%s\t", words);
    if (rte_flow_validate(port_id, attr, items, actions, &error)) {
        print_error("refused", &error);
        return;
    }
    flow = rte_flow_create(port_id, attr, items, actions, &error);
    if (!flow) {
        print_error("refused when made", &error);
        return;
    }
    puts("accepted");
    rte_flow_destroy(port_id, flow, &error);
}

/* The rule of a group for what no other one matches, as
 * offload_rule_create_miss() has it. */
static void
ask_miss(const char *words)
{
    struct rte_flow_item_ethdev port = { .port_id = 1 };
    struct rte_flow_item_ethdev mask = { .port_id = UINT16_MAX };
    struct rte_flow_item items[] = {
        { .type = RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT, .spec = &port,
          .mask = &mask },
        { .type = RTE_FLOW_ITEM_TYPE_END },
    };
    struct rte_flow_action_count count = { .id = 0 };
    struct rte_flow_action_mark mark = { .id = 300 };
    struct rte_flow_action_ethdev ethdev = { .port_id = 1 };
    struct rte_flow_action actions[] = {
        { .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count },
        { .type = RTE_FLOW_ACTION_TYPE_MARK, .conf = &mark },
        { .type = RTE_FLOW_ACTION_TYPE_PORT_REPRESENTOR, .conf = &ethdev },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    struct rte_flow_attr attr;

    offload_rule_attr(&attr, 101);
    attr.priority = 1;
    ask_rule(words, 1, &attr, items, actions);
}

/* Makes meter 201, on the uplink as the provider does. */
static void
make_meter(void)
{
    struct rte_flow_action none = { .type = RTE_FLOW_ACTION_TYPE_END };
    struct rte_flow_action drop[] = {
        { .type = RTE_FLOW_ACTION_TYPE_DROP },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    struct rte_mtr_meter_policy_params policy = {
        .actions = { &none, &none, drop },
    };
    struct rte_mtr_meter_profile profile = {
        .alg = RTE_MTR_SRTCM_RFC2697,
        .srtcm_rfc2697 = { .cir = 125000, .cbs = 12500 },
    };
    struct rte_mtr_params params = {
        .meter_profile_id = 1, .meter_policy_id = 1, .meter_enable = 1,
    };
    struct rte_mtr_error error;

    if (rte_mtr_meter_policy_add(0, 1, &policy, &error)
        || rte_mtr_meter_profile_add(0, 1, &profile, &error)
        || rte_mtr_create(0, 201, &params, 1, &error)) {
        ovs_fatal(0, "no meter: %s", error.message);
    }
}

static void
start_ports(void)
{
    static const struct rte_eth_conf conf;
    struct rte_mempool *pool;
    uint16_t id;

    pool = rte_pktmbuf_pool_create("ask", 1023, 0, 0,
                                   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    RTE_ETH_FOREACH_DEV (id) {
        if (!pool || rte_eth_dev_configure(id, 1, 1, &conf)
            || rte_eth_rx_queue_setup(id, 0, 64, SOCKET_ID_ANY, NULL, pool)
            || rte_eth_tx_queue_setup(id, 0, 64, SOCKET_ID_ANY, NULL)
            || rte_eth_dev_start(id)) {
            ovs_fatal(0, "ethdev %d can't be started", id);
        }
    }
}

/* Asks the NIC that the arguments for EAL bring up about each form in stdin:
 * "WORDS | TUNNEL | MEGAFLOW | ACTIONS", where TUNNEL may be missing, and
 * MEGAFLOW "miss".  Prints "WORDS<tab>VERDICT".  Lines that begin with "#" are
 * printed as they are. */
static void
ask_nic(int argc, char *argv[])
{
    struct ds line = DS_EMPTY_INITIALIZER;

    if (rte_eal_init(argc, argv) < 0) {
        ovs_fatal(0, "EAL: %s", rte_strerror(rte_errno));
    }
    start_ports();
    make_meter();
    while (!ds_get_line(&line, stdin)) {
        struct translation t;
        char *save = NULL;
        char *words, *tunnel, *flow_s, *actions_s;

        if (!line.length || *ds_cstr(&line) == '#') {
            puts(ds_cstr(&line));
            continue;
        }
        words = strtok_r(ds_cstr(&line), "|", &save);
        tunnel = strtok_r(NULL, "|", &save);
        flow_s = strtok_r(NULL, "|", &save);
        actions_s = strtok_r(NULL, "|", &save);
        if (!actions_s) {
            ovs_fatal(0, "%s: not a form", words);
        }
        words = xstrdup(words);
        words[strcspn(words, "\n")] = '\0';
        while (*words && words[strlen(words) - 1] == ' ') {
            words[strlen(words) - 1] = '\0';
        }
        tunnel += strspn(tunnel, " ");
        tunnel[strcspn(tunnel, " ")] = '\0';
        flow_s += strspn(flow_s, " ");
        flow_s[strcspn(flow_s, " ")] = '\0';
        actions_s += strspn(actions_s, " ");
        if (!strcmp(flow_s, "miss")) {
            ask_miss(words);
        } else if (translate(&t, flow_s, actions_s, 0,
                             *tunnel ? tunnel : NULL, 0, "")) {
            ask_rule(words, t.port_id, &t.attr, t.om.items, t.oa.actions);
        } else {
            printf("%s\tnot asked: %s\n", words,
                   offload_refusal_code(t.refusal.code));
        }
        free(words);
    }
    ds_destroy(&line);
    rte_eal_cleanup();
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
    } else if (argc >= 2 && !strcmp(argv[1], "ask")) {
        ask_nic(argc - 1, argv + 1);
    } else if (argc == 2 && !strcmp(argv[1], "refusals")) {
        list_refusals();
    } else if (argc == 2 && !strcmp(argv[1], "support")) {
        print_support();
    } else {
        fprintf(stderr, "usage: %s print MEGAFLOW ACTIONS"
                " | print-form FORMS MEGAFLOW ACTIONS"
                " | print-tunnel TYPE MEGAFLOW ACTIONS"
                " | print-fields FIELD,... MEGAFLOW ACTIONS"
                " | refusals | support"
                " | ask [EAL-ARGUMENT...] < FORMS\n",
                program_name);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
