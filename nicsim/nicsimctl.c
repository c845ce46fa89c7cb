/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsimctl: asks nicsimd for its state, rules and counters. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "nicsim/hw.h"
#include "nicsim/rule-format.h"
#include "nicsim/vdpa-format.h"

/* A daemon that takes longer for an answer is not well. */
#define TIMEOUT_SEC 10

static int sock;

static void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
    va_list args;

    fputs("nicsimctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(EXIT_FAILURE);
}

static void
connect_to(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct timeval timeout = { .tv_sec = TIMEOUT_SEC };

    if (strlen(path) >= sizeof sun.sun_path) {
        fail("%s: the path is too long for a socket", path);
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *) &sun, sizeof sun)) {
        fail("%s: %m: is nicsimd running there?", path);
    }
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

/* Sends the request '*msg' of type 'type' and receives the reply to it.
 * Returns its status: 0 or a positive errno. */
static int
ask(struct nicsim_msg *msg, enum nicsim_msg_type type)
{
    static uint32_t seq;
    ssize_t n;

    msg->type = type;
    msg->seq = ++seq;
    msg->len = sizeof *msg;
    if (send(sock, msg, sizeof *msg, MSG_NOSIGNAL) != sizeof *msg) {
        fail("nicsimd does not listen any more: %m");
    }
    do {
        n = recv(sock, msg, sizeof *msg, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        fail("nicsimd did not answer within %d seconds", TIMEOUT_SEC);
    } else if (n != sizeof *msg || msg->type != type || msg->seq != seq) {
        fail("the answer is no nicsimd's of this version");
    }
    return msg->status;
}

/* Asks what nicsimd always has an answer to. */
static void
must_ask(struct nicsim_msg *msg, enum nicsim_msg_type type)
{
    if (ask(msg, type)) {
        fail("nicsimd refused: %s", msg->text);
    }
}

static const struct nicsim_ctl_info *
ask_info(void)
{
    static struct nicsim_msg msg;

    memset(&msg, 0, sizeof msg);
    must_ask(&msg, NICSIM_CTL_INFO);
    return &msg.ctl_info;
}

static const struct nicsim_ctl_vport *
ask_vport(uint32_t vport)
{
    static struct nicsim_msg msg;

    memset(&msg, 0, sizeof msg);
    msg.ctl_vport.vport = vport;
    must_ask(&msg, NICSIM_CTL_VPORT);
    return &msg.ctl_vport;
}

/* Returns the rule after number 'after', or NULL. */
static const struct nicsim_ctl_rule *
ask_rule(uint64_t after)
{
    static struct nicsim_msg msg;

    memset(&msg, 0, sizeof msg);
    msg.ctl_rule.after = after;
    return ask(&msg, NICSIM_CTL_RULES) ? NULL : &msg.ctl_rule;
}

/* The vDPA side of a VF. */
static const struct nicsim_ctl_vdpa *
ask_vdpa(uint32_t vport)
{
    static struct nicsim_msg msg;

    memset(&msg, 0, sizeof msg);
    msg.ctl_vdpa.vport = vport;
    must_ask(&msg, NICSIM_CTL_VDPA);
    return &msg.ctl_vdpa;
}

/* Returns virtqueue 'queue' of that, or NULL if it was not set up. */
static const struct nicsim_vdpa_queue *
ask_vdpa_queue(uint32_t vport, uint16_t queue)
{
    static struct nicsim_msg msg;

    memset(&msg, 0, sizeof msg);
    msg.vdpa_queue.fn = vport;
    msg.vdpa_queue.queue = queue;
    if (ask(&msg, NICSIM_CTL_VDPA_QUEUE)
        || msg.vdpa_queue.state == NICSIM_VQ_ABSENT) {
        return NULL;                    /* Or it was closed meanwhile. */
    }
    return &msg.vdpa_queue;
}

/* Names. */

static const char *
vport_name(uint32_t vport)
{
    static char name[16];

    rule_format_vport(vport, name, sizeof name);
    return name;
}

/* The name of the function number 'i' at 'vport'. */
static const char *
function_name(uint32_t vport, int i)
{
    static char name[24];

    if (vport == NICSIM_VPORT_UPLINK) {
        return "pf";
    }
    snprintf(name, sizeof name, "%s%u", i ? "vf" : "representor", vport - 1);
    return name;
}

static const char *
function_state(const struct nicsim_ctl_vport *vport, int i)
{
    return (!vport->fn[i].open ? "unused"
            : vport->fn[i].started ? "started" : "open");
}

static int
n_functions(uint32_t vport)
{
    return vport == NICSIM_VPORT_UPLINK ? 1 : 2;
}

static const char *
mac_text(const uint8_t *mac)
{
    static char text[18];

    snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x",
             mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    return text;
}

/* JSON. */

static json_t *
json_counter(const struct nicsim_counter *counter)
{
    return json_pack("{sIsI}", "packets", (json_int_t) counter->packets,
                     "bytes", (json_int_t) counter->bytes);
}

static void
set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value)) {
        fail("out of memory");
    }
}

