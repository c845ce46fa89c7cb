/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-relay.h"

#include <errno.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "coverage.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "vdpa-requests.h"
#include "vdpa-vhost.h"

VLOG_DEFINE_THIS_MODULE(vdpa_relay);

COVERAGE_DEFINE(vdpa_guest_tx_refused);
COVERAGE_DEFINE(vdpa_guest_rx_refused);
COVERAGE_DEFINE(vdpa_no_room_drop);
COVERAGE_DEFINE(vdpa_no_guest_drop);
COVERAGE_DEFINE(vdpa_handed_over);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Bursts per direction and queue pair that one poll moves at most.  More than
 * one keeps what OVS does around each poll small beside the work. */
#define MAX_BURSTS 4

/* No queue pair. */
#define NO_PAIR UINT_MAX

/* By how much longer a thread may sleep, in nanoseconds, each time in a row
 * that its relays had nothing to do.  The same as in OVS. */
#define SLEEP_STEP 1000

/* What the calling thread's relays did since it last asked for sleep. */
static __thread bool busy;
static __thread uint64_t sleep_limit = UINT64_MAX;

/* Adds to a counter that only the calling thread writes. */
static inline void
count(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t value;

    atomic_read_relaxed(counter, &value);
    atomic_store_relaxed(counter, value + n);
}

static inline void
count_packets(struct vdpa_counter *counter, uint64_t packets, uint64_t bytes)
{
    count(&counter->packets, packets);
    count(&counter->bytes, bytes);
}

static uint64_t
sum_bytes(struct rte_mbuf *const *pkts, unsigned int n)
{
    uint64_t bytes = 0;

    for (unsigned int i = 0; i < n; i++) {
        bytes += pkts[i]->pkt_len;
    }
    return bytes;
}

static inline bool
burst_is_empty(const struct vdpa_burst *burst)
{
    return !burst->n;
}

/* Makes the 'n' packets that were put into 'burst->pkts' wait to be sent. */
static inline void
burst_fill(struct vdpa_burst *burst, unsigned int n, uint64_t bytes)
{
    burst->first = 0;
    burst->n = n;
    burst->bytes = bytes;
    burst->since = 0;
}

/* Drops what is in 'burst' and returns the number of packets. */
static unsigned int
burst_drop(struct vdpa_burst *burst)
{
    unsigned int n = burst->n - burst->first;

    rte_pktmbuf_free_bulk(burst->pkts + burst->first, n);
    burst->n = burst->first = 0;
    return n;
}

/* Takes the first 'n' packets out of 'burst', that were sent, and counts them
 * in 'counter', unless that is NULL.  Packets that are left and have been
 * waiting too long are dropped and counted in 'drops'.  Returns true if
 * anything changed. */
static inline bool
burst_advance(struct vdpa_burst *burst, unsigned int n,
              struct vdpa_counter *counter, atomic_uint64_t *drops)
{
    uint64_t bytes_left, now;

    if (OVS_LIKELY(burst->first + n == burst->n)) {
        if (counter) {
            count_packets(counter, n, burst->bytes);
        }
        burst->n = burst->first = 0;
        return true;
    }

    now = rte_get_tsc_cycles();
    if (n) {
        burst->first += n;
        bytes_left = sum_bytes(burst->pkts + burst->first,
                               burst->n - burst->first);
        if (counter) {
            count_packets(counter, n, burst->bytes - bytes_left);
        }
        burst->bytes = bytes_left;
        burst->since = now;
        return true;
    }

    if (!burst->since) {
        burst->since = now;
    } else if (now - burst->since > rte_get_tsc_hz() / 1000
                                    * VDPA_RELAY_PATIENCE) {
        n = burst_drop(burst);
        count(drops, n);
        COVERAGE_ADD(vdpa_no_room_drop, n);
        return true;
    }
    return false;
}

/* Has the VF's driver prepare the 'n' packets in 'pkts', those without
 * requests too: some drivers look there for what their NIC would stop at, for
 * example too many segments.  Drops those that it refuses, and returns the
 * number of those that are left. */
