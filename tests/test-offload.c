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
#include "odp-util.h"
#include "offload-actions.h"
#include "offload-match.h"
#include "offload-refusal.h"
#include "offload-rule-format.h"
#include "offload-rule.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "util.h"

/* Ports from here on are not of the NIC: a tap, one without a representor, one
 * of another NIC. */
#define PORT_TAP   100
#define PORT_ALONE 101
#define PORT_OTHER 102

/* Datapath port N is ethdev N. */
static bool
resolve_port(odp_port_t port_no, uint16_t *port_id,
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

/* Prints "flow create ..." or "refused: CODE: SENTENCE[: WORDS]". */
static void
print_megaflow(const char *flow_s, const char *actions_s)
{
    struct offload_refusal refusal;
    struct offload_actions oa;
    struct offload_match om;
    struct ofpbuf actions;
    struct match match;
    uint16_t in_port;

    parse_match(flow_s, &match);
    ofpbuf_init(&actions, 0);
    if (strcmp(actions_s, "drop")
        && odp_actions_from_string(actions_s, NULL, &actions)) {
        ovs_fatal(0, "%s: bad actions", actions_s);
    }

    in_port = odp_to_u32(match.flow.in_port.odp_port);
    if (offload_match_init(&om, &match, in_port, &refusal)
        && offload_actions_init(&oa, actions.data, actions.size, &om,
                                resolve_port, NULL, &refusal)) {
        struct ds s = DS_EMPTY_INITIALIZER;
        struct rte_flow_attr attr;

        offload_rule_attr(&attr, 0);
        offload_rule_format(&s, in_port, &attr, om.items, oa.actions);
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

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);

    if (argc == 4 && !strcmp(argv[1], "print")) {
        print_megaflow(argv[2], argv[3]);
    } else if (argc == 2 && !strcmp(argv[1], "refusals")) {
        list_refusals();
    } else {
        fprintf(stderr, "usage: %s print MEGAFLOW ACTIONS | refusals\n",
                program_name);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
