/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

/* Two VFs that send each other what they get
 * ==========================================
 *
 * dpdkvdpa-bench measures nicsimd with this program, which is a driver's side
 * of it: it opens the uplink, the representors of two VFs and these VFs, makes
 * rules, and has a number of packets go round: whatever a VF receives, it
 * sends again.  The NIC moves each from VF to VF by a rule, and nothing else
 * does, so that packets can neither be lost nor be made.
 *
 * A rule is for one source, one destination and one EtherType behind one VF,
 * as those that Open vSwitch makes of the action NORMAL are.  There are as
 * many destinations as rules; a packet is for the next one each time that it
 * is sent ("all"), or always for the same ("one").
 *
 * A line on stdin is a command, and gets one line on stdout:
 *
 *     watch TID              Has later runs tell the CPU time of that thread,
 *                            the NIC's.
 *     run one|all WARM-UP SECONDS
 *                            Makes traffic through one or all of the rules,
 *                            and counts for SECONDS of it, but only while
 *                            nobody else had one of the cores.
 *
 * The answer is a JSON object, with "error" in it if something went wrong.
 * Between commands it sleeps.  It ends with stdin. */

#define _GNU_SOURCE 1

#include "dpdkvdpa-bench-meter.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#define PROGRAM "dpdkvdpa-bench-nic"

#define BURST 32
#define N_DESC 1024
#define N_BUFFERS 16384
#define MIN_FRAME 64
#define MAX_FRAME 1518

/* Packets that go round, of each VF.  They fit into the rings, so that the NIC
 * never has to drop one. */
#define N_PACKETS 512

struct options {
    const char *driver;
    const char *nic;
    int core;
    int frame_len;
    int n_rules;                /* Each way. */
    bool huge;
    bool lenient;
};

struct vf {
    uint16_t port_id;
    uint16_t rep_id;
    uint32_t next_flow;
    unsigned int n_held;        /* Received, and not sent yet. */
    struct rte_mbuf *held[2 * BURST];
};

struct bench {
    struct options opt;
    struct rte_mempool *pool;
    uint16_t pf_id;
    struct vf vfs[2];
    bool spread;                /* Traffic goes through all rules. */
    struct meter meter;
    uint64_t packets;           /* Received from the NIC. */
    uint64_t looks;             /* At a VF's receive ring. */
    uint64_t idle_looks;        /* Of these, those that found nothing. */
};

/* Prints an answer to a command, or to the start, that is an error. */
static void
fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("{\"error\": \"", stdout);
    vprintf(format, args);
    fputs("\"}\n", stdout);
    va_end(args);
    fflush(stdout);
}

/* Packets. */

static void
set_mac(struct rte_ether_addr *mac, int vf, uint32_t flow)
{
    mac->addr_bytes[0] = 0x02;
    mac->addr_bytes[1] = vf;
    flow = rte_cpu_to_be_32(flow);
    memcpy(&mac->addr_bytes[2], &flow, sizeof flow);
}

/* Has the packet 'm' of 'b->vfs[index]' take that VF's next rule. */
static void
choose_rule(const struct bench *b, int index, struct vf *vf,
            struct rte_mbuf *m)
{
    struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

    set_mac(&eth->src_addr, index, 0);
    set_mac(&eth->dst_addr, !index, vf->next_flow);
    if (!b->spread || ++vf->next_flow == (uint32_t) b->opt.n_rules) {
        vf->next_flow = 0;
    }
}

static struct rte_mbuf *
make_packet(const struct bench *b, int index, unsigned int number)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
    int len = b->opt.frame_len;
    struct rte_ether_hdr *eth;
    struct rte_ipv4_hdr *ip;
    struct rte_udp_hdr *udp;

    if (!m) {
        return NULL;
    }
    eth = (void *) rte_pktmbuf_append(m, len);
    memset(eth, 0, len);
    set_mac(&eth->src_addr, index, 0);
    set_mac(&eth->dst_addr, !index, 0);
    eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
    ip = (void *) (eth + 1);
    ip->version_ihl = RTE_IPV4_VHL_DEF;
    ip->total_length = rte_cpu_to_be_16(len - sizeof *eth);
    ip->time_to_live = 64;
    ip->next_proto_id = IPPROTO_UDP;
    ip->src_addr = rte_cpu_to_be_32(RTE_IPV4(10, index, 0, 1));
    ip->dst_addr = rte_cpu_to_be_32(RTE_IPV4(10, !index, 0, 1));
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    udp = (void *) (ip + 1);
    udp->src_port = rte_cpu_to_be_16(1024 + number);
    udp->dst_port = RTE_BE16(9);
    udp->dgram_len = rte_cpu_to_be_16(len - sizeof *eth - sizeof *ip);
    return m;
}