static void
append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value)) {
        fail("out of memory");
    }
}

static void
print_json(json_t *json)
{
    if (json_dumpf(json, stdout, JSON_INDENT(2))) {
        fail("can't write: %m");
    }
    putchar('\n');
    json_decref(json);
}

/* show. */

static void
show_text(const struct nicsim_ctl_info *info)
{
    printf("%s: pid %"PRIu32", %"PRIu32" VFs, %"PRIu32" queues per function\n",
           info->name, info->pid, info->n_vfs, info->n_queues);
    printf("  wire: %s, link %s\n", info->wire[0] ? info->wire : "none",
           info->wire_up ? "up" : "down");
    printf("  rules: %"PRIu64" of %"PRIu64", %"PRIu64" masks; %"PRIu64
           " operations, %"PRIu64" refused\n", info->n_rules, info->max_rules,
           info->n_masks, info->rule_ops, info->rules_refused);
    printf("  DMA faults: %"PRIu64"\n\n", info->dma_faults);
    printf("%-7s %-13s %-8s %-17s %5s %7s  %s\n", "port", "function", "state",
           "address", "MTU", "rxq/txq", "driver");
    for (uint32_t vport = 0; vport <= info->n_vfs; vport++) {
        const struct nicsim_ctl_vport *v = ask_vport(vport);

        for (int i = 0; i < n_functions(vport); i++) {
            printf("%-7s %-13s %-8s %-17s", i ? "" : vport_name(vport),
                   function_name(vport, i), function_state(v, i),
                   mac_text(v->fn[i].mac));
            if (v->fn[i].open) {
                printf(" %5"PRIu32" %3"PRIu32"/%-3"PRIu32"  %s (pid %"PRIu32
                       ")%s", v->fn[i].mtu, v->fn[i].n_rxq, v->fn[i].n_txq,
                       v->fn[i].program, v->fn[i].pid,
                       v->fn[i].vdpa ? ", vDPA" : "");
            }
            putchar('\n');
        }
    }
}

static void
show_json(const struct nicsim_ctl_info *info)
{
    json_t *vports = json_array();

    for (uint32_t vport = 0; vport <= info->n_vfs; vport++) {
        const struct nicsim_ctl_vport *v = ask_vport(vport);
        json_t *functions = json_array();

        for (int i = 0; i < n_functions(vport); i++) {
            json_t *fn = json_pack("{sssssssIsIsI}",
                                   "name", function_name(vport, i),
                                   "state", function_state(v, i),
                                   "mac", mac_text(v->fn[i].mac),
                                   "mtu", (json_int_t) v->fn[i].mtu,
                                   "n_rxq", (json_int_t) v->fn[i].n_rxq,
                                   "n_txq", (json_int_t) v->fn[i].n_txq);

            if (v->fn[i].open) {
                set(fn, "program", json_string(v->fn[i].program));
                set(fn, "pid", json_integer(v->fn[i].pid));
                set(fn, "role", json_string(v->fn[i].vdpa ? "vdpa"
                                            : "ethdev"));
            }
            append(functions, fn);
        }
        append(vports, json_pack("{ssso}", "name", vport_name(vport),
                                 "functions", functions));
    }
    print_json(json_pack("{sssIsIsI s{sssb} s{sIsIsIsIsI} sIsIso}",
                         "name", info->name,
                         "pid", (json_int_t) info->pid,
                         "n_vfs", (json_int_t) info->n_vfs,
                         "n_queues", (json_int_t) info->n_queues,
                         "wire", "vdev", info->wire,
                         "link_up", (int) info->wire_up,
                         "rules", "used", (json_int_t) info->n_rules,
                         "max", (json_int_t) info->max_rules,
                         "masks", (json_int_t) info->n_masks,
                         "operations", (json_int_t) info->rule_ops,
                         "refused", (json_int_t) info->rules_refused,
                         "dma_faults", (json_int_t) info->dma_faults,
                         "jumps_exceeded", (json_int_t) info->jumps_exceeded,
                         "vports", vports));
}