static unsigned int
vf_prepare(const struct vdpa_vf *vf, uint16_t queue, struct rte_mbuf **pkts,
           unsigned int n)
{
    unsigned int done = 0;

    while (done < n) {
        done += rte_eth_tx_prepare(vf->port_id, queue, pkts + done, n - done);
        if (done < n) {
            rte_pktmbuf_free(pkts[done]);
            n--;
            memmove(&pkts[done], &pkts[done + 1],
                    (n - done) * sizeof *pkts);
        }
    }
    return n;
}

/* If the guest has just moved here, but does not say so to the network, stores
 * a packet that does it for the guest into '*pkt' and returns 1. */
static unsigned int
announce(struct vdpa_relay *relay, struct rte_mbuf **pkt)
{
    struct vdpa_vhost *vhost = relay->vhost;
    struct rte_ether_addr mac;
    bool wanted;

    atomic_read_relaxed(&vhost->announce, &wanted);
    if (OVS_LIKELY(!wanted)
        || !atomic_compare_exchange_strong(&vhost->announce, &wanted, false)) {
        return 0;
    }
    memcpy(&mac, vhost->announce_mac, sizeof mac);
    *pkt = rte_net_make_rarp_packet(relay->vf->pool, &mac);
    return *pkt != NULL;
}

/* Takes a burst of packets that the guest sends on queue pair 'pair' into
 * 'q->to_vf'.  Returns the number of packets that there were. */
static unsigned int
receive_from_guest(struct vdpa_relay *relay, unsigned int pair)
{
    struct vdpa_relay_queue *q = &relay->queues[pair];
    struct rte_mbuf **pkts = q->to_vf.pkts;
    struct vdpa_vf *vf = relay->vf;
    unsigned int n, n_ok = 0;
    uint64_t bytes = 0;

    n = announce(relay, pkts);
    if (OVS_LIKELY(!n)) {
        n = vdpa_virtq_receive(&relay->vhost->virtqs[pair * 2 + 1], vf->pool,
                               vf->linear, pkts, VDPA_RELAY_BURST);
        if (!n) {
            return 0;
        }
    }

    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];
        bool ok = vdpa_requests_from_guest(pkt, &vf->limits);

        bytes += pkt->pkt_len;
        if (OVS_LIKELY(ok)) {
            pkts[n_ok++] = pkt;
        } else {
            rte_pktmbuf_free(pkt);
        }
    }
    count_packets(&q->vm_rx, n, bytes);
    n_ok = vf_prepare(vf, pair, pkts, n_ok);
    if (OVS_UNLIKELY(n_ok < n)) {
        COVERAGE_ADD(vdpa_guest_tx_refused, n - n_ok);
        count(&q->vf_tx_drops, n - n_ok);
        bytes = sum_bytes(pkts, n_ok);
    }
    burst_fill(&q->to_vf, n_ok, bytes);
    return n;
}

/* Moves a burst of packets from queue pair 'pair' of the guest of 'conn', or
 * of none if that is NULL, to the VF.  Returns true if anything moved.  Sets
 * '*morep' to true if it was a full burst, so that there is likely more. */
static bool
guest_to_vf(struct vdpa_relay *relay, const struct vdpa_vhost_conn *conn,
            unsigned int pair, bool *morep)
{
    struct vdpa_relay_queue *q = &relay->queues[pair];
    struct vdpa_burst *burst = &q->to_vf;
    unsigned int n;

    if (OVS_LIKELY(burst_is_empty(burst))) {
        if (!conn || !(conn->tx_enabled & (UINT32_C(1) << pair))) {
            return false;
        }
        n = receive_from_guest(relay, pair);
        if (burst_is_empty(burst)) {
            return n > 0;
        }
    }

    n = rte_eth_tx_burst(relay->vf->port_id, pair,
                         burst->pkts + burst->first, burst->n - burst->first);
    *morep |= n == VDPA_RELAY_BURST;
    return burst_advance(burst, n, &q->vf_tx, &q->vf_tx_drops);
}