/* Sends what 'vf' holds, as far as there is room. */
static void
send_held(struct vf *vf)
{
    unsigned int n = rte_eth_tx_burst(vf->port_id, 0, vf->held, vf->n_held);

    vf->n_held -= n;
    if (n && vf->n_held) {
        memmove(vf->held, &vf->held[n], vf->n_held * sizeof vf->held[0]);
    }
}

static void
reflect(struct bench *b, int index)
{
    struct vf *vf = &b->vfs[index];
    struct rte_mbuf **pkts = &vf->held[vf->n_held];
    unsigned int n = 0;

    if (vf->n_held <= BURST) {
        n = rte_eth_rx_burst(vf->port_id, 0, pkts, BURST);
        b->looks++;
        b->idle_looks += !n;
        b->packets += n;
        vf->n_held += n;
    }
    for (unsigned int i = 0; i < n; i++) {
        rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
    }
    for (unsigned int i = 0; i < n; i++) {
        choose_rule(b, index, vf, pkts[i]);
    }
    if (vf->n_held) {
        send_held(vf);
    }
}

static void
make_traffic(void *b_, double deadline)
{
    struct bench *b = b_;

    do {
        for (int i = 0; i < 64; i++) {
            reflect(b, 0);
            reflect(b, 1);
        }
    } while (meter_now() < deadline);
}

static void
read_counters(const void *b_, uint64_t *counters)
{
    const struct bench *b = b_;

    counters[0] = b->packets;
    counters[1] = b->looks;
    counters[2] = b->idle_looks;
}

/* Rules. */

/* Makes rule number 'flow' for packets from VF 'index' to the other one. */
static bool
make_rule(const struct bench *b, int index, uint32_t flow,
          struct rte_flow_error *error)
{
    const struct rte_flow_attr attr = { .transfer = 1 };
    struct rte_flow_item_eth spec = { .type = RTE_BE16(RTE_ETHER_TYPE_IPV4) };
    struct rte_flow_item_eth mask = { .type = RTE_BE16(0xffff) };
    const struct rte_flow_item items[] = {
        { .type = RTE_FLOW_ITEM_TYPE_ETH, .spec = &spec, .mask = &mask },
        { .type = RTE_FLOW_ITEM_TYPE_END },
    };
    const struct rte_flow_action_ethdev to = {
        .port_id = b->vfs[!index].rep_id,
    };
    const struct rte_flow_action_count count = { .id = 0 };
    const struct rte_flow_action actions[] = {
        { .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count },
        { .type = RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT, .conf = &to },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };

    set_mac(&spec.src, index, 0);
    set_mac(&spec.dst, !index, flow);
    memset(&mask.src, 0xff, sizeof mask.src);
    memset(&mask.dst, 0xff, sizeof mask.dst);
    return rte_flow_create(b->vfs[index].rep_id, &attr, items, actions,
                           error) != NULL;
}

/* Makes all rules.  Returns the seconds that it took, or a negative number. */
static double
make_rules(const struct bench *b)
{
    double start = meter_now();

    for (int i = 0; i < b->opt.n_rules; i++) {
        for (int vf = 0; vf < 2; vf++) {
            struct rte_flow_error error = { .message = NULL };

            if (!make_rule(b, vf, i, &error)) {
                fail("rule %d: %s", i, (error.message ? error.message
                                        : strerrordesc_np(rte_errno)));
                return -1;
            }
        }
    }
    return meter_now() - start;
}

/* Ports. */

static bool
start_port(const struct bench *b, uint16_t port_id)
{
    const struct rte_eth_conf conf = { .rxmode = { .mtu = RTE_ETHER_MTU } };
    int error;

    error = rte_eth_dev_configure(port_id, 1, 1, &conf);
    error = error ? error : rte_eth_rx_queue_setup(port_id, 0, N_DESC, 0,
                                                   NULL, b->pool);
    error = error ? error : rte_eth_tx_queue_setup(port_id, 0, N_DESC, 0,
                                                   NULL);
    error = error ? error : rte_eth_promiscuous_enable(port_id);
    error = error ? error : rte_eth_dev_start(port_id);
    if (error) {
        fail("port %d can't be started: %s", port_id,
             strerrordesc_np(-error));
    }
    return !error;
}