static void
cmd_show(bool json)
{
    struct nicsim_ctl_info info = *ask_info();

    (json ? show_json : show_text)(&info);
}

/* rules. */

static void
cmd_rules(bool json)
{
    const struct nicsim_ctl_rule *rule;
    json_t *rules = json_array();
    uint64_t id = 0;

    while ((rule = ask_rule(id)) != NULL) {
        uint32_t kind = NICSIM_FN_KIND(rule->fn);
        uint32_t vport = (kind == NICSIM_FN_PF ? NICSIM_VPORT_UPLINK
                          : NICSIM_VPORT_VF(NICSIM_FN_INDEX(rule->fn)));
        char match[RULE_TEXT_LEN], actions[RULE_TEXT_LEN];

        id = rule->id;
        rule_format_match(&rule->rule, match, sizeof match);
        rule_format_actions(&rule->rule, actions, sizeof actions);
        if (json) {
            append(rules, json_pack("{sIsIsIsssssssIsI}",
                                    "id", (json_int_t) id,
                                    "group", (json_int_t) rule->rule.group,
                                    "priority",
                                    (json_int_t) rule->rule.priority,
                                    "made_by", function_name(vport, 0),
                                    "match", match,
                                    "actions", actions,
                                    "packets",
                                    (json_int_t) rule->counter.packets,
                                    "bytes",
                                    (json_int_t) rule->counter.bytes));
        } else {
            printf("group %"PRIu32" priority %"PRIu32" packets %"PRIu64
                   " bytes %"PRIu64" match %s actions %s\n",
                   rule->rule.group, rule->rule.priority,
                   rule->counter.packets, rule->counter.bytes, match, actions);
        }
    }
    if (json) {
        print_json(json_pack("{so}", "rules", rules));
    } else {
        json_decref(rules);
    }
}

/* stats. */

static void
print_counter(const char *name, const struct nicsim_counter *counter)
{
    printf("  %-14s %12"PRIu64" packets %15"PRIu64" bytes\n", name,
           counter->packets, counter->bytes);
}

static void
print_function_stats(const char *name, const struct nicsim_fn_stats *stats)
{
    printf("  %s:\n", name);
    printf("    rx %12"PRIu64" packets %15"PRIu64" bytes, missed %"PRIu64
           ", errors %"PRIu64"\n", stats->rx.packets, stats->rx.bytes,
           stats->rx_missed, stats->rx_errors);
    printf("    tx %12"PRIu64" packets %15"PRIu64" bytes, errors %"PRIu64
           "\n", stats->tx.packets, stats->tx.bytes, stats->tx_errors);
    for (int q = 0; q < NICSIM_MAX_QUEUES; q++) {
        if (stats->rxq[q].packets || stats->txq[q].packets) {
            printf("    queue %-2d rx %"PRIu64" packets %"PRIu64" bytes, "
                   "tx %"PRIu64" packets %"PRIu64" bytes\n", q,
                   stats->rxq[q].packets, stats->rxq[q].bytes,
                   stats->txq[q].packets, stats->txq[q].bytes);
        }
    }
}