/* Takes a burst of packets that receive queue 'queue' of the VF has into
 * 'q->to_guest', for the guest of 'conn'.  Returns the number of packets that
 * there were. */
static unsigned int
receive_from_vf(struct vdpa_relay *relay, const struct vdpa_vhost_conn *conn,
                unsigned int queue)
{
    struct vdpa_relay_queue *q = &relay->queues[queue];
    struct rte_mbuf **pkts = q->to_guest.pkts;
    unsigned int n, n_ok = 0;
    uint64_t bytes = 0;

    n = rte_eth_rx_burst(relay->vf->port_id, queue, pkts, VDPA_RELAY_BURST);
    if (!n) {
        return 0;
    }

    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *pkt = pkts[i];

        bytes += pkt->pkt_len;
        if (OVS_LIKELY(vdpa_requests_to_guest(pkt, conn->features))) {
            pkts[n_ok++] = pkt;
        } else {
            rte_pktmbuf_free(pkt);
        }
    }
    count_packets(&q->vf_rx, n, bytes);
    if (OVS_UNLIKELY(n_ok < n)) {
        COVERAGE_ADD(vdpa_guest_rx_refused, n - n_ok);
        count(&q->vm_tx_drops, n - n_ok);
        bytes = sum_bytes(pkts, n_ok);
    }
    burst_fill(&q->to_guest, n_ok, bytes);
    q->to_guest.serial = conn->serial;
    return n;
}

/* Counts 'n' packets as dropped, since there is no guest that could take
 * them. */
static void
count_no_guest(struct vdpa_relay_queue *q, unsigned int n)
{
    count(&q->vm_tx_drops, n);
    COVERAGE_ADD(vdpa_no_guest_drop, n);
}

/* Drops what receive queue 'queue' of the VF has, since there is no guest that
 * could take it, and what the last guest did not take. */
static void
drop_from_vf(struct vdpa_relay *relay, unsigned int queue)
{
    struct vdpa_relay_queue *q = &relay->queues[queue];
    struct rte_mbuf *pkts[VDPA_RELAY_BURST];
    unsigned int n, n_old;

    n_old = burst_drop(&q->to_guest);
    n = rte_eth_rx_burst(relay->vf->port_id, queue, pkts, VDPA_RELAY_BURST);
    if (n || n_old) {
        count_packets(&q->vf_rx, n, sum_bytes(pkts, n));
        rte_pktmbuf_free_bulk(pkts, n);
        count_no_guest(q, n + n_old);
    }
}

/* The part of choose_pair() for a queue pair that the guest did not enable. */
static unsigned int
choose_pair__(uint32_t enabled, unsigned int queue, unsigned int n_rxq)
{
    uint32_t share = 0;
    unsigned int n;

    if (!enabled) {
        return NO_PAIR;
    }
    for (unsigned int i = queue % n_rxq; i < VDPA_MAX_QUEUES; i += n_rxq) {
        share |= UINT32_C(1) << i;
    }
    if (enabled & share) {
        enabled &= share;
    }
    for (n = queue % count_1bits(enabled); n; n--) {
        enabled = zero_rightmost_1bit(enabled);
    }
    return raw_ctz(enabled);
}

/* Returns the queue pair of the guest of 'conn' whose virtqueue is to have
 * what is meant for 'queue': that itself if the guest enabled it, otherwise
 * one of the same share if possible, or any.  Returns NO_PAIR if the guest
 * takes nothing. */
static inline unsigned int
choose_pair(const struct vdpa_vhost_conn *conn, unsigned int queue,
            unsigned int n_rxq)
{
    return (OVS_LIKELY(conn->rx_enabled & (UINT32_C(1) << queue)) ? queue
            : choose_pair__(conn->rx_enabled, queue, n_rxq));
}

/* Passes what is in 'burst', that belongs to queue pair 'queue', to the guest
 * on 'pair': at once if both are of the same share, otherwise by way of the
 * thread that has 'pair'.  Returns true if anything moved.  Sets '*morep' to
 * true if it was a full burst. */
