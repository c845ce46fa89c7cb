/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Full rings of nicsim's driver
 * =============================
 *
 *     nicsim-ring EAL-OPTION... -- PID-OF-NICSIMD [OPTION]...
 *
 * The first ethdev is a VF, the second one its representor, so that what the
 * VF sends comes in there.  Round by round the NIC is stopped, the VF is asked
 * to send more than its ring has room for, all packet buffers that the driver
 * says are free are overwritten, and the NIC goes on.  Each frame that the
 * driver took must then come out as it was sent, cut as its sender asked, once
 * and in order; those that it refused must not.  What came is looked at when
 * the round ends, so that buffers in which something else came meanwhile are
 * found too.
 *
 * Options:
 *
 *     txd=N rxd=N      descriptors (64, 4096)
 *     rxbuf=N          bytes of the buffers for receiving (2048)
 *     rounds=N seed=N  (100, 1)
 *     fastfree         one segment per frame, and RTE_ETH_TX_OFFLOAD_
 *                      MBUF_FAST_FREE
 *     lossy            nothing is received until the NIC has sent all, and
 *                      what the ring did not hold may be missing */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#define MAX_SENT 4096           /* Frames of a round. */
#define MAX_CAME 16384          /* Packets of a round. */
#define MAX_DATA 8192           /* Bytes of payload. */
#define MAX_SEGS 20
#define N_TX_MBUFS 2048
#define TIMEOUT_S 60
#define HEADERS 46              /* Bytes of all packets: up to the sequence
                                 * number. */

/* What a frame is. */
struct frame {
    uint32_t id;
    bool tcp;
    bool csum;
    uint16_t mss;               /* 0: not to be cut. */
    uint16_t tci;               /* 0: without a tag. */
    uint16_t n_options;         /* Bytes of TCP options. */
    uint16_t len;               /* Of the payload. */
    uint16_t n_segs;            /* Pieces of the frame's buffer. */
};

static uint16_t tx_port, rx_port;
static struct rte_mempool *tx_pool;
static uint32_t txd = 64, rxd = 4096, rxbuf = 2048, rounds = 100;
static bool fast_free, lossy;
static unsigned int round_no;
static pid_t nic_pid;

static struct frame sent[MAX_SENT];
static uint32_t n_sent, next_id = 1, outstanding;
static struct rte_mbuf *came[MAX_CAME];
static uint32_t n_came;

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
    va_list args;

    kill(nic_pid, SIGCONT);
    printf("round %u: ", round_no);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

static void
on_alarm(int sig)
{
    (void) sig;
    die("not done after %d seconds", TIMEOUT_S);
}

static uint32_t
below(uint32_t n)
{
    return (uint32_t) rand() % n;
}

/* The byte at 'ofs' of frame 'id''s payload. */
static uint8_t
pattern(uint32_t id, uint32_t ofs)
{
    uint32_t x = id * 2654435761u ^ (ofs + 1) * 2246822519u;

    return x >> 24;
}

/* Stops the NIC, and returns when it stands. */
static void
nic_stop(void)
{
    char path[64], state = '?';
    FILE *file;

    if (kill(nic_pid, SIGSTOP)) {
        die("kill: %m");
    }
    snprintf(path, sizeof path, "/proc/%d/stat", (int) nic_pid);
    while (state != 'T') {
        file = fopen(path, "r");
        if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            die("%s: %m", path);
        }
        fclose(file);
    }
}

/* Makes 'f' a frame of some kind. */
static void
choose(struct frame *f)
{
    memset(f, 0, sizeof *f);
    f->id = next_id++;
    f->n_segs = fast_free || below(2) ? 1 : 1 + below(MAX_SEGS);
    f->tci = below(3) ? 0 : 1 + below(4000);
    f->tcp = below(4);
    if (f->tcp) {
        f->n_options = 4 * below(11);
        f->mss = below(4) ? 100 + below(1200) : 0;
        f->csum = true;
    }
    f->len = 60 + below(f->mss && !fast_free ? MAX_DATA - 60 : 1300);
}