/* The virtqueues of the VF at 'vport', which is open as vDPA device. */
static void
vdpa_text(uint32_t vport)
{
    struct nicsim_ctl_vdpa vdpa = *ask_vdpa(vport);

    printf("    vDPA: %s, features %#"PRIx64", %"PRIu64" MiB of memory in "
           "%"PRIu32" regions, dirty log %s\n",
           vdpa.started ? "started" : "stopped", vdpa.features,
           vdpa.memory >> 20, vdpa.n_regions, vdpa.logging ? "on" : "off");
    for (uint16_t i = 0; i < NICSIM_MAX_VQS; i++) {
        const struct nicsim_vdpa_queue *q = ask_vdpa_queue(vport, i);

        if (!q) {
            continue;
        }
        printf("    virtqueue %-2d %s %s", i, i & 1 ? "tx" : "rx",
               vdpa_state_name(q->state));
        if (q->why) {
            printf(" by %s", vdpa_error_name(q->why));
        }
        printf(", size %u, position %#x, %"PRIu64" kicks, %"PRIu64" calls",
               q->size, q->used_idx, q->kicks, q->calls);
        if (q->joined) {
            printf(", %"PRIu64" segments joined", q->joined);
        }
        for (int j = 0; j < NICSIM_VQ_N_ERRORS; j++) {
            if (q->errors[j]) {
                printf(", %s %"PRIu64, vdpa_error_name(j), q->errors[j]);
            }
        }
        putchar('\n');
    }
}

static void
stats_text(uint32_t vport, const struct nicsim_ctl_vport *v)
{
    printf("%s\n", vport_name(vport));
    print_counter("in", &v->stats.in);
    print_counter("by rule", &v->stats.by_rule);
    print_counter("to software", &v->stats.to_software);
    print_counter("out", &v->stats.out);
    printf("  %-14s %12"PRIu64" packets\n", "out dropped",
           v->stats.out_dropped);
    if (vport == NICSIM_VPORT_UPLINK) {
        print_counter("wire rx", &v->wire_rx);
        print_counter("wire tx", &v->wire_tx);
        printf("  %-14s %12"PRIu64" packets\n", "wire tx dropped",
               v->wire_tx_dropped);
    }
    for (int i = 0; i < n_functions(vport); i++) {
        print_function_stats(function_name(vport, i), &v->fn[i].stats);
        if (v->fn[i].vdpa) {
            vdpa_text(vport);
        }
    }
}

static json_t *
json_function_stats(const char *name, const struct nicsim_fn_stats *stats)
{
    json_t *queues = json_array();

    for (int q = 0; q < NICSIM_MAX_QUEUES; q++) {
        if (stats->rxq[q].packets || stats->txq[q].packets) {
            append(queues, json_pack("{siso so}", "queue", q,
                                     "rx", json_counter(&stats->rxq[q]),
                                     "tx", json_counter(&stats->txq[q])));
        }
    }
    return json_pack("{sssoso sIsIsI so}", "name", name,
                     "rx", json_counter(&stats->rx),
                     "tx", json_counter(&stats->tx),
                     "rx_missed", (json_int_t) stats->rx_missed,
                     "rx_errors", (json_int_t) stats->rx_errors,
                     "tx_errors", (json_int_t) stats->tx_errors,
                     "queues", queues);
}

static json_t *
vdpa_json(uint32_t vport)
{
    struct nicsim_ctl_vdpa vdpa = *ask_vdpa(vport);
    json_t *queues = json_array();

    for (uint16_t i = 0; i < NICSIM_MAX_VQS; i++) {
        const struct nicsim_vdpa_queue *q = ask_vdpa_queue(vport, i);
        json_t *errors;

        if (!q) {
            continue;
        }
        errors = json_object();
        for (int j = 0; j < NICSIM_VQ_N_ERRORS; j++) {
            if (q->errors[j]) {
                set(errors, vdpa_error_name(j), json_integer(q->errors[j]));
            }
        }
        append(queues, json_pack("{sisssssbsisIsIsIsIsIsIsIso}",
                                 "virtqueue", (int) i,
                                 "state", vdpa_state_name(q->state),
                                 "why", vdpa_error_name(q->why),
                                 "enabled", (int) q->enabled,
                                 "size", (int) q->size,
                                 "position", (json_int_t) q->used_idx,
                                 "packets", (json_int_t) q->done.packets,
                                 "bytes", (json_int_t) q->done.bytes,
                                 "kicks", (json_int_t) q->kicks,
                                 "calls", (json_int_t) q->calls,
                                 "joined", (json_int_t) q->joined,
                                 "descriptors", (json_int_t) q->descs,
                                 "errors", errors));
    }
    return json_pack("{sbsIsbsIsIsIso}",
                     "started", (int) vdpa.started,
                     "features", (json_int_t) vdpa.features,
                     "dirty_log", (int) vdpa.logging,
                     "memory", (json_int_t) vdpa.memory,
                     "regions", (json_int_t) vdpa.n_regions,
                     "receiving_pairs", (json_int_t) vdpa.n_pairs,
                     "virtqueues", queues);
}