static inline bool
burst_to_guest(struct vdpa_relay *relay, struct vdpa_burst *burst,
               unsigned int queue, unsigned int pair, unsigned int n_rxq,
               bool *morep)
{
    struct vdpa_relay_queue *q = &relay->queues[pair];
    unsigned int n_dropped = 0;
    uint64_t bytes_dropped = 0;
    unsigned int n;

    if (OVS_UNLIKELY(pair % n_rxq != queue % n_rxq)) {
        n = rte_ring_mp_enqueue_burst(q->handover,
                                      (void **) &burst->pkts[burst->first],
                                      burst->n - burst->first, NULL);
        COVERAGE_ADD(vdpa_handed_over, n);
        return burst_advance(burst, n, NULL,
                             &relay->queues[queue].vm_tx_drops);
    }

    n = vdpa_virtq_send(&relay->vhost->virtqs[pair * 2],
                        burst->pkts + burst->first, burst->n - burst->first,
                        &n_dropped, &bytes_dropped);
    rte_pktmbuf_free_bulk(burst->pkts + burst->first, n);
    *morep |= n == VDPA_RELAY_BURST;
    if (OVS_UNLIKELY(n_dropped)) {
        count_packets(&q->vm_tx, -(uint64_t) n_dropped, -bytes_dropped);
        count(&q->vm_tx_drops, n_dropped);
    }
    return burst_advance(burst, n, &q->vm_tx, &q->vm_tx_drops);
}

/* Moves a burst of packets from receive queue 'queue' of the VF to the guest
 * of 'conn', which is NULL if there is none.  Returns true if anything moved.
 * Sets '*morep' to true if it was a full burst, so that there is likely
 * more. */
static bool
vf_to_guest(struct vdpa_relay *relay, const struct vdpa_vhost_conn *conn,
            unsigned int queue, unsigned int n_rxq, bool *morep)
{
    struct vdpa_relay_queue *q = &relay->queues[queue];
    struct vdpa_burst *burst = &q->to_guest;
    unsigned int pair;

    if (OVS_UNLIKELY(conn && conn->paused)) {
        return false;
    }
    pair = conn ? choose_pair(conn, queue, n_rxq) : NO_PAIR;
    if (OVS_UNLIKELY(pair == NO_PAIR || (!burst_is_empty(burst)
                                         && burst->serial != conn->serial))) {
        /* Nothing that the thread should stay awake for. */
        drop_from_vf(relay, queue);
        return false;
    }
    if (OVS_LIKELY(burst_is_empty(burst))) {
        unsigned int n = receive_from_vf(relay, conn, queue);

        if (burst_is_empty(burst)) {
            return n > 0;
        }
    }
    return burst_to_guest(relay, burst, queue, pair, n_rxq, morep);
}

/* Drops all that queue pair 'q' was handed over. */
static void
drop_handed_over(struct vdpa_relay_queue *q)
{
    unsigned int n_dropped = burst_drop(&q->handed_over);
    struct rte_mbuf *pkts[VDPA_RELAY_BURST];
    unsigned int n;

    do {
        n = rte_ring_sc_dequeue_burst(q->handover, (void **) pkts,
                                      VDPA_RELAY_BURST, NULL);
        rte_pktmbuf_free_bulk(pkts, n);
        n_dropped += n;
    } while (n);
    if (n_dropped) {
        count_no_guest(q, n_dropped);
    }
}

/* Moves a burst of packets that queue pair 'pair' was handed over to the guest
 * of 'conn'.  Returns true if anything moved. */
static bool
handover_to_guest(struct vdpa_relay *relay, const struct vdpa_vhost_conn *conn,
                  unsigned int pair, unsigned int n_rxq)
{
    struct vdpa_relay_queue *q = &relay->queues[pair];
    struct vdpa_burst *burst = &q->handed_over;
    unsigned int to;
    bool more;

    if (conn && conn->paused) {
        return false;
    }
    to = conn ? choose_pair(conn, pair, n_rxq) : NO_PAIR;
    if (to == NO_PAIR || conn->serial != q->handover_serial) {
        /* No thread puts anything there for the last guest any more: all have
         * seen since then that it is gone. */
        q->handover_serial = conn ? conn->serial : 0;
        drop_handed_over(q);
        return false;
    }
    if (burst_is_empty(burst)) {
        unsigned int n;

        n = rte_ring_sc_dequeue_burst(q->handover, (void **) burst->pkts,
                                      VDPA_RELAY_BURST, NULL);
        if (!n) {
            return false;
        }
        burst_fill(burst, n, sum_bytes(burst->pkts, n));
    }
    return burst_to_guest(relay, burst, pair, to, n_rxq, &more);
}