/* Returns the packet that 'f' says. */
static struct rte_mbuf *
make(const struct frame *f)
{
    static uint8_t bytes[128 + MAX_DATA];
    uint32_t l4_len = f->tcp ? 20 + f->n_options : 8;
    uint32_t len = 14 + 20 + l4_len + f->len, ofs = 0;
    struct rte_ether_hdr *eth = (void *) bytes;
    struct rte_ipv4_hdr *ip = (void *) (bytes + 14);
    struct rte_mbuf *first = NULL, **nextp = &first;
    uint32_t n_segs = f->n_segs;

    memset(bytes, 0, 128);
    eth->dst_addr.addr_bytes[0] = eth->src_addr.addr_bytes[0] = 2;
    eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
    ip->version_ihl = RTE_IPV4_VHL_DEF;
    ip->total_length = rte_cpu_to_be_16(len - 14);
    ip->time_to_live = 64;
    ip->next_proto_id = f->tcp ? IPPROTO_TCP : IPPROTO_UDP;
    ip->src_addr = rte_cpu_to_be_32(f->id);
    ip->dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2));
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    if (f->tcp) {
        struct rte_tcp_hdr *tcp = (void *) (ip + 1);

        tcp->data_off = l4_len / 4 << 4;
        tcp->tcp_flags = RTE_TCP_ACK_FLAG;
        memset(tcp + 1, 1, f->n_options);
    } else {
        struct rte_udp_hdr *udp = (void *) (ip + 1);

        udp->dgram_len = rte_cpu_to_be_16(8 + f->len);
    }
    for (uint32_t i = 0; i < f->len; i++) {
        bytes[14 + 20 + l4_len + i] = pattern(f->id, i);
    }

    while (ofs < len) {
        struct rte_mbuf *m = rte_pktmbuf_alloc(tx_pool);
        uint32_t n;

        if (!m) {
            die("the driver keeps the packet buffers");
        }
        n = n_segs > 1 ? (len - ofs) / n_segs : len - ofs;
        n = RTE_MIN(n, rte_pktmbuf_tailroom(m));
        n_segs -= n_segs > 1;
        memcpy(rte_pktmbuf_append(m, n), bytes + ofs, n);
        ofs += n;
        *nextp = m;
        nextp = &m->next;
        if (m != first) {
            first->nb_segs++;
            first->pkt_len += n;
        }
    }
    first->l2_len = 14;
    first->l3_len = 20;
    if (f->csum) {
        first->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
    }
    if (f->mss) {
        first->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
        first->tso_segsz = f->mss;
        first->l4_len = l4_len;
    }
    if (f->tci) {
        first->ol_flags |= RTE_MBUF_F_TX_VLAN;
        first->vlan_tci = f->tci;
    }
    return first;
}

/* Has the driver send a burst of new frames.  Returns false if it did not take
 * all of them. */
static bool
send_burst(unsigned int n)
{
    struct rte_mbuf *pkts[8];
    uint16_t n_segs[8];
    unsigned int done;

    for (unsigned int i = 0; i < n; i++) {
        choose(&sent[n_sent + i]);
        pkts[i] = make(&sent[n_sent + i]);
        n_segs[i] = pkts[i]->nb_segs;
    }
    done = rte_eth_tx_burst(tx_port, 0, pkts, n);
    for (unsigned int i = 0; i < done; i++) {
        outstanding += n_segs[i];
    }
    n_sent += done;
    rte_pktmbuf_free_bulk(pkts + done, n - done);
    return done == n;
}

/* Overwrites all packet buffers that are free. */
static void
poison(void)
{
    static struct rte_mbuf *free_ones[N_TX_MBUFS];
    unsigned int n = 0;

    rte_eth_tx_done_cleanup(tx_port, 0, 0);
    while (n < N_TX_MBUFS && (free_ones[n] = rte_pktmbuf_alloc(tx_pool))) {
        memset(free_ones[n]->buf_addr, 0xa5, free_ones[n]->buf_len);
        n++;
    }
    rte_pktmbuf_free_bulk(free_ones, n);
}

/* The slots from the one that is filled next on: the last of a ring's are
 * those that were filled. */
static void
check_status(void)
{
    for (uint32_t i = 0; i < txd; i++) {
        int want = (i >= txd - outstanding ? RTE_ETH_TX_DESC_FULL
                    : RTE_ETH_TX_DESC_DONE);
        int status = rte_eth_tx_descriptor_status(tx_port, 0, i);

        if (status != want) {
            die("of %"PRIu32" descriptors %"PRIu32" are used, but the status "
                "at offset %"PRIu32" is %d", txd, outstanding, i, status);
        }
    }
    if (rte_eth_tx_descriptor_status(tx_port, 0, txd) != -EINVAL) {
        die("there is a descriptor %"PRIu32, txd);
    }
}

static void
receive(void)
{
    uint16_t n;

    do {
        n = rte_eth_rx_burst(rx_port, 0, came + n_came,
                             RTE_MIN(MAX_CAME - n_came, 32u));
        n_came += n;
    } while (n);
}

