/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nic.h"
#include "nicsim/rule-format.h"

#ifndef VERSION
#define VERSION "unknown version"
#endif

static void __attribute__((noreturn))
usage(void)
{
    printf("nicsimd: emulated SmartNIC\n"
           "usage: nicsimd --vfs N [OPTIONS]\n"
           "\n"
           "  --socket PATH          where drivers connect (default:\n"
           "                         $NICSIM_RUNDIR/nicsim0.sock)\n"
           "  --vfs N                number of VFs, 1 to %d\n"
           "  --queues N             queue pairs per function (default: %d)\n"
           "  --wire VDEV            DPDK vdev on the uplink (default: no "
           "cable)\n"
           "  --wire-mtu N           its MTU (default: 1500)\n"
           "  --table-size N         rules (default: 131072)\n"
           "  --rule-latency USEC    time of one rule operation (default: 0)\n"
           "  --refuse-item NAME[,NAME...]    items that this NIC can't do\n"
           "  --refuse-action NAME[,NAME...]  actions that it can't do\n"
           "  --keep-rules           keep rules while a port is stopped\n"
           "  --personality NAME[,KEY=VALUE...]  refuse rules as this NIC's\n"
           "                         driver does (default: ideal)\n"
           "  --counter-period MS    show counters this old\n"
           "  --no-mark              take marks, and lose them\n"
           "  --proxy-only           rules are made on the PF only\n"
           "  --refuse-in-sample NAME[,NAME...], --refuse-from-wire ...,\n"
           "  --refuse-from-vf ...   actions that it can't do there\n"
           "  --refuse-errno NAME    how it refuses (default: ENOTSUP)\n"
           "  --max-samples N        samples of one rule\n"
           "  --max-masks N          different masks of all rules\n"
           "  --fail-every N         of so many operations on rules one "
           "fails\n"
           "  --fail-errno NAME      how it fails (default: EAGAIN)\n"
           "  --full-percent N       so often the table seems to be full\n"
           "  --idle-spin USEC       poll so long before sleeping "
           "(default: 20)\n"
           "  --core N               run on this CPU only\n"
           "  --mem MIB              memory for DPDK (default: 64)\n"
           "  --pidfile FILE         write the process id there\n"
           "  --log-file FILE        log there instead of stderr\n"
           "  --detach               go to the background when ready\n"
           "  --help, --version\n",
           NICSIM_MAX_VFS, NICSIM_MAX_QUEUES);
    exit(EXIT_SUCCESS);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
bad_usage(const char *format, ...)
{
    va_list args;

    fputs("nicsimd: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (use --help for help)\n", stderr);
    exit(EXIT_FAILURE);
}

static uint32_t
parse_number(const char *name, const char *s, uint32_t min, uint32_t max)
{
    unsigned long value;
    char *end;

    errno = 0;
    value = strtoul(s, &end, 10);
    if (errno || end == s || *end || *s == '-' || value < min
        || value > max) {
        bad_usage("--%s: \"%s\" is not a number from %u to %u", name, s, min,
                  max);
    }
    return value;
}

/* Adds the names in the comma-separated 'list' to the set. */
static void
parse_items(const char *list, uint32_t *set)
{
    char copy[1024];
    char *save;

    snprintf(copy, sizeof copy, "%s", list);
    for (char *name = strtok_r(copy, ",", &save); name;
         name = strtok_r(NULL, ",", &save)) {
        uint32_t item = rule_item_from_name(name);

        if (!item) {
            bad_usage("--refuse-item: there is no item \"%s\"", name);
        }
        *set |= item;
    }
}

static void
parse_actions(const char *list, uint64_t *set)
{
    char copy[1024];
    char *save;

    snprintf(copy, sizeof copy, "%s", list);
    for (char *name = strtok_r(copy, ",", &save); name;
         name = strtok_r(NULL, ",", &save)) {
        uint64_t actions = rule_actions_from_name(name);

        if (!actions) {
            bad_usage("--refuse-action: there is no action \"%s\"", name);
        }
        *set |= actions;
    }
}

static char *
default_socket(void)
{
    const char *rundir = getenv("NICSIM_RUNDIR");
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/nicsim0.sock",
             rundir && *rundir ? rundir : "/run/nicsim");
    return path;
}