/* Moves a few bursts of packets, in each direction, of each queue pair of
 * 'relay' that receive queue 'rxq' of 'n_rxq' stands for.  Returns true if
 * anything moved. */
bool
vdpa_relay_run(struct vdpa_relay *relay, unsigned int rxq, unsigned int n_rxq)
{
    const struct vdpa_vhost_conn *conn = vdpa_vhost_get_conn(relay->vhost);
    unsigned int serial = conn ? conn->serial : 0;
    bool moved = false;
    bool running;

    atomic_read_relaxed(&relay->vf->running, &running);
    if (OVS_UNLIKELY(!running)) {
        return false;
    }
    for (unsigned int i = rxq; i < relay->vf->n_queues; i += n_rxq) {
        struct vdpa_relay_queue *q = &relay->queues[i];
        bool more = true;

        if (q->handover && OVS_UNLIKELY(!rte_ring_empty(q->handover)
                                        || !burst_is_empty(&q->handed_over)
                                        || q->handover_serial != serial)) {
            moved |= handover_to_guest(relay, conn, i, n_rxq);
        }
        for (int j = 0; more && j < MAX_BURSTS; j++) {
            more = false;
            moved |= guest_to_vf(relay, conn, i, &more);
            moved |= vf_to_guest(relay, conn, i, n_rxq, &more);
        }
    }
    if (moved) {
        busy = true;
    }
    return moved;
}

/* Returns for how long the calling thread, that wants to sleep for 'nsec'
 * nanoseconds, may: not at all if one of its relays moved packets since it
 * last asked, and from then on a little longer each time. */
uint64_t
vdpa_relay_limit_sleep(uint64_t nsec)
{
    if (busy) {
        busy = false;
        sleep_limit = 0;
    } else if (sleep_limit < nsec) {
        sleep_limit += SLEEP_STEP;
    }
    return MIN(nsec, sleep_limit);
}

/* Returns a ring for the packets that a queue pair is handed over. */
static struct rte_ring *
create_handover(const struct vdpa_relay *relay, unsigned int pair)
{
    ssize_t size = rte_ring_get_memsize(VDPA_RELAY_HANDOVER);
    struct rte_ring *ring;
    char name[16];

    ovs_assert(size > 0);
    ring = xmalloc_cacheline(size);
    snprintf(name, sizeof name, "%"PRIu16".%u", relay->vf->port_id, pair);
    ovs_assert(!rte_ring_init(ring, name, VDPA_RELAY_HANDOVER,
                              RING_F_SC_DEQ));
    return ring;
}

/* Opens a relay for the port 'name' between the guest on the vhost-user socket
 * 'socket_path' and the VF that 'devargs' means, with 'max_queues' queue
 * pairs, or as many as the VF has if that is 0, and with an MTU of 'mtu'
 * bytes, and without offering the 'withheld' features.  Calls 'changed_cb'
 * with 'aux' when a guest comes, goes or changes its queues; see
 * vdpa-vhost.h.
 *
 * Returns 0 if successful.  Otherwise returns a positive errno value, stores
 * NULL into '*relayp' and a description, that the caller must free, into
 * '*errorp'. */