/* Compares packet 'm' with 'f', of whose payload '*ofs' bytes came before. */
static void
compare(const struct frame *f, uint32_t *ofs, const struct rte_mbuf *m)
{
    static uint8_t copy[2048];
    uint32_t len = m->pkt_len, l4_len, n, want;
    const struct rte_ether_hdr *eth;
    struct rte_ipv4_hdr *ip;
    const uint8_t *p;

    p = rte_pktmbuf_read(m, 0, len, copy);
    if (!p || len > sizeof copy) {
        die("frame %"PRIu32": %"PRIu32" bytes came", f->id, len);
    }
    eth = (const void *) p;
    if (f->tci) {
        if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN)
            || (p[14] << 8 | p[15]) != f->tci) {
            die("frame %"PRIu32": tag %u is missing", f->id, f->tci);
        }
        p += 4;
        len -= 4;
    } else if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
        die("frame %"PRIu32": EtherType %#x", f->id,
            rte_be_to_cpu_16(eth->ether_type));
    }
    ip = (void *) (uintptr_t) (p + 14);
    l4_len = f->tcp ? 20 + f->n_options : 8;
    n = len - 14 - 20 - l4_len;
    if (len < 14 + 20 + l4_len
        || rte_be_to_cpu_16(ip->total_length) != len - 14
        || rte_raw_cksum(ip, 20) != UINT16_MAX) {
        die("frame %"PRIu32": the IP header is wrong", f->id);
    }
    want = f->len - *ofs;
    want = f->mss ? RTE_MIN(want, f->mss) : want;
    if (n != want) {
        die("frame %"PRIu32": %"PRIu32" bytes of payload came at %"PRIu32
            ", not %"PRIu32, f->id, n, *ofs, want);
    }
    if (f->tcp) {
        const struct rte_tcp_hdr *tcp = (const void *) (ip + 1);

        if (rte_be_to_cpu_32(tcp->sent_seq) != *ofs
            || tcp->data_off != l4_len / 4 << 4
            || rte_ipv4_udptcp_cksum_verify(ip, tcp)) {
            die("frame %"PRIu32": the TCP header is wrong", f->id);
        }
    }
    p = (const uint8_t *) (ip + 1) + l4_len;
    for (uint32_t i = 0; i < n; i++) {
        if (p[i] != pattern(f->id, *ofs + i)) {
            die("frame %"PRIu32": byte %"PRIu32" of the payload is wrong",
                f->id, *ofs + i);
        }
    }
    *ofs += n;
}

/* Returns the number of the frame that 'm' is of. */
static uint32_t
get_id(const struct rte_mbuf *m)
{
    uint8_t copy[HEADERS];
    const uint8_t *p = rte_pktmbuf_read(m, 0, HEADERS, copy);
    rte_be32_t id = 0;

    if (p) {
        p += p[12] == 0x81 && !p[13] ? 4 : 0;
        memcpy(&id, p + 14 + 12, sizeof id);
    }
    return rte_be_to_cpu_32(id);
}

/* Compares all that came with all that was sent. */
static void
check_round(void)
{
    uint32_t i = 0, ofs = 0;

    for (uint32_t j = 0; j < n_came; j++) {
        uint32_t id = get_id(came[j]);

        if (ofs == sent[i].len) {
            i++;
            ofs = 0;
        }
        if (lossy) {
            /* Whole frames and segments may be missing. */
            while (i < n_sent && sent[i].id != id) {
                i++;
                ofs = 0;
            }
            if (i < n_sent && sent[i].mss) {
                uint8_t copy[HEADERS];
                const uint8_t *p = rte_pktmbuf_read(came[j], 0, HEADERS, copy);
                rte_be32_t seq;

                memcpy(&seq, p + (sent[i].tci ? 4 : 0) + 14 + 20 + 4, 4);
                if (rte_be_to_cpu_32(seq) < sent[i].len
                    && rte_be_to_cpu_32(seq) > ofs) {
                    ofs = rte_be_to_cpu_32(seq);
                }
            }
        }
        if (i >= n_sent || sent[i].id != id) {
            die("a packet of frame %"PRIu32" came, not of %"PRIu32, id,
                i < n_sent ? sent[i].id : 0);
        }
        compare(&sent[i], &ofs, came[j]);
    }
    if (!lossy && (i != n_sent - 1 || ofs != sent[i].len)) {
        die("%"PRIu32" of %"PRIu32" frames came", i, n_sent);
    }
    rte_pktmbuf_free_bulk(came, n_came);
}

static bool
all_done(void)
{
    return (rte_eth_tx_descriptor_status(tx_port, 0, txd - 1)
            == RTE_ETH_TX_DESC_DONE);
}

