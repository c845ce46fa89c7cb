/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

/* A guest that only makes traffic
 * ===============================
 *
 * dpdkvdpa-bench measures switches with this program in the guest's place.  It
 * serves a vhost-user socket as a hypervisor does, and on every queue pair
 * sends as fast as the switch takes packets, and receives as fast as it brings
 * them, by one thread.
 *
 * What is measured is the switch, so that this program has to be much faster.
 * Each ring entry has its buffer for good, and the switch must give buffers
 * back in the order in which it got them, as all do on split rings without
 * being asked: then handing buffers over again is one store to the ring's
 * index, and no descriptor is ever written twice.  As a real guest would, it
 * writes the head of every packet that it sends and reads the head of every
 * packet that it receives, so that these cache lines travel; '--no-touch'
 * leaves that out.
 *
 * A line on stdin is a command, and gets one line on stdout:
 *
 *     wait SECONDS           Waits for the switch to connect.
 *     watch TID              Has later runs tell the CPU time of that thread,
 *                            the switch's that does the work: "switch_cpu".
 *     run WARM-UP SECONDS    Makes traffic, and counts for SECONDS of it, but
 *                            only while nobody else had one of the cores.
 *     total                  All since the start, when no traffic flows.
 *
 * The answer is a JSON object, with "error" in it if something went wrong.
 * Between commands it sleeps.  It ends with stdin. */

#define _GNU_SOURCE 1

#include "dpdkvdpa-bench-meter.h"
#include "dpdkvdpa-guest-vhost.h"
#include "dpdkvdpa-guest-virtq.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define PROGRAM "dpdkvdpa-bench-guest"

#define MAX_PAIRS 16
#define HUGE_PAGE (2u << 20)

/* Room for the virtio-net header and the largest frame, in whole cache lines
 * of an odd number, so that the heads of the buffers spread over all sets of a
 * cache. */
#define CACHE_LINE 64
#define BUFFER_SIZE (33 * CACHE_LINE)
#define NET_HDR_LEN 12
#define MIN_FRAME 64
#define MAX_FRAME (BUFFER_SIZE - NET_HDR_LEN)

#define ETH_LEN 14
#define IP_LEN 20
#define UDP_LEN 8

/* Where the guest's memory begins for the guest. */
#define GUEST_PHYS_BASE 0x40000000ULL

/* Seconds between two looks at a ring.  Each takes the cache line with the
 * ring's index away from the switch, and a guest's driver, which has packets
 * to deal with, does not do that all the time.  Rings must be large enough for
 * what comes meanwhile. */
#define LOOK_INTERVAL 4e-6

/* How long the switch may take for what it has got already, in seconds. */
#define DRAIN_TIMEOUT 2.0

#define BIT(N) (1ULL << (N))

struct counts {
    uint64_t tx;                /* Packets that the switch took. */
    uint64_t rx;                /* Packets that the switch brought. */
    uint64_t rx_bytes;
    uint64_t rx_odd;            /* Of these, not of one buffer each. */
};

struct pair {
    struct virtq rx, tx;
    struct counts counts;
    uint32_t stamp;             /* Written into the next packet. */
};

struct options {
    const char *socket_path;
    int n_pairs;
    int frame_len;
    int ring_size;
    int n_flows;
    int core;                   /* -1: any. */
    bool huge;
    bool touch;
    bool lenient;
};

struct generator {
    struct options opt;
    struct vhost vhost;
    struct vhost_memory mem;
    struct pair pairs[MAX_PAIRS];
    struct meter meter;
    bool connected;
    bool out_of_order;          /* The switch broke the rule. */

    /* Looks at rings: all, and those that found that the switch had been
     * waiting for us. */
    uint64_t looks;
    uint64_t tx_starved;
    uint64_t rx_starved;
};

/* Answers a command with an error. */
static void
fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("{\"error\": \"", stdout);
    vprintf(format, args);
    fputs("\"}\n", stdout);
    va_end(args);
}

/* Packets. */