static json_t *
stats_json(uint32_t vport, const struct nicsim_ctl_vport *v)
{
    json_t *functions = json_array();
    json_t *json;

    for (int i = 0; i < n_functions(vport); i++) {
        json_t *fn = json_function_stats(function_name(vport, i),
                                         &v->fn[i].stats);

        if (v->fn[i].vdpa) {
            set(fn, "vdpa", vdpa_json(vport));
        }
        append(functions, fn);
    }
    json = json_pack("{sssosososo sIsIso}", "name", vport_name(vport),
                     "in", json_counter(&v->stats.in),
                     "by_rule", json_counter(&v->stats.by_rule),
                     "to_software", json_counter(&v->stats.to_software),
                     "out", json_counter(&v->stats.out),
                     "out_dropped", (json_int_t) v->stats.out_dropped,
                     "out_too_long", (json_int_t) v->stats.out_too_long,
                     "functions", functions);
    if (vport == NICSIM_VPORT_UPLINK) {
        set(json, "wire_rx", json_counter(&v->wire_rx));
        set(json, "wire_tx", json_counter(&v->wire_tx));
        set(json, "wire_tx_dropped", json_integer(v->wire_tx_dropped));
    }
    return json;
}

static void
cmd_stats(bool json)
{
    uint32_t n_vfs = ask_info()->n_vfs;
    json_t *vports = json_array();

    for (uint32_t vport = 0; vport <= n_vfs; vport++) {
        const struct nicsim_ctl_vport *v = ask_vport(vport);

        if (json) {
            append(vports, stats_json(vport, v));
        } else {
            stats_text(vport, v);
        }
    }
    if (json) {
        print_json(json_pack("{so}", "vports", vports));
    } else {
        json_decref(vports);
    }
}

static void
usage(void)
{
    printf("nicsimctl: asks nicsimd, the emulated SmartNIC\n"
           "usage: nicsimctl [--socket PATH] [--json] COMMAND\n"
           "\n"
           "  show    the NIC, its ports and functions, and who has them\n"
           "  rules   each rule's match, actions, packets and bytes\n"
           "  stats   all counters of ports, functions and queues\n"
           "\n"
           "  --socket PATH  nicsimd's socket (default:\n"
           "                 $NICSIM_RUNDIR/nicsim0.sock)\n"
           "  --json         machine-readable output\n"
           "  --help, --version\n");
}

int
main(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "socket", required_argument, NULL, 's' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    static const struct {
        const char *name;
        void (*run)(bool json);
    } commands[] = {
        { "show", cmd_show },
        { "rules", cmd_rules },
        { "stats", cmd_stats },
    };
    const char *rundir = getenv("NICSIM_RUNDIR");
    char path[PATH_MAX];
    bool json = false;
    int c;

    snprintf(path, sizeof path, "%s/nicsim0.sock",
             rundir && *rundir ? rundir : "/run/nicsim");
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 's':
            snprintf(path, sizeof path, "%s", optarg);
            break;

        case 'j':
            json = true;
            break;

        case 'h':
            usage();
            return EXIT_SUCCESS;

        case 'V':
            printf("nicsimctl (ovs-dpdkvdpa) %s, hardware interface %d\n",
                   VERSION, NICSIM_HW_VERSION);
            return EXIT_SUCCESS;

        default:
            return EXIT_FAILURE;
        }
    }
    if (argc - optind != 1) {
        fail("exactly one command is needed (use --help for help)");
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!strcmp(argv[optind], commands[i].name)) {
            connect_to(path);
            commands[i].run(json);
            if (fflush(stdout) || ferror(stdout)) {
                fail("can't write: %m");
            }
            return EXIT_SUCCESS;
        }
    }
    fail("there is no command \"%s\" (use --help for help)", argv[optind]);
}
