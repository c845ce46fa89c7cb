/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Virtqueues of guests that mean harm
 * ===================================
 *
 *     test-vdpa-virtq TEST split|packed
 *
 * Puts into a ring what no driver should, or what a driver may but few do, and
 * has the relay's functions work on it.  virtq.at says what the tests are. */

#include <config.h>

#undef NDEBUG
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "random.h"
#include "util.h"
#include "vdpa-virtq.h"
#include "virtq-driver.h"

#define FEATURE(NAME) (UINT64_C(1) << (NAME))
#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define BURST VDPA_VIRTQ_BURST

/* Of the virtio-net header that all of these guests have. */
#define HDR_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)

static struct rte_mempool *pool;

#define CHECK(CONDITION, ...)                                           \
    do {                                                                \
        if (!(CONDITION)) {                                             \
            printf("%s:%d: not true: %s: ", __FILE__, __LINE__,         \
                   #CONDITION);                                         \
            printf(__VA_ARGS__);                                        \
            puts("");                                                   \
            exit(EXIT_FAILURE);                                         \
        }                                                               \
    } while (0)

/* Packets
 * ------- */

/* Returns a packet of 'len' bytes, of which byte i is (seed + i) % 251, in as
 * many segments as it takes. */
static struct rte_mbuf *
make_packet(uint32_t len, uint8_t seed)
{
    struct rte_mbuf *pkt = rte_pktmbuf_alloc(pool);
    uint32_t done = 0;

    CHECK(pkt, "no packet buffer");
    while (done < len) {
        struct rte_mbuf *seg = done ? rte_pktmbuf_alloc(pool) : pkt;
        uint32_t n = MIN(len - done, rte_pktmbuf_tailroom(seg));
        uint8_t *p = rte_pktmbuf_mtod(seg, uint8_t *);

        for (uint32_t i = 0; i < n; i++) {
            p[i] = (seed + done + i) % 251;
        }
        seg->data_len = n;
        if (seg == pkt) {
            seg->pkt_len = n;
        } else {
            seg->pkt_len = n;
            CHECK(!rte_pktmbuf_chain(pkt, seg), "too many segments");
        }
        done += n;
    }
    return pkt;
}

static bool
is_packet(const struct rte_mbuf *pkt, uint32_t len, uint8_t seed)
{
    uint32_t done = 0;

    if (pkt->pkt_len != len) {
        return false;
    }
    for (; pkt; pkt = pkt->next) {
        const uint8_t *p = rte_pktmbuf_mtod(pkt, const uint8_t *);

        for (uint32_t i = 0; i < pkt->data_len; i++, done++) {
            if (p[i] != (seed + done) % 251) {
                return false;
            }
        }
    }
    return true;
}

/* Sends 'n' packets of 'len' bytes to the guest of 'd'.  Returns the number of
 * those that were dealt with, and stores that of those dropped. */
static unsigned int
send_packets(struct driver *d, unsigned int n, uint32_t len,
             unsigned int *n_droppedp)
{
    struct rte_mbuf *pkts[BURST];
    uint64_t bytes = 0;
    unsigned int done;

    for (unsigned int i = 0; i < n; i++) {
        pkts[i] = make_packet(len, i);
    }
    *n_droppedp = 0;
    done = vdpa_virtq_send(&d->vq, pkts, n, n_droppedp, &bytes);
    rte_pktmbuf_free_bulk(pkts, n);
    return done;
}

static unsigned int
receive_packets(struct driver *d, struct rte_mbuf **pkts)
{
    return vdpa_virtq_receive(&d->vq, pool, false, pkts, BURST);
}

/* Has the device use 'n' buffers that the guest sends. */
static void
use_buffers(struct driver *d, unsigned int n)
{
    struct part part = { BUFFERS, HDR_LEN + 60, 0 };
    struct rte_mbuf *pkts[BURST];
    unsigned int id, n_pkts;
    uint32_t len;

    for (unsigned int i = 0; i < n; i++) {
        driver_put(d, i, &part, 1);
    }
    n_pkts = receive_packets(d, pkts);
    CHECK(n_pkts == n, "%u packets of %u", n_pkts, n);
    rte_pktmbuf_free_bulk(pkts, n);
    for (unsigned int i = 0; i < n; i++) {
        CHECK(driver_take_used(d, &id, &len) && id == i, "buffer %u", i);
    }
}

static void
start(struct driver *d)
{
    const char *reason = driver_start(d, d->packed ? 1u << 15 : 0);

    CHECK(!reason, "%s", reason);
}

static uint64_t
errors(struct driver *d)
{
    uint64_t n;

    atomic_read_relaxed(&d->vq.errors, &n);
    return n;
}

/* Work
 * ----
 *
 * However many descriptors a ring has, and the tables in it, a call looks at a
 * bounded number. */

#define MAX_SIZE VDPA_VIRTQ_MAX_SIZE
#define TABLE_SIZE 1023

static void
put_tables(struct driver *d, uint16_t flags)
{
    static struct part parts[TABLE_SIZE];

    for (unsigned int i = 0; i < TABLE_SIZE; i++) {
        parts[i] = (struct part) { BUFFERS, 0, flags };
    }
    driver_put_table(d, 0, TABLES, parts, TABLE_SIZE);
    for (unsigned int i = 1; i < d->size; i++) {
        struct part entry = { TABLES, TABLE_SIZE * sizeof(struct vring_desc),
                              VRING_DESC_F_INDIRECT };

        driver_put(d, i, &entry, 1);
    }
}

static void
put_empty_chains(struct driver *d)
{
    static struct part parts[1000];

    for (unsigned int i = 0; i < 1000; i++) {
        parts[i] = (struct part) { BUFFERS, 0, VRING_DESC_F_WRITE };
    }
    for (unsigned int i = 0; i + 1000 <= d->size; i += 1000) {
        driver_put(d, i, parts, 1000);
    }
}

static void
put_single_bytes(struct driver *d)
{
    struct part part = { BUFFERS, 1, VRING_DESC_F_WRITE };

    for (unsigned int i = 0; i < d->size; i++) {
        driver_put(d, i, &part, 1);
    }
}

static void
put_empty_tables(struct driver *d)
{
    put_tables(d, VRING_DESC_F_WRITE);
}

static void
check_work(struct driver *d, const char *what)
{
    CHECK(d->vq.work < VDPA_VIRTQ_MAX_WORK + 2 * VDPA_VIRTQ_MAX_CHAIN,
          "%s: %u descriptors in one call", what, d->vq.work);
}

static void
test_work(bool packed)
{
    static const struct {
        const char *name;
        void (*put)(struct driver *);
        uint64_t features;
    } rings[] = {
        { "empty tables", put_empty_tables, MERGEABLE },
        { "empty tables, not mergeable", put_empty_tables, 0 },
        { "empty chains", put_empty_chains, MERGEABLE },
        { "empty chains, not mergeable", put_empty_chains, 0 },
        { "single bytes", put_single_bytes, MERGEABLE },
    };
    struct driver d;

    for (size_t i = 0; i < ARRAY_SIZE(rings); i++) {
        driver_init(&d, packed, MAX_SIZE, rings[i].features
                    | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
        rings[i].put(&d);
        start(&d);
        for (unsigned int call = 0; call < 8; call++) {
            uint64_t before = errors(&d);
            unsigned int done, n_dropped;

            done = send_packets(&d, BURST, 9000, &n_dropped);
            printf("%s: %u packets done, %u dropped, %u descriptors\n",
                   rings[i].name, done, n_dropped, d.vq.work);
            check_work(&d, rings[i].name);

            /* It gets on, and is counted. */
            CHECK(n_dropped && n_dropped == done, "%u of %u dropped",
                  n_dropped, done);
            CHECK(errors(&d) == before + n_dropped, "not counted");
            CHECK(!vdpa_virtq_stopped(&d.vq), "%s",
                  vdpa_virtq_stopped(&d.vq));
        }
        driver_destroy(&d);
    }

    /* What the guest sends. */
    driver_init(&d, packed, MAX_SIZE, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
    put_tables(&d, 0);
    start(&d);
    for (unsigned int call = 0; call < 8; call++) {
        uint64_t before = errors(&d);
        struct rte_mbuf *pkts[BURST];

        CHECK(!receive_packets(&d, pkts), "a packet of nothing");
        check_work(&d, "tables to send");
        CHECK(errors(&d) > before, "not counted");
    }
    driver_destroy(&d);
}

/* Large packets
 * -------------
 *
 * What drivers do is not taken for work: a burst of the largest packets there
 * are, in the smallest buffers that virtio allows without a reason to have so
 * many. */

static void
test_large(bool packed)
{
    struct part part = { BUFFERS, 128, VRING_DESC_F_WRITE };
    unsigned int left = 8, done = 0, n_dropped, id;
    struct driver d;
    uint32_t len;

    driver_init(&d, packed, 4096, MERGEABLE);
    start(&d);
    for (unsigned int i = 0; i < d.size; i++) {
        driver_put(&d, i, &part, 1);
    }
    for (unsigned int call = 0; done < left; call++) {
        unsigned int n = send_packets(&d, 1, 65000, &n_dropped);

        CHECK(call < 4 * left, "no packet gets on");
        CHECK(!n_dropped && n == 1, "%u done, %u dropped", n, n_dropped);
        done += n;
        for (uint32_t bytes = 0; bytes < 65000 + HDR_LEN; bytes += len) {
            CHECK(driver_take_used(&d, &id, &len) && len, "it came not whole");
            driver_put(&d, id, &part, 1);
        }
    }
    driver_destroy(&d);
}

/* Interrupts
 * ----------
 *
 * A guest asks to be interrupted when a certain buffer has been used, and is
 * so exactly if that was one of those of the last call. */

static void
check_event(struct driver *d, unsigned int begin, unsigned int moved,
            unsigned int event)
{
    unsigned int cycle = d->packed ? 2 * d->size : 65536;
    unsigned int distance = (event + cycle - begin % cycle) % cycle;
    bool expected = distance < moved;
    unsigned int calls = driver_calls(d);

    CHECK(calls == expected, "%u interrupts, size %u, %u used from %u on, "
          "asked for at %u", calls, d->size, moved, begin, event);
}

/* All sizes of steps from all positions, with each position asked for. */
static void
check_steps(bool packed, unsigned int size)
{
    unsigned int cycle = packed ? 2 * size : 65536;
    unsigned int begin = 0;
    struct driver d;

    driver_init(&d, packed, size, EVENT_IDX);
    start(&d);
    driver_want_call_at(&d, 1);
    use_buffers(&d, 1);
    driver_calls(&d);
    begin = 1;
    for (unsigned int round = 0; round < 2 * size + 1; round++) {
        for (unsigned int moved = 1; moved <= size; moved++) {
            for (unsigned int i = 0; i < 2 * size; i++) {
                unsigned int event = (begin + i) % cycle;

                driver_want_call_at(&d, event);
                use_buffers(&d, moved);
                check_event(&d, begin, moved, event);
                begin = (begin + moved) % cycle;
            }
        }
        /* From another position. */
        driver_want_call_at(&d, begin);
        use_buffers(&d, 1);
        check_event(&d, begin, 1, begin);
        begin = (begin + 1) % cycle;
    }
    driver_destroy(&d);
}

/* What refills the ring while a call goes on: packets of which each has its
 * data in a page of its own, that is a trap. */
static struct {
    struct driver *d;
    uint8_t *pages;
    unsigned int n;
} refill;

static void
refill_ring(void *aux OVS_UNUSED)
{
    struct part part = { BUFFERS, PAGE, VRING_DESC_F_WRITE };
    unsigned int id;
    uint32_t len;

    while (driver_take_used(refill.d, &id, &len)) {
        driver_put(refill.d, id, &part, 1);
    }
    if (++refill.n < BURST) {
        trap_set(refill.pages + refill.n * PAGE, PROT_NONE, refill_ring,
                 NULL);
    }
}

static void
keep_buffer(void *addr OVS_UNUSED, void *aux OVS_UNUSED)
{
}

/* More than a ring, and exactly that often, in one call. */
static void
check_leap(bool packed, unsigned int size, unsigned int moved,
           unsigned int event)
{
    struct part part = { BUFFERS, PAGE, VRING_DESC_F_WRITE };
    struct rte_mbuf_ext_shared_info shared;
    struct rte_mbuf *pkts[BURST];
    unsigned int n_dropped = 0, done;
    uint64_t bytes = 0;
    struct driver d;

    driver_init(&d, packed, size, EVENT_IDX);
    start(&d);
    driver_want_call_at(&d, 0);
    driver_calls(&d);

    refill.d = &d;
    refill.n = 0;
    refill.pages = mmap(NULL, BURST * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(refill.pages != MAP_FAILED, "no memory");
    shared.free_cb = keep_buffer;
    rte_mbuf_ext_refcnt_set(&shared, BURST);
    for (unsigned int i = 0; i < moved; i++) {
        pkts[i] = rte_pktmbuf_alloc(pool);
        rte_pktmbuf_attach_extbuf(pkts[i], refill.pages + i * PAGE,
                                  RTE_BAD_IOVA, PAGE, &shared);
        pkts[i]->data_len = pkts[i]->pkt_len = 60;
    }

    /* The first call is special: one that nobody asked for. */
    for (unsigned int i = 0; i < size; i++) {
        driver_put(&d, i, &part, 1);
    }
    CHECK(send_packets(&d, 1, 60, &n_dropped) == 1, "the first packet");
    driver_calls(&d);

    event += 1;
    driver_want_call_at(&d, event);
    trap_set(refill.pages, PROT_NONE, refill_ring, NULL);
    done = vdpa_virtq_send(&d.vq, pkts, moved, &n_dropped, &bytes);
    trap_clear();
    CHECK(done == moved && !n_dropped, "%u of %u sent", done, moved);
    check_event(&d, 1, moved, event % (packed ? 2 * size : 65536));
    rte_pktmbuf_free_bulk(pkts, moved);
    munmap(refill.pages, BURST * PAGE);
    driver_destroy(&d);
}

static void
test_events(bool packed)
{
    if (packed) {
        check_steps(packed, 1);
        check_steps(packed, 3);
        check_steps(packed, 7);
    }
    check_steps(packed, 2);
    check_steps(packed, 4);
    check_steps(packed, 8);
    /* A split ring's used index moves once per call, so that its driver cannot
     * refill it meanwhile. */
    for (unsigned int moved = 1; packed && moved <= 20; moved++) {
        for (unsigned int event = 0; event < 24; event++) {
            check_leap(packed, 4, moved, event);
            check_leap(packed, 5, moved, event);
        }
    }
}

/* Events that are none: no harm, whether there is an interrupt or not. */
static void
test_event_lies(bool packed)
{
    struct driver d;

    driver_init(&d, packed, 8, EVENT_IDX);
    start(&d);
    driver_calls(&d);
    for (unsigned int i = 0; i < 65536; i++) {
        if (packed) {
            struct vring_packed_desc_event *event = driver_ptr(&d, d.driver);

            event->off_wrap = i;
            event->flags = i % 7 ? VRING_PACKED_EVENT_FLAG_DESC : i;
        } else {
            driver_want_call_at(&d, i * 7);
        }
        use_buffers(&d, 1 + i % 8);
        CHECK(driver_calls(&d) <= 1, "more than one interrupt");
    }
    driver_destroy(&d);
}

/* Taking over
 * -----------
 *
 * The device that served the ring before may have died between using a buffer
 * and the interrupt, so that the guest is interrupted when this one begins.
 * Once, though. */

static void
check_takeover(bool packed, uint64_t features, bool disabled)
{
    bool expected = !disabled;
    struct driver d;

    driver_init(&d, packed, 8, features);
    if (disabled) {
        driver_disable_calls(&d);
        /* With event indexes, a split ring has no way to say so. */
        expected = !packed && features & EVENT_IDX;
    }
    start(&d);
    use_buffers(&d, 3);
    driver_calls(&d);
    vdpa_virtq_stop(&d.vq);

    start(&d);
    CHECK(driver_calls(&d) == expected, "not interrupted once, but wanted %d",
          expected);
    if (features & EVENT_IDX) {
        /* What the guest asks for does not come with what it does not ask
         * for. */
        driver_want_call_at(&d, 5);
        use_buffers(&d, 2);
        CHECK(!driver_calls(&d), "interrupted twice");
        use_buffers(&d, 1);
        CHECK(driver_calls(&d) == 1, "not interrupted when it asked");
    }
    driver_destroy(&d);
}

static void
test_takeover(bool packed)
{
    for (int i = 0; i < 4; i++) {
        check_takeover(packed, i & 1 ? EVENT_IDX : 0, i & 2);
    }
}

/* The log of what was written
 * ---------------------------
 *
 * A hypervisor copies the guest's memory, and then again and again those pages
 * that the log names.  After the last time the copy must be the same.  Once,
 * in the middle of a call, it does so just before a page is touched. */

static struct {
    struct driver *d;
    uint8_t *copies[2];
    uint64_t n;
} migration;

static void
migrate(void *aux OVS_UNUSED)
{
    struct vdpa_guest_memory *memory = &migration.d->memory;

    for (uint64_t page = REGION_0 / PAGE; page < MEMORY_END / PAGE; page++) {
        uint8_t bit = 1u << page % 8;
        unsigned int i = page * PAGE >= REGION_1;
        uint64_t ofs = page * PAGE - memory->regions[i].gpa;

        if (__atomic_fetch_and(&memory->log[page / 8], ~bit, __ATOMIC_SEQ_CST)
            & bit) {
            memcpy(migration.copies[i] + ofs, memory->regions[i].map + ofs,
                   PAGE);
            migration.n++;
        }
    }
}

/* Moves packets, with a step of migration before the page at 'trap' is written
 * to. */
static void
check_log(bool packed, bool receive, uint64_t trap)
{
    struct part hdr_apart[] = { { BUFFERS + 10 * PAGE - 11, 11, 0 },
                                { BUFFERS + 11 * PAGE - 1, 2, 0 },
                                { BUFFERS + 12 * PAGE, 100, 0 } };
    struct rte_mbuf *pkts[BURST];
    unsigned int n_dropped;
    struct driver d;

    driver_init(&d, packed, 512, receive ? 0 : MERGEABLE);
    d.memory.log_size = MEMORY_END / PAGE / 8 + 1;
    d.memory.log = xzalloc(d.memory.log_size);
    migration.d = &d;
    for (int i = 0; i < 2; i++) {
        memcpy(migration.copies[i], d.memory.regions[i].map, REGION_SIZE);
    }
    start(&d);

    /* Each buffer has pages of its own, and what is used is in both pages of a
     * packed ring. */
    for (unsigned int i = 0; i < d.size - 4; i += 4) {
        struct part parts[3];

        memcpy(parts, hdr_apart, sizeof parts);
        for (int j = 0; j < 3; j++) {
            parts[j].gpa += i * 4 * PAGE;
            parts[j].flags = receive ? 0 : VRING_DESC_F_WRITE;
        }
        driver_put(&d, i, parts, 3);
    }
    /* That was the guest, of which somebody else keeps a log. */
    for (int i = 0; i < 2; i++) {
        memcpy(migration.copies[i], d.memory.regions[i].map, REGION_SIZE);
    }

    trap_set(driver_ptr(&d, trap), PROT_READ, migrate, NULL);
    for (unsigned int i = 0; i < 5; i++) {
        if (receive) {
            rte_pktmbuf_free_bulk(pkts, receive_packets(&d, pkts));
        } else {
            CHECK(send_packets(&d, 8, 230, &n_dropped), "nothing was sent");
        }
    }
    trap_clear();
    vdpa_virtq_stop(&d.vq);
    migrate(NULL);
    for (int i = 0; i < 2; i++) {
        for (size_t ofs = 0; ofs < REGION_SIZE; ofs += PAGE) {
            CHECK(!memcmp(migration.copies[i] + ofs,
                          d.memory.regions[i].map + ofs, PAGE),
                  "page at %#"PRIx64" was written to and not logged, with a "
                  "step of migration before %#"PRIx64" was",
                  d.memory.regions[i].gpa + ofs, trap);
        }
    }
    free(d.memory.log);
    driver_destroy(&d);
}

static void
test_log(bool packed)
{
    migration.copies[0] = xmalloc(REGION_SIZE);
    migration.copies[1] = xmalloc(REGION_SIZE);
    for (int receive = 0; receive < 2; receive++) {
        for (unsigned int page = 0; page < 2; page++) {
            check_log(packed, receive, RING_DESC + page * PAGE);
        }
        check_log(packed, receive, RING_DRIVER);
        check_log(packed, receive, RING_DEVICE);
        check_log(packed, receive, RING_DEVICE + PAGE);
        for (unsigned int page = 9; page < 9 + 64; page++) {
            check_log(packed, receive, BUFFERS + page * PAGE);
        }
    }
    CHECK(migration.n > 100, "nothing was logged");
    free(migration.copies[0]);
    free(migration.copies[1]);
}

/* Regions
 * -------
 *
 * What lies in two regions, of a guest that sees no border there, is moved
 * whole; of what lies beyond the last one not a byte. */

static void
check_region_receive(bool packed, bool table, uint32_t before)
{
    struct part part = { REGION_1 - before, HDR_LEN + 300, 0 };
    uint64_t table_gpa = table ? REGION_1 - before / 16 * 16 : TABLES;
    struct part parts[] = { { BUFFERS, HDR_LEN, 0 },
                            { BUFFERS + PAGE, 300, 0 } };
    struct rte_mbuf *pkts[BURST], *pkt = make_packet(300, 7);
    struct driver d;

    driver_init(&d, packed, 8, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
    start(&d);
    driver_write(&d, table ? parts[1].gpa : part.gpa + HDR_LEN,
                 rte_pktmbuf_mtod(pkt, void *), 300);
    if (table) {
        driver_put_table(&d, 0, table_gpa, parts, 2);
    } else {
        driver_put(&d, 0, &part, 1);
    }
    CHECK(receive_packets(&d, pkts) == 1, "not received, %u bytes before the "
          "border", before);
    CHECK(is_packet(pkts[0], 300, 7), "another packet, %u bytes before the "
          "border", before);
    rte_pktmbuf_free(pkts[0]);
    rte_pktmbuf_free(pkt);
    driver_destroy(&d);
}

static void
check_region_send(bool packed, bool mergeable, uint32_t before)
{
    struct part part = { REGION_1 - before, HDR_LEN + 300,
                         VRING_DESC_F_WRITE };
    struct part small = { REGION_1 - before, HDR_LEN + 8,
                          VRING_DESC_F_WRITE };
    uint8_t expected[300], bytes[300];
    struct virtio_net_hdr_mrg_rxbuf hdr;
    unsigned int n_dropped, id;
    struct rte_mbuf *pkt;
    struct driver d;
    uint32_t len;

    driver_init(&d, packed, 8, mergeable ? MERGEABLE : 0);
    start(&d);
    if (mergeable) {
        driver_put(&d, 0, &small, 1);
        part.gpa = BUFFERS;
        driver_put(&d, 1, &part, 1);
    } else {
        driver_put(&d, 0, &part, 1);
    }
    CHECK(send_packets(&d, 1, 300, &n_dropped) == 1 && !n_dropped,
          "not sent, %u bytes before the border", before);
    pkt = make_packet(300, 0);
    memcpy(expected, rte_pktmbuf_mtod(pkt, void *), 300);
    rte_pktmbuf_free(pkt);
    driver_read(&d, REGION_1 - before, &hdr, sizeof hdr);
    CHECK(hdr.num_buffers == (mergeable ? 2 : 1), "%u buffers",
          hdr.num_buffers);
    if (mergeable) {
        driver_read(&d, REGION_1 - before + HDR_LEN, bytes, 8);
        driver_read(&d, BUFFERS, bytes + 8, 292);
    } else {
        driver_read(&d, REGION_1 - before + HDR_LEN, bytes, 300);
    }
    CHECK(!memcmp(expected, bytes, 300), "another packet");
    CHECK(driver_take_used(&d, &id, &len)
          && len == (mergeable ? HDR_LEN + 8 : HDR_LEN + 300), "%u bytes",
          len);
    driver_destroy(&d);
}

static void
check_beyond(bool packed, bool receive, uint64_t gpa, uint32_t len)
{
    struct part part = { gpa, len, receive ? 0 : VRING_DESC_F_WRITE };
    struct rte_mbuf *pkts[BURST];
    unsigned int n_dropped;
    struct driver d;

    driver_init(&d, packed, 8, 0);
    start(&d);
    driver_put(&d, 0, &part, 1);
    if (receive) {
        CHECK(!receive_packets(&d, pkts), "received from %#"PRIx64, gpa);
    } else {
        send_packets(&d, 1, 300, &n_dropped);
    }
    CHECK(vdpa_virtq_stopped(&d.vq), "not stopped by %#"PRIx64, gpa);
    driver_destroy(&d);
}

static void
test_regions(bool packed)
{
    struct driver d;

    for (uint32_t before = 1; before < 320; before++) {
        check_region_receive(packed, false, before);
        check_region_send(packed, false, before);
    }
    for (uint32_t before = 1; before < HDR_LEN + 8; before++) {
        check_region_send(packed, true, before);
    }
    check_region_receive(packed, true, 16);
    for (uint32_t before = 1; before < HDR_LEN + 300; before++) {
        check_beyond(packed, true, MEMORY_END - before, HDR_LEN + 300);
        check_beyond(packed, false, MEMORY_END - before, HDR_LEN + 300);
    }
    check_beyond(packed, true, REGION_0 - 10, HDR_LEN + 300);
    check_beyond(packed, false, REGION_0 - 10, HDR_LEN + 300);
    check_beyond(packed, true, UINT64_MAX - 20, HDR_LEN + 300);
    check_beyond(packed, false, UINT64_MAX - 20, HDR_LEN + 300);

    /* A ring itself has to be in one piece. */
    driver_init(&d, packed, 256, 0);
    d.desc = REGION_1 - 16;
    CHECK(driver_start(&d, 0), "a ring in two regions was started");
    d.desc = RING_DESC;
    d.device = MEMORY_END - 4;
    CHECK(packed == !driver_start(&d, 0), "a ring beyond memory");
    driver_destroy(&d);
}

/* Descriptors that change
 * -----------------------
 *
 * A second thread writes into them, all the time, what may be right, wrong or
 * far away.  Wherever the device looks twice, one time or other it finds what
 * it has not checked; the pages around the regions tell. */

static struct {
    struct driver *d;
    atomic_bool stop;
} flips;

/* Has one descriptor be, in turns, one that is right and one that is not, as
 * fast as can be, for a while. */
static void
flip_one(volatile struct vring_desc *desc, uint32_t random, bool packed)
{
    static const uint64_t gpas[] = {
        REGION_1 - 40, MEMORY_END - 50, MEMORY_END - 2000, REGION_0, 0,
    };
    static const uint32_t lens[] = { 0, 1, 11, 12, 72, 8000, UINT32_MAX };

    for (unsigned int i = 0; i < 2000; i++) {
        switch (random >> 30) {
        case 0:
            desc->addr = i & 1 ? BUFFERS : gpas[random % ARRAY_SIZE(gpas)];
            break;
        case 1:
        case 2:
            desc->len = i & 1 ? 100 : lens[random % ARRAY_SIZE(lens)];
            break;
        default:
            /* In a packed ring's descriptor these are id and flags. */
            if (packed) {
                desc->next ^= 1u << random % 3;
            } else {
                desc->flags ^= 1u << random % 3;
                desc->next = random % 128;
            }
            break;
        }
    }
    desc->addr = BUFFERS;
    desc->len = 100;
}

static void *
flip(void *aux OVS_UNUSED)
{
    struct driver *d = flips.d;
    uint32_t random = 1;
    bool stop = false;

    while (!stop) {
        random = random * 1664525 + 1013904223;
        flip_one(driver_ptr(d, random >> 8 & 1
                            ? TABLES + (random >> 9) % 2 * 16
                            : RING_DESC + (random >> 9) % 16 * 16),
                 random, d->packed);
        atomic_read_relaxed(&flips.stop, &stop);
    }
    return NULL;
}

static void
fill(struct driver *d, bool receive)
{
    struct part part = { BUFFERS, 100, receive ? 0 : VRING_DESC_F_WRITE };
    struct part parts[] = { part, part };

    for (unsigned int i = 0; i + 2 < d->size; i += 2) {
        if (i % 16 == 8) {
            driver_put_table(d, i, TABLES, parts, 2);
        } else {
            driver_put(d, i, parts, i % 4 ? 1 : 2);
        }
    }
}

static void
check_flips(bool packed, bool receive, uint64_t features)
{
    unsigned int stops = 0, calls, packets = 0, n_dropped;
    struct driver d;
    pthread_t thread;

    driver_init(&d, packed, 64,
                features | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
    flips.d = &d;
    atomic_init(&flips.stop, false);
    CHECK(!pthread_create(&thread, NULL, flip, NULL), "no thread");
    /* On a busy machine the other thread may hardly run. */
    for (calls = 0; calls < 100000 || (!(packets && stops)
                                       && calls < 10000000); calls++) {
        struct rte_mbuf *pkts[BURST];
        unsigned int n;

        driver_reset(&d);
        fill(&d, receive);
        start(&d);
        if (receive) {
            n = receive_packets(&d, pkts);
            rte_pktmbuf_free_bulk(pkts, n);
        } else {
            n = (send_packets(&d, 4, features & MERGEABLE ? 200 : 60,
                              &n_dropped) - n_dropped);
        }
        packets += n;
        stops += vdpa_virtq_stopped(&d.vq) != NULL;
    }
    atomic_store(&flips.stop, true);
    pthread_join(thread, NULL);
    printf("%u calls, %u packets, stopped %u times\n", calls, packets, stops);
    CHECK(packets && stops, "too little was tried");
    CHECK(rte_mempool_avail_count(pool) == pool->size, "buffers were lost");
    driver_destroy(&d);
}

static void
test_flips(bool packed)
{
    check_flips(packed, true, 0);
    check_flips(packed, false, 0);
    check_flips(packed, false, MERGEABLE);
}

static const struct {
    const char *name;
    void (*run)(bool packed);
} tests[] = {
    { "work", test_work },
    { "large", test_large },
    { "events", test_events },
    { "event-lies", test_event_lies },
    { "takeover", test_takeover },
    { "log", test_log },
    { "regions", test_regions },
    { "flips", test_flips },
};

int
main(int argc, char *argv[])
{
    char *eal_args[] = {
        argv[0], "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
        "--log-level=error", "-m", "128", "-l", "0", NULL
    };

    set_program_name(argv[0]);
    if (argc != 3 || (strcmp(argv[2], "split") && strcmp(argv[2], "packed"))) {
        fprintf(stderr, "usage: %s TEST split|packed\n", program_name);
        return EXIT_FAILURE;
    }
    CHECK(rte_eal_init(ARRAY_SIZE(eal_args) - 1, eal_args) >= 0, "no EAL");
    pool = rte_pktmbuf_pool_create("test", 4095, 0, 0,
                                   RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    CHECK(pool, "no pool");
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        if (!strcmp(argv[1], tests[i].name)) {
            tests[i].run(!strcmp(argv[2], "packed"));
            return EXIT_SUCCESS;
        }
    }
    fprintf(stderr, "%s: no such test\n", argv[1]);
    return EXIT_FAILURE;
}