static uint16_t
ip_csum(const uint8_t *hdr)
{
    uint32_t sum = 0;

    for (int i = 0; i < IP_LEN; i += 2) {
        sum += hdr[i] << 8 | hdr[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

static void
put_16(uint8_t *p, unsigned int value)
{
    p[0] = value >> 8;
    p[1] = value;
}

/* Writes a virtio-net header without any request and the UDP packet number
 * 'flow' of its queue pair 'pair' into 'buffer'. */
static void
fill_packet(uint8_t *buffer, int frame_len, int pair, int flow)
{
    static const uint8_t eth[ETH_LEN] = {
        0x02, 0, 0, 0, 0, 0xfe, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00
    };
    uint8_t *ip = buffer + NET_HDR_LEN + ETH_LEN;
    uint8_t *udp = ip + IP_LEN;

    memset(buffer, 0, NET_HDR_LEN + frame_len);
    memcpy(buffer + NET_HDR_LEN, eth, ETH_LEN);
    ip[0] = 0x45;
    put_16(ip + 2, frame_len - ETH_LEN);
    ip[8] = 64;
    ip[9] = IPPROTO_UDP;
    memcpy(ip + 12, "\x0a\x00\x00\x01", 4);
    memcpy(ip + 16, "\x0a\x00\x00\xfe", 4);
    ip[18] = pair;
    put_16(ip + 10, ip_csum(ip));
    put_16(udp, 1024 + flow);
    put_16(udp + 2, 9);
    put_16(udp + 4, frame_len - ETH_LEN - IP_LEN);
}

/* Rings. */

/* Makes the rings of a back end that is about to connect.  Receive buffers are
 * in its hands from the start, packets to send wait for the first run. */
static void
reset_pair(struct generator *g, int index)
{
    struct pair *p = &g->pairs[index];
    int id;

    virtq_reset(&p->rx, false, false);
    virtq_reset(&p->tx, false, false);
    while ((id = virtq_take(&p->rx)) >= 0) {
        virtq_add(&p->rx, id, p->rx.buffer_size, true);
    }
    virtq_publish(&p->rx);
    for (int i = 0; (id = virtq_take(&p->tx)) >= 0; i++) {
        fill_packet(virtq_buffer(&p->tx, id), g->opt.frame_len, index,
                    i % g->opt.n_flows);
        virtq_add(&p->tx, id, NET_HDR_LEN + g->opt.frame_len, false);
    }
    p->tx.next_avail = 0;
}

/* Returns the number of buffers that the switch gave back since the last
 * virtq_show(), and checks their order. */
static unsigned int
count_used(struct generator *g, const struct virtq *vq)
{
    uint16_t idx = __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
    unsigned int n = (uint16_t) (idx - vq->next_used);
    uint16_t mask = vq->size - 1;
    uint32_t wrong = 0;

    if (n > vq->size) {
        g->out_of_order = true;
        return 0;
    }
    for (unsigned int i = 0; i < n; i++) {
        uint16_t slot = (vq->next_used + i) & mask;

        wrong |= vq->used->ring[slot].id ^ slot;
    }
    g->out_of_order |= wrong != 0;
    return n;
}

/* Hands 'n' buffers over to the switch (again). */
static void
show(struct virtq *vq, unsigned int n)
{
    vq->next_avail += n;
    virtq_publish(vq);
}

static unsigned int
transmit(struct generator *g, struct pair *p, bool more)
{
    struct virtq *vq = &p->tx;
    unsigned int n = count_used(g, vq);

    if (!n && vq->next_avail != vq->next_used) {
        return 0;
    }
    p->counts.tx += n;
    if (!more) {
        vq->next_used += n;
        return n;
    }
    if (n == vq->size || vq->next_avail == vq->next_used) {
        g->tx_starved++;
    }

    /* In the first call of a run all buffers are ours. */
    vq->next_used += n;
    n = (uint16_t) (vq->next_used + vq->size - vq->next_avail);
    if (g->opt.touch) {
        for (unsigned int i = 0; i < n; i++) {
            uint16_t slot = (vq->next_avail + i) & (vq->size - 1);

            /* UDP's checksum field and two bytes of payload. */
            memcpy(virtq_buffer(vq, slot) + NET_HDR_LEN + ETH_LEN + IP_LEN + 8,
                   &p->stamp, sizeof p->stamp);
            p->stamp++;
        }
    }
    show(vq, n);
    return n;
}

static unsigned int
receive(struct generator *g, struct pair *p)
{
    struct virtq *vq = &p->rx;
    unsigned int n = count_used(g, vq);
    uint64_t bytes = 0;
    uint32_t odd = 0;

    if (!n) {
        return 0;
    }
    for (unsigned int i = 0; i < n; i++) {
        uint16_t slot = (vq->next_used + i) & (vq->size - 1);

        bytes += vq->used->ring[slot].len;
        if (g->opt.touch) {
            const struct virtio_net_hdr_v1 *hdr
                = (void *) virtq_buffer(vq, slot);

            odd += hdr->num_buffers != 1;
        }
    }
    p->counts.rx += n;
    p->counts.rx_bytes += bytes - (uint64_t) n * NET_HDR_LEN;
    p->counts.rx_odd += odd;
    if (n == vq->size) {
        g->rx_starved++;
    }
    vq->next_used += n;
    show(vq, n);
    return n;
}

/* Makes traffic until 'deadline'. */
static void
make_traffic(void *g_, double deadline)
{
    struct generator *g = g_;
    double next = meter_now();

    do {
        for (int i = 0; i < g->opt.n_pairs; i++) {
            receive(g, &g->pairs[i]);
            transmit(g, &g->pairs[i], true);
        }
        g->looks += g->opt.n_pairs;
        next += LOOK_INTERVAL;
        while (meter_now() < next) {
            _mm_pause();
        }
    } while (next < deadline && !g->out_of_order);
}

/* Waits until the switch took all that it was given to send.  Returns false if
 * it doesn't. */
static bool
drain(struct generator *g)
{
    double deadline = meter_now() + DRAIN_TIMEOUT;
    int n_busy;

    do {
        n_busy = 0;
        for (int i = 0; i < g->opt.n_pairs; i++) {
            struct pair *p = &g->pairs[i];

            receive(g, p);
            transmit(g, p, false);
            n_busy += p->tx.next_used != p->tx.next_avail;
        }
    } while (n_busy && meter_now() < deadline);
    return !n_busy;
}

/* Commands. */

static struct counts
sum(const struct generator *g)
{
    struct counts total = { 0, 0, 0, 0 };

    for (int i = 0; i < g->opt.n_pairs; i++) {
        const struct counts *c = &g->pairs[i].counts;

        total.tx += c->tx;
        total.rx += c->rx;
        total.rx_bytes += c->rx_bytes;
        total.rx_odd += c->rx_odd;
    }
    return total;
}

/* The meter's read(). */
static void
read_counters(const void *g_, uint64_t *counters)
{
    const struct generator *g = g_;
    struct counts c = sum(g);

    counters[0] = c.tx;
    counters[1] = c.rx;
    counters[2] = c.rx_bytes;
    counters[3] = c.rx_odd;
    counters[4] = g->looks;
    counters[5] = g->tx_starved;
    counters[6] = g->rx_starved;
}

static bool
check_peer(struct generator *g)
{
    struct pollfd pfd = { .fd = g->vhost.conn_fd, .events = POLLRDHUP };

    if (!g->connected) {
        fail("the switch is not connected");
        return false;
    }
    if (poll(&pfd, 1, 0) > 0 && pfd.revents) {
        fail("the switch has disconnected");
        return false;
    }
    if (g->out_of_order) {
        fail("the switch gives buffers back out of order");
        return false;
    }
    return true;
}

static void
cmd_wait(struct generator *g, double seconds)
{
    double deadline = meter_now() + seconds;
    struct virtq *rings[2 * MAX_PAIRS];
    int n_pairs = g->opt.n_pairs;
    uint64_t wanted;
    int error;

    while ((error = vhost_accept(&g->vhost)) == EAGAIN) {
        struct pollfd pfd = { .fd = g->vhost.listen_fd, .events = POLLIN };

        if (meter_now() > deadline) {
            fail("the switch did not connect in %g seconds", seconds);
            return;
        }
        poll(&pfd, 1, 100);
    }
    wanted = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF);
    if (n_pairs > 1) {
        wanted |= BIT(VIRTIO_NET_F_MQ);
    }
    error = error ? error : vhost_negotiate(&g->vhost, wanted, &n_pairs);
    if (!error && n_pairs < g->opt.n_pairs) {
        fail("the switch serves only %d queue pairs", n_pairs);
        return;
    }
    for (int i = 0; i < n_pairs; i++) {
        reset_pair(g, i);
        rings[2 * i] = &g->pairs[i].rx;
        rings[2 * i + 1] = &g->pairs[i].tx;
    }
    error = error ? error : vhost_start(&g->vhost, &g->mem, rings,
                                        2 * n_pairs);
    if (error) {
        errno = error;
        fail("the switch did not accept the guest: %m");
        return;
    }
    g->connected = true;
    printf("{\"features\": \"%#"PRIx64"\"}\n", g->vhost.features);
}

static void
cmd_watch(struct generator *g, int tid)
{
    int error = meter_watch(&g->meter, tid);

    if (error) {
        errno = error;
        fail("thread %d can't be watched: %m", tid);
    } else {
        printf("{\"exact\": %s}\n", g->meter.exact ? "true" : "false");
    }
}

static void
cmd_run(struct generator *g, double warm_up, double seconds)
{
    static const char *const names[] = {
        "tx", "rx", "rx_bytes", "rx_odd", "looks", "tx_starved", "rx_starved",
        NULL
    };
    struct counts before[MAX_PAIRS];
    struct meter_result result;
    bool drained;

    if (!check_peer(g)) {
        return;
    }
    for (int i = 0; i < g->opt.n_pairs; i++) {
        before[i] = g->pairs[i].counts;
    }
    meter_run(&g->meter, warm_up, seconds, &result);
    drained = drain(g);
    if (!check_peer(g)) {
        return;
    }

    putchar('{');
    meter_print(&result, names);
    printf("\"drained\": %s, \"pairs\": [", drained ? "true" : "false");
    for (int i = 0; i < g->opt.n_pairs; i++) {
        const struct counts *c = &g->pairs[i].counts;

        printf("%s{\"tx\": %"PRIu64", \"rx\": %"PRIu64"}", i ? ", " : "",
               c->tx - before[i].tx, c->rx - before[i].rx);
    }
    puts("]}");
}

static void
cmd_total(const struct generator *g)
{
    struct counts c = sum(g);

    printf("{\"tx\": %"PRIu64", \"rx\": %"PRIu64"}\n", c.tx, c.rx);
}

static void
serve(struct generator *g)
{
    char line[256];

    while (fgets(line, sizeof line, stdin)) {
        double a, b;
        int tid;

        if (sscanf(line, "wait %lf", &a) == 1) {
            cmd_wait(g, a);
        } else if (sscanf(line, "watch %d", &tid) == 1) {
            cmd_watch(g, tid);
        } else if (sscanf(line, "run %lf %lf", &a, &b) == 2) {
            cmd_run(g, a, b);
        } else if (!strcmp(line, "total\n")) {
            cmd_total(g);
        } else {
            fail("unknown command");
        }
        fflush(stdout);
    }
}

/* Setting up. */

static int
set_up(struct generator *g, const sigset_t *wait_sigmask)
{
    const struct options *opt = &g->opt;
    size_t ring_bytes = virtq_mem_size(opt->ring_size, BUFFER_SIZE);
    size_t size = 2 * opt->n_pairs * ring_bytes;
    uint8_t *mem;
    int error;

    error = opt->core >= 0 ? meter_pin(opt->core) : 0;
    if (error) {
        errno = error;
        fprintf(stderr, PROGRAM": can't run on core %d: %m\n", opt->core);
        return error;
    }

    size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    g->mem.fd = memfd_create(PROGRAM,
                             MFD_CLOEXEC | (opt->huge ? MFD_HUGETLB : 0));
    mem = MAP_FAILED;
    if (g->mem.fd >= 0 && !ftruncate(g->mem.fd, size)) {
        mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_POPULATE, g->mem.fd, 0);
    }
    if (mem == MAP_FAILED) {
        error = errno;
        fprintf(stderr, PROGRAM": can't get %zu MiB of %smemory: %m\n",
                size >> 20, opt->huge ? "huge-page " : "");
        return error;
    }
    g->mem.addr = mem;
    g->mem.gpa = GUEST_PHYS_BASE;
    g->mem.size = size;

    for (int i = 0; i < 2 * opt->n_pairs; i++) {
        struct pair *p = &g->pairs[i / 2];

        error = virtq_init(i % 2 ? &p->tx : &p->rx, opt->ring_size,
                           BUFFER_SIZE, mem + i * ring_bytes,
                           g->mem.gpa + i * ring_bytes);
        if (error) {
            errno = error;
            fprintf(stderr, PROGRAM": can't make a ring: %m\n");
            return error;
        }
    }
    error = vhost_listen(&g->vhost, opt->socket_path, wait_sigmask);
    if (error) {
        errno = error;
        fprintf(stderr, PROGRAM": %s: %m\n", opt->socket_path);
    }
    return error;
}

static void
usage(void)
{
    puts(PROGRAM": makes traffic in a guest's place, for dpdkvdpa-bench\n"
         "usage: "PROGRAM" --socket PATH [OPTION]...\n"
         "  --socket PATH   serve vhost-user on this Unix socket\n"
         "  --queues N      queue pairs (default: 1)\n"
         "  --size BYTES    of a frame (default: 64)\n"
         "  --ring-size N   entries of a ring, a power of 2 (default: 1024)\n"
         "  --flows N       different UDP source ports (default: 1)\n"
         "  --core N        run on this core\n"
         "  --no-huge       guest memory without huge pages\n"
         "  --no-touch      do not look at packets\n"
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
        OPT_SOCKET = 256, OPT_QUEUES, OPT_SIZE, OPT_RING_SIZE, OPT_FLOWS,
        OPT_CORE, OPT_NO_HUGE, OPT_NO_TOUCH, OPT_LENIENT
    };
    static const struct option options[] = {
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "queues", required_argument, NULL, OPT_QUEUES },
        { "size", required_argument, NULL, OPT_SIZE },
        { "ring-size", required_argument, NULL, OPT_RING_SIZE },
        { "flows", required_argument, NULL, OPT_FLOWS },
        { "core", required_argument, NULL, OPT_CORE },
        { "no-huge", no_argument, NULL, OPT_NO_HUGE },
        { "no-touch", no_argument, NULL, OPT_NO_TOUCH },
        { "lenient", no_argument, NULL, OPT_LENIENT },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    *opt = (struct options) {
        .n_pairs = 1, .frame_len = MIN_FRAME, .ring_size = VIRTQ_MAX_SIZE,
        .n_flows = 1, .core = -1, .huge = true, .touch = true,
    };
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case OPT_SOCKET:
            opt->socket_path = optarg;
            break;
        case OPT_QUEUES:
            opt->n_pairs = parse_number("queues", optarg, 1, MAX_PAIRS);
            break;
        case OPT_SIZE:
            opt->frame_len = parse_number("size", optarg, MIN_FRAME,
                                          MAX_FRAME);
            break;
        case OPT_RING_SIZE:
            opt->ring_size = parse_number("ring-size", optarg, 2,
                                          VIRTQ_MAX_SIZE);
            break;
        case OPT_FLOWS:
            opt->n_flows = parse_number("flows", optarg, 1, 32768);
            break;
        case OPT_CORE:
            opt->core = parse_number("core", optarg, 0, CPU_SETSIZE - 1);
            break;
        case OPT_NO_HUGE:
            opt->huge = false;
            break;
        case OPT_NO_TOUCH:
            opt->touch = false;
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
    if (optind < argc || !opt->socket_path
        || opt->ring_size & (opt->ring_size - 1)) {
        fprintf(stderr, PROGRAM": %s; --help lists the options\n",
                (optind < argc ? "no arguments are wanted beside options"
                 : !opt->socket_path ? "--socket is required"
                 : "--ring-size must be a power of 2"));
        exit(EXIT_FAILURE);
    }
}

int
main(int argc, char *argv[])
{
    static struct generator g;
    sigset_t wait_sigmask;

    parse_options(&g.opt, argc, argv);
    meter_init(&g.meter, make_traffic, read_counters, &g);
    g.meter.lenient = g.opt.lenient;
    sigprocmask(SIG_BLOCK, NULL, &wait_sigmask);
    if (set_up(&g, &wait_sigmask)) {
        return EXIT_FAILURE;
    }
    puts("{\"ready\": true}");
    fflush(stdout);
    serve(&g);
    vhost_unlisten(&g.vhost);
    return EXIT_SUCCESS;
}