int
vdpa_relay_open(const char *name, const char *socket_path,
                const struct vdpa_devargs *devargs, unsigned int max_queues,
                int mtu, uint64_t withheld, void (*changed_cb)(void *aux),
                void *aux, struct vdpa_relay **relayp, char **errorp)
{
    struct vdpa_relay *relay = xzalloc_cacheline(sizeof *relay);
    int error;

    *relayp = NULL;
    relay->spread_works = true;
    error = vdpa_vf_open(devargs, name, max_queues, mtu, changed_cb, aux,
                         &relay->vf, errorp);
    if (!error) {
        const struct vdpa_vf *vf = relay->vf;
        struct vdpa_vhost_config config = {
            .path = socket_path,
            .name = name,
            .max_pairs = vf->n_queues,
            .unsupported_features
                = (vdpa_requests_unsupported_features(vf->limits.tx_offloads)
                   | withheld),
            .changed_cb = changed_cb,
            .aux = aux,
        };

        error = vdpa_vhost_open(&config, &relay->vhost, errorp);
    }
    if (error) {
        vdpa_vf_close(relay->vf);
        free_cacheline(relay);
        return error;
    }
    for (unsigned int i = 0; relay->vf->n_queues > 1
                             && i < relay->vf->n_queues; i++) {
        relay->queues[i].handover = create_handover(relay, i);
    }
    *relayp = relay;
    return 0;
}

/* Closes 'relay'.  No thread may be able to find it any more. */
void
vdpa_relay_close(struct vdpa_relay *relay)
{
    if (relay) {
        vdpa_vhost_close(relay->vhost);
        for (unsigned int i = 0; i < VDPA_MAX_QUEUES; i++) {
            struct vdpa_relay_queue *q = &relay->queues[i];

            burst_drop(&q->to_vf);
            burst_drop(&q->to_guest);
            if (q->handover) {
                drop_handed_over(q);
                free_cacheline(q->handover);
            }
        }
        vdpa_vf_close(relay->vf);
        free_cacheline(relay);
    }
}

/* Does what 'relay' has to do outside the packet path: has the VF spread its
 * packets over the queue pairs that the guest enabled.  Until that is done,
 * and with a VF that cannot be told, packets for a queue pair that is not
 * enabled go to one that is; see choose_pair(). */
void
vdpa_relay_periodic(struct vdpa_relay *relay)
{
    const struct vdpa_vhost_conn *conn = vdpa_vhost_run(relay->vhost);

    vdpa_vhost_warn(relay->vhost);
    if (conn) {
        vdpa_vf_try_promiscuous(relay->vf);
    }
    if (conn && relay->spread_works) {
        int error = vdpa_vf_set_spread(relay->vf, conn->rx_enabled);

        if (error) {
            relay->spread_works = error != EOPNOTSUPP;
            VLOG_INFO_RL(&rl, "%s: device %s cannot be told over which queues "
                         "to spread packets (%s), so some of the guest's "
                         "queues may get more of them", relay->vf->owner,
                         relay->vf->devargs.string, ovs_strerror(error));
        }
    }
}

static uint64_t
read_counter(const atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, counter), &value);
    return value;
}

/* Copies the counters of queue pair 'queue' of 'relay' into '*stats'. */
void
vdpa_relay_get_stats(const struct vdpa_relay *relay, unsigned int queue,
                     struct vdpa_relay_stats *stats)
{
    const struct vdpa_relay_queue *q = &relay->queues[queue];

    stats->vm_rx_packets = read_counter(&q->vm_rx.packets);
    stats->vm_rx_bytes = read_counter(&q->vm_rx.bytes);
    stats->vm_tx_packets = read_counter(&q->vm_tx.packets);
    stats->vm_tx_bytes = read_counter(&q->vm_tx.bytes);
    stats->vf_rx_packets = read_counter(&q->vf_rx.packets);
    stats->vf_rx_bytes = read_counter(&q->vf_rx.bytes);
    stats->vf_tx_packets = read_counter(&q->vf_tx.packets);
    stats->vf_tx_bytes = read_counter(&q->vf_tx.bytes);
    stats->vm_tx_drops = read_counter(&q->vm_tx_drops);
    stats->vf_tx_drops = read_counter(&q->vf_tx_drops);
    stats->vm_tx_errors
        = read_counter(&relay->vhost->virtqs[queue * 2].errors);
    stats->vm_rx_errors
        = read_counter(&relay->vhost->virtqs[queue * 2 + 1].errors);
}