/* Sets '*opts' by the command line, or ends the process. */
void
options_parse(struct options *opts, int argc, char *argv[])
{
    enum { SOCKET = 1, VFS, QUEUES, WIRE, WIRE_MTU, TABLE_SIZE, RULE_LATENCY,
           REFUSE_ITEM, REFUSE_ACTION, KEEP_RULES, IDLE_SPIN, CORE, MEM,
           PIDFILE, LOG_FILE, DETACH, HELP, SHOW_VERSION, PERSONALITY,
           COUNTER_PERIOD, NO_MARK, PROXY_ONLY, TROUBLE };
#define TROUBLE_OPTION(NAME) \
    { trouble_options[TROUBLE_##NAME], required_argument, NULL, \
      TROUBLE + TROUBLE_##NAME }
    const struct option long_options[] = {
        { "socket", required_argument, NULL, SOCKET },
        { "vfs", required_argument, NULL, VFS },
        { "queues", required_argument, NULL, QUEUES },
        { "wire", required_argument, NULL, WIRE },
        { "wire-mtu", required_argument, NULL, WIRE_MTU },
        { "table-size", required_argument, NULL, TABLE_SIZE },
        { "rule-latency", required_argument, NULL, RULE_LATENCY },
        { "refuse-item", required_argument, NULL, REFUSE_ITEM },
        { "refuse-action", required_argument, NULL, REFUSE_ACTION },
        { "keep-rules", no_argument, NULL, KEEP_RULES },
        { "idle-spin", required_argument, NULL, IDLE_SPIN },
        { "core", required_argument, NULL, CORE },
        { "mem", required_argument, NULL, MEM },
        { "pidfile", required_argument, NULL, PIDFILE },
        { "log-file", required_argument, NULL, LOG_FILE },
        { "detach", no_argument, NULL, DETACH },
        { "personality", required_argument, NULL, PERSONALITY },
        { "counter-period", required_argument, NULL, COUNTER_PERIOD },
        { "no-mark", no_argument, NULL, NO_MARK },
        { "proxy-only", no_argument, NULL, PROXY_ONLY },
        TROUBLE_OPTION(REFUSE_IN_SAMPLE), TROUBLE_OPTION(REFUSE_FROM_WIRE),
        TROUBLE_OPTION(REFUSE_FROM_VF), TROUBLE_OPTION(REFUSE_ERRNO),
        TROUBLE_OPTION(MAX_SAMPLES), TROUBLE_OPTION(MAX_MASKS),
        TROUBLE_OPTION(FAIL_EVERY), TROUBLE_OPTION(FAIL_ERRNO),
        TROUBLE_OPTION(FULL_PERCENT),
        { "help", no_argument, NULL, HELP },
        { "version", no_argument, NULL, SHOW_VERSION },
        { NULL, 0, NULL, 0 },
    };

    char why[256];

    memset(opts, 0, sizeof *opts);
    opts->n_queues = NICSIM_MAX_QUEUES;
    opts->wire_mtu = 1500;
    opts->table_size = 131072;
    opts->idle_spin = 20;
    opts->mem = 64;
    opts->core = -1;
    opts->personality = "";
    opts->counter_period = NICSIM_PERIOD_ANY;
    trouble_init(&opts->trouble);

    for (;;) {
        int c = getopt_long(argc, argv, "", long_options, NULL);

        if (c < 0) {
            break;
        }
        switch (c) {
        case SOCKET:
            opts->socket = optarg;
            break;

        case VFS:
            opts->n_vfs = parse_number("vfs", optarg, 1, NICSIM_MAX_VFS);
            break;

        case QUEUES:
            opts->n_queues = parse_number("queues", optarg, 1,
                                          NICSIM_MAX_QUEUES);
            break;

        case WIRE:
            opts->wire = *optarg ? optarg : NULL;
            break;

        case WIRE_MTU:
            opts->wire_mtu = parse_number("wire-mtu", optarg, NICSIM_MIN_MTU,
                                          NICSIM_MAX_MTU);
            break;

        case TABLE_SIZE:
            opts->table_size = parse_number("table-size", optarg, 1,
                                            1u << 24);
            break;

        case RULE_LATENCY:
            opts->rule_latency = parse_number("rule-latency", optarg, 0,
                                              10000000);
            break;

        case REFUSE_ITEM:
            parse_items(optarg, &opts->refuse_items);
            break;

        case REFUSE_ACTION:
            parse_actions(optarg, &opts->refuse_actions);
            break;

        case KEEP_RULES:
            opts->keep_rules = true;
            break;

        case PERSONALITY:
            if (strlen(optarg) >= NICSIM_TEXT_LEN) {
                bad_usage("--personality: longer than %d characters",
                          NICSIM_TEXT_LEN - 1);
            }
            opts->personality = optarg;
            break;

        case COUNTER_PERIOD:
            opts->counter_period = parse_number("counter-period", optarg, 0,
                                                3600000);
            break;

        case NO_MARK:
            opts->trouble.no_mark = true;
            break;

        case PROXY_ONLY:
            opts->trouble.proxy_only = true;
            break;

        case IDLE_SPIN:
            opts->idle_spin = parse_number("idle-spin", optarg, 0, 1000000);
            break;

        case CORE:
            opts->core = parse_number("core", optarg, 0, 1023);
            break;

        case MEM:
            opts->mem = parse_number("mem", optarg, 16, 65536);
            break;

        case PIDFILE:
            opts->pidfile = optarg;
            break;

        case LOG_FILE:
            opts->log_file = optarg;
            break;

        case DETACH:
            opts->detach = true;
            break;

        case HELP:
            usage();

        case SHOW_VERSION:
            printf("nicsimd (ovs-dpdkvdpa) %s, hardware interface %d\n",
                   VERSION, NICSIM_HW_VERSION);
            exit(EXIT_SUCCESS);

        default:
            if (c < TROUBLE || c >= TROUBLE + TROUBLE_N_OPTIONS) {
                exit(EXIT_FAILURE);
            }
            if (!trouble_set(&opts->trouble, c - TROUBLE, optarg, why,
                             sizeof why)) {
                bad_usage("--%s: %s", trouble_options[c - TROUBLE], why);
            }
            break;
        }
    }
    if (optind < argc) {
        bad_usage("\"%s\": no arguments but options are taken", argv[optind]);
    }
    if (!opts->n_vfs) {
        bad_usage("--vfs is required");
    }
    if (!opts->socket) {
        opts->socket = default_socket();
    }
}