static void
run_round(void)
{
    /* Often the ring is not quite full, but has too little room for the frame
     * that is next. */
    unsigned int n_refused = 0, max_refused = below(2) ? 100 : 1;

    n_sent = n_came = outstanding = 0;
    nic_stop();
    check_status();
    while (n_refused < max_refused) {
        if (!send_burst(1 + below(4))) {
            n_refused++;
            if (!n_sent) {
                die("an empty ring has no room");
            }
        }
    }
    poison();
    check_status();
    if (kill(nic_pid, SIGCONT)) {
        die("kill: %m");
    }
    while (!all_done()) {
        if (!lossy) {
            receive();
        }
    }
    /* What the NIC has sent is there before it says that it is done. */
    receive();
    outstanding = 0;
    check_round();
}

static void
setup_port(uint16_t port, uint16_t n_tx, uint16_t n_rx,
           struct rte_mempool *pool)
{
    struct rte_eth_conf conf = {
        .rxmode.offloads = (rxbuf < 1600 ? RTE_ETH_RX_OFFLOAD_SCATTER : 0),
        .txmode.offloads = (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM
                            | RTE_ETH_TX_OFFLOAD_TCP_CKSUM
                            | RTE_ETH_TX_OFFLOAD_TCP_TSO
                            | RTE_ETH_TX_OFFLOAD_VLAN_INSERT
                            | (fast_free ? RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE
                               : RTE_ETH_TX_OFFLOAD_MULTI_SEGS)),
    };

    if (rte_eth_dev_configure(port, 1, 1, &conf)
        || rte_eth_rx_queue_setup(port, 0, n_rx, SOCKET_ID_ANY, NULL, pool)
        || rte_eth_tx_queue_setup(port, 0, n_tx, SOCKET_ID_ANY, NULL)
        || rte_eth_dev_start(port)) {
        die("port %u does not start", port);
    }
}

static bool
parse(const char *arg, const char *name, uint32_t *value)
{
    size_t n = strlen(name);

    if (strncmp(arg, name, n) || arg[n] != '=') {
        return false;
    }
    *value = atoi(arg + n + 1);
    return true;
}

int
main(int argc, char *argv[])
{
    struct rte_mempool *rx_pool;
    uint32_t seed = 1;
    int n = rte_eal_init(argc, argv);

    if (n < 0 || argc - n < 2 || rte_eth_dev_count_avail() != 3) {
        printf("a NIC's PF, a representor and its VF are needed\n");
        return EXIT_FAILURE;
    }
    nic_pid = atoi(argv[n + 1]);
    for (int i = n + 2; i < argc; i++) {
        if (!strcmp(argv[i], "fastfree")) {
            fast_free = true;
        } else if (!strcmp(argv[i], "lossy")) {
            lossy = true;
        } else if (!parse(argv[i], "txd", &txd)
                   && !parse(argv[i], "rxd", &rxd)
                   && !parse(argv[i], "rxbuf", &rxbuf)
                   && !parse(argv[i], "rounds", &rounds)
                   && !parse(argv[i], "seed", &seed)) {
            die("%s?", argv[i]);
        }
    }
    srand(seed);
    signal(SIGALRM, on_alarm);
    alarm(TIMEOUT_S);

    tx_pool = rte_pktmbuf_pool_create("tx", N_TX_MBUFS, 0, 0,
                                      RTE_MBUF_DEFAULT_BUF_SIZE,
                                      SOCKET_ID_ANY);
    rx_pool = rte_pktmbuf_pool_create("rx", 32767, 0, 0,
                                      RTE_PKTMBUF_HEADROOM + rxbuf,
                                      SOCKET_ID_ANY);
    if (!tx_pool || !rx_pool
        || rte_eth_dev_get_port_by_name("net_nicsim0_vf0", &tx_port)) {
        die("not enough memory, or no VF");
    }
    RTE_ETH_FOREACH_DEV (rx_port) {
        struct rte_eth_dev_info info;

        rte_eth_dev_info_get(rx_port, &info);
        if (info.dev_flags && *info.dev_flags & RTE_ETH_DEV_REPRESENTOR) {
            break;
        }
    }
    setup_port(rx_port, 64, rxd, rx_pool);
    setup_port(tx_port, txd, 64, rx_pool);
    for (round_no = 1; round_no <= rounds; round_no++) {
        run_round();
    }
    printf("%"PRIu32" rounds, all as it was sent\n", rounds);
    rte_eth_dev_stop(tx_port);
    rte_eth_dev_stop(rx_port);
    rte_eal_cleanup();
    return EXIT_SUCCESS;
}