static bool
find_port(const char *devargs, uint16_t *port_id)
{
    struct rte_dev_iterator iter;

    RTE_ETH_FOREACH_MATCHING_DEV (*port_id, devargs, &iter) {
        rte_eth_iterator_cleanup(&iter);
        return true;
    }
    fail("%s is not there", devargs);
    return false;
}

static bool
start_ports(struct bench *b)
{
    static const char *const names[2][2] = {
        { "net_nicsim0_vf0", "net_nicsim0,representor=[0]" },
        { "net_nicsim0_vf1", "net_nicsim0,representor=[1]" },
    };

    b->pool = rte_pktmbuf_pool_create("packets", N_BUFFERS, 256, 0,
                                      RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    if (!b->pool) {
        fail("no memory for packets");
        return false;
    }
    if (!find_port("net_nicsim0", &b->pf_id) || !start_port(b, b->pf_id)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        struct vf *vf = &b->vfs[i];

        if (!find_port(names[i][0], &vf->port_id)
            || !find_port(names[i][1], &vf->rep_id)
            || !start_port(b, vf->rep_id) || !start_port(b, vf->port_id)) {
            return false;
        }
    }
    return true;
}

/* Puts the packets into circulation. */
static bool
inject(struct bench *b)
{
    for (int i = 0; i < 2; i++) {
        struct vf *vf = &b->vfs[i];

        for (unsigned int j = 0; j < N_PACKETS; j++) {
            struct rte_mbuf *m = make_packet(b, i, j);
            double deadline = meter_now() + 1;

            if (!m) {
                fail("no memory for packets");
                return false;
            }
            choose_rule(b, i, vf, m);
            while (!rte_eth_tx_burst(vf->port_id, 0, &m, 1)) {
                if (meter_now() > deadline) {
                    fail("the NIC takes no packets");
                    return false;
                }
            }
        }
    }
    return true;
}

/* Commands. */

static void
cmd_watch(struct bench *b, int tid)
{
    int error = meter_watch(&b->meter, tid);

    if (error) {
        fail("thread %d can't be watched: %s", tid, strerrordesc_np(error));
    } else {
        printf("{\"exact\": %s}\n", b->meter.exact ? "true" : "false");
    }
}

static void
cmd_run(struct bench *b, double warm_up, double seconds)
{
    static const char *const names[] = { "rx", "looks", "idle_looks", NULL };
    struct rte_eth_stats stats;
    struct meter_result result;
    uint64_t to_software = 0;

    meter_run(&b->meter, warm_up, seconds, &result);
    for (int i = 0; i < 2; i++) {
        if (!rte_eth_stats_get(b->vfs[i].rep_id, &stats)) {
            to_software += stats.ipackets + stats.imissed;
        }
    }
    if (to_software) {
        fail("%"PRIu64" packets missed the rules", to_software);
        return;
    }
    putchar('{');
    meter_print(&result, names);
    puts("\"lost\": 0}");
}

static void
serve(struct bench *b)
{
    char line[256];

    while (fgets(line, sizeof line, stdin)) {
        double warm_up, seconds;
        char rules[4];
        int tid;

        if (sscanf(line, "watch %d", &tid) == 1) {
            cmd_watch(b, tid);
        } else if (sscanf(line, "run %3s %lf %lf", rules, &warm_up,
                          &seconds) == 3
                   && (!strcmp(rules, "one") || !strcmp(rules, "all"))) {
            b->spread = !strcmp(rules, "all");
            cmd_run(b, warm_up, seconds);
        } else {
            fail("unknown command");
        }
        fflush(stdout);
    }
}

/* Setting up. */

static bool
start_eal(const struct options *opt)
{
    static char core[16], pf[512], vf0[512], vf1[512];
    char *argv[24];
    int argc = 0;

    snprintf(core, sizeof core, "%d", opt->core);
    snprintf(pf, sizeof pf, "net_nicsim0,nic=%s", opt->nic);
    snprintf(vf0, sizeof vf0, "net_nicsim0_vf0,nic=%s", opt->nic);
    snprintf(vf1, sizeof vf1, "net_nicsim0_vf1,nic=%s", opt->nic);

    argv[argc++] = (char *) PROGRAM;
    argv[argc++] = (char *) "--no-pci";
    argv[argc++] = (char *) "--no-telemetry";
    if (opt->huge) {
        argv[argc++] = (char *) "--in-memory";
    } else {
        argv[argc++] = (char *) "--no-huge";
        argv[argc++] = (char *) "--no-shconf";
        argv[argc++] = (char *) "-m";
        argv[argc++] = (char *) "128";
    }
    argv[argc++] = (char *) "-l";
    argv[argc++] = core;
    argv[argc++] = (char *) "-d";
    argv[argc++] = (char *) opt->driver;
    argv[argc++] = (char *) "--vdev";
    argv[argc++] = pf;
    argv[argc++] = (char *) "--vdev";
    argv[argc++] = vf0;
    argv[argc++] = (char *) "--vdev";
    argv[argc++] = vf1;
    if (rte_eal_init(argc, argv) < 0) {
        fail("DPDK can't be initialized");
        return false;
    }
    return true;
}

static void
usage(void)
{
    puts(PROGRAM": makes traffic through nicsimd, for dpdkvdpa-bench\n"
         "usage: "PROGRAM" --driver FILE --nic SOCKET [OPTION]...\n"
         "  --driver FILE   librte_net_nicsim.so\n"
         "  --nic SOCKET    of nicsimd, with two VFs\n"
         "  --core N        run on this core (default: 0)\n"
         "  --size BYTES    of a frame (default: 64)\n"
         "  --rules N       rules each way (default: 1)\n"
         "  --no-huge       without huge pages\n"
         "  --lenient       count also while others have a core\n"
         "Commands come on stdin, answers go to stdout.");
}

static int
parse_number(const char *option, const char *arg, int min, int max)
{
    char *end;
    long int n;

    errno = 0;
    n = strtol(arg, &end, 10);
    if (errno || end == arg || *end || n < min || n > max) {
        fprintf(stderr, PROGRAM": --%s=%s: a number from %d to %d is "
                "wanted\n", option, arg, min, max);
        exit(EXIT_FAILURE);
    }
    return n;
}

static void
parse_options(struct options *opt, int argc, char *argv[])
{
    enum {
        OPT_DRIVER = 256, OPT_NIC, OPT_CORE, OPT_SIZE, OPT_RULES,
        OPT_NO_HUGE, OPT_LENIENT
    };
    static const struct option options[] = {
        { "driver", required_argument, NULL, OPT_DRIVER },
        { "nic", required_argument, NULL, OPT_NIC },
        { "core", required_argument, NULL, OPT_CORE },
        { "size", required_argument, NULL, OPT_SIZE },
        { "rules", required_argument, NULL, OPT_RULES },
        { "no-huge", no_argument, NULL, OPT_NO_HUGE },
        { "lenient", no_argument, NULL, OPT_LENIENT },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    *opt = (struct options) {
        .frame_len = MIN_FRAME, .n_rules = 1, .huge = true,
    };
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case OPT_DRIVER:
            opt->driver = optarg;
            break;
        case OPT_NIC:
            opt->nic = optarg;
            break;
        case OPT_CORE:
            opt->core = parse_number("core", optarg, 0, 1023);
            break;
        case OPT_SIZE:
            opt->frame_len = parse_number("size", optarg, MIN_FRAME,
                                          MAX_FRAME);
            break;
        case OPT_RULES:
            opt->n_rules = parse_number("rules", optarg, 1, 1000000);
            break;
        case OPT_NO_HUGE:
            opt->huge = false;
            break;
        case OPT_LENIENT:
            opt->lenient = true;
            break;
        case 'h':
            usage();
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind < argc || !opt->driver || !opt->nic) {
        fprintf(stderr, PROGRAM": %s; --help lists the options\n",
                (optind < argc ? "no arguments are wanted beside options"
                 : "--driver and --nic are required"));
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char *argv[])
{
    static struct bench b;
    double seconds;

    parse_options(&b.opt, argc, argv);
    if (!start_eal(&b.opt) || !start_ports(&b)) {
        return EXIT_FAILURE;
    }
    seconds = make_rules(&b);
    if (seconds < 0 || !inject(&b)) {
        return EXIT_FAILURE;
    }
    meter_init(&b.meter, make_traffic, read_counters, &b);
    b.meter.lenient = b.opt.lenient;
    printf("{\"rules\": %d, \"rule_seconds\": %.9f}\n", 2 * b.opt.n_rules,
           seconds);
    fflush(stdout);
    serve(&b);
    rte_eal_cleanup();
    return EXIT_SUCCESS;
}
