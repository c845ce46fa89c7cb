/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands that send and receive. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nicsim/rule-format.h"
#include "nicsim-frame.h"
#include "nicsim-host.h"

static void
kick(struct function *fn)
{
    uint64_t one = 1;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&fn->bar->kick_wanted, __ATOMIC_RELAXED)
        && write(fn->doorbell, &one, sizeof one) != sizeof one) {
        die("doorbell: %m");
    }
}

/* The flags of a TX descriptor among the words. */
static uint16_t
tx_flags(char **words, int n)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } names[] = {
        { "+ipcsum", NICSIM_TX_IPV4_CSUM }, { "+tcpcsum", NICSIM_TX_TCP_CSUM },
        { "+udpcsum", NICSIM_TX_UDP_CSUM },
        { "+sctpcsum", NICSIM_TX_SCTP_CSUM }, { "+tso", NICSIM_TX_TSO },
        { "+tag", NICSIM_TX_VLAN },
    };
    uint16_t flags = word_value(words, n, "ipv6") ? NICSIM_TX_IPV6 : 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (word_value(words, n, names[i].name)) {
            flags |= names[i].flag;
        }
    }
    return flags;
}

/* Waits until the device has 'n' descriptors of 'ring' at most to send. */
static void
wait_sent(struct ring *ring, uint32_t n)
{
    struct timespec start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (ring->tail - __atomic_load_n(&ring->regs->head, __ATOMIC_ACQUIRE)
           > n) {
        if (passed(&start, TIMEOUT_MS)) {
            die("tx: stuck");
        }
        usleep(100);
    }
}

/* Shows the device what was put into 'ring' of 'fn'. */
void
function_show_tail(struct function *fn, struct ring *ring)
{
    __atomic_store_n(&ring->regs->tail, ring->tail, __ATOMIC_RELEASE);
    kick(fn);
}

/* tx FN [q=N] [count=N] [segs=BYTES] [+ipcsum] [+tcpcsum] [+udpcsum]
 * [+sctpcsum] [+tso=MSS] [+tag=TCI] [l2=N] [l3=N] [l4=N] [noeop]
 * [addr=ADDR | at=OFFSET] FRAME: sends, 'segs' bytes per descriptor, and waits
 * until it is sent.  The frame is put at ADDR, or at OFFSET of the memory, by
 * the descriptors' word only. */
void
cmd_tx(char **words, int n)
{
    static struct frame frame;
    struct function *fn = get_function(words[0]);
    struct ring *ring = &fn->tx[word_number(words, n, "q", 0)];
    uint32_t n_frames = word_number(words, n, "count", 1);
    uint64_t addr = 0;
    uint32_t seg, sport;
    uint8_t *data;

    if (!fn->open || !ring->n) {
        die("no such ring");
    }
    frame_make(&frame, words + 1, n - 1);
    data = take_memory(frame.len);
    memcpy(data, frame.data, frame.len);
    seg = word_number(words, n, "segs", frame.len);
    sport = word_number(words, n, "sport", 1);
    addr = word_number(words, n, "addr", 0);
    if (word_value(words, n, "at")) {
        addr = (uintptr_t) c->mem + word_number(words, n, "at", 0);
    }
    for (uint32_t i = 0; i < n_frames; i++) {
        uint32_t ofs = 0;

        do {
            uint32_t slot = ring->tail & (ring->n - 1);
            struct nicsim_tx_desc *desc = &ring->tx[slot];
            uint32_t len = frame.len - ofs < seg ? frame.len - ofs : seg;

            if (ring->tail + 1 - ring->regs->head > ring->n) {
                function_show_tail(fn, ring);
                wait_sent(ring, ring->n - 1);
            }
            memset(desc, 0, sizeof *desc);
            desc->addr = (addr ? addr : (uintptr_t) data) + ofs;
            desc->len = len;
            if (!ofs) {
                desc->flags = tx_flags(words, n);
                desc->mss = word_number(words, n, "+tso", 0);
                desc->vlan_tci = word_number(words, n, "+tag", 0);
                desc->l2_len = word_number(words, n, "l2", frame.l2_len);
                desc->l3_len = word_number(words, n, "l3", frame.l3_len);
                desc->l4_len = word_number(words, n, "l4", frame.l4_len);
            }
            ofs += len;
            if (ofs == frame.len && !word_value(words, n, "noeop")) {
                desc->flags |= NICSIM_TX_EOP;
            }
            ring->tail++;
        } while (ofs < frame.len);
        if (word_value(words, n, "vary")) {
            /* Another source port for each. */
            data = memcpy(take_memory(frame.len), frame.data, frame.len);
            sport++;
            data[frame.l2_len + frame.l3_len] = sport >> 8;
            data[frame.l2_len + frame.l3_len + 1] = sport;
        }
    }
    function_show_tail(fn, ring);
    if (!word_value(words, n, "noeop")) {
        wait_sent(ring, 0);
    }
}

/* mangle FN count=N [seed=N] FRAME: sends as many frames that are like this
 * one but for some bits, bytes, or their length, and receives nothing. */
void
cmd_mangle(char **words, int n)
{
    static struct frame frame;
    struct function *fn = get_function(words[0]);
    struct ring *ring = &fn->tx[0];
    uint32_t count = word_number(words, n, "count", 1);
    uint8_t *room = take_memory(ring->n * (size_t) BUF_SIZE);

    frame_make(&frame, words + 1, n - 1);
    if (!fn->open || !ring->n || frame.len > BUF_SIZE) {
        die("no such ring, or frame");
    }
    srandom(word_number(words, n, "seed", 1));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = ring->tail & (ring->n - 1);
        struct nicsim_tx_desc *desc = &ring->tx[slot];
        uint8_t *data = room + slot * BUF_SIZE;
        uint32_t len = frame.len;

        if (ring->tail + 1 - ring->regs->head > ring->n) {
            function_show_tail(fn, ring);
            wait_sent(ring, ring->n - 1);
        }
        memcpy(data, frame.data, len);
        for (long j = random() % 4; j >= 0; j--) {
            uint32_t ofs = random() % len;

            if (random() & 1) {
                data[ofs] ^= 1 << random() % 8;
            } else {
                data[ofs] = random();
            }
        }
        if (random() % 4 == 0) {
            len = 14 + random() % (len - 13);
        }
        memset(desc, 0, sizeof *desc);
        desc->addr = (uintptr_t) data;
        desc->len = len;
        desc->flags = NICSIM_TX_EOP;
        ring->tail++;
    }
    function_show_tail(fn, ring);
    wait_sent(ring, 0);
}

/* Returns whether there is a descriptor to take in 'ring'. */
static bool
has_frame(const struct ring *ring)
{
    return ring->n && __atomic_load_n(&ring->regs->head, __ATOMIC_ACQUIRE)
                      != ring->next;
}

/* Takes the next frame of 'fn' to 'data', waiting 'ms' for it: from queue
 * '*queue', or from any if that is -1.  Returns its length, or 0, its first
 * descriptor, the number of descriptors and its queue. */
static uint32_t
take_frame(struct function *fn, int *queue, uint8_t *data,
           struct nicsim_rx_desc *first, int ms, int *n_desc)
{
    struct timespec start;
    struct ring *ring;
    uint32_t len = 0;
    bool any = *queue < 0;
    int q = any ? 0 : *queue;
    bool eop = false;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (!has_frame(&fn->rx[q])) {
        if (passed(&start, ms)) {
            return 0;
        }
        usleep(50);
        q = any ? (q + 1) % NICSIM_MAX_QUEUES : q;
    }
    *queue = q;
    ring = &fn->rx[q];
    *n_desc = 0;
    while (!eop) {
        uint32_t slot = ring->next & (ring->n - 1);
        struct nicsim_rx_desc *desc = &ring->rx[slot];

        if (__atomic_load_n(&ring->regs->head, __ATOMIC_ACQUIRE)
            == ring->next) {
            if (passed(&start, ms)) {
                return 0;
            }
            usleep(100);
            continue;
        }
        if (!(*n_desc)++) {
            *first = *desc;
        }
        memcpy(data + len, ring->bufs + slot * ring->buf_size, desc->len);
        len += desc->len;
        eop = desc->flags & NICSIM_RX_EOP;
        desc->addr = (uintptr_t) ring->bufs + slot * ring->buf_size;
        desc->len = ring->buf_size;
        ring->next++;
        ring->tail++;
        __atomic_store_n(&ring->regs->tail, ring->tail, __ATOMIC_RELEASE);
    }
    return len ? len : UINT32_MAX;
}

/* rx FN [q=N] [count=N] [quiet]: prints the next frames, of queue N or any.
 * With 'quiet' it only says how many came. */
void
cmd_rx(char **words, int n)
{
    static uint8_t data[FRAME_MAX];
    struct function *fn = get_function(words[0]);
    uint32_t n_frames = word_number(words, n, "count", 1);
    bool quiet = word_value(words, n, "quiet");
    uint64_t n_bytes = 0;
    uint32_t i;

    for (i = 0; i < n_frames; i++) {
        struct nicsim_rx_desc desc;
        int q = word_number(words, n, "q", -1);
        int n_desc;
        uint32_t len = take_frame(fn, &q, data, &desc, TIMEOUT_MS, &n_desc);
        char port[16];

        if (!len) {
            break;
        }
        n_bytes += len;
        if (quiet) {
            continue;
        }
        printf("rx %s:", words[0]);
        if (desc.flags & NICSIM_RX_ERROR) {
            printf(" error\n");
            continue;
        }
        rule_format_vport(desc.in_vport, port, sizeof port);
        printf(" from %s len %"PRIu32, port, len);
        if (q) {
            printf(" queue %d", q);
        }
        if (len != desc.frame_len) {
            printf(" but frame_len %"PRIu32, desc.frame_len);
        }
        if (n_desc > 1) {
            printf(" descs %d", n_desc);
        }
        if (desc.flags & NICSIM_RX_HASH) {
            printf(" hash %#"PRIx32, desc.hash);
        }
        if (desc.flags & NICSIM_RX_MARK) {
            printf(" mark %"PRIu32, desc.mark);
        }
        if (desc.flags & NICSIM_RX_META) {
            printf(" meta %"PRIu32, desc.meta);
        }
        printf("%s%s%s%s: ",
               desc.flags & NICSIM_RX_IP_GOOD ? " ip-good" : "",
               desc.flags & NICSIM_RX_IP_BAD ? " ip-bad" : "",
               desc.flags & NICSIM_RX_L4_GOOD ? " l4-good" : "",
               desc.flags & NICSIM_RX_L4_BAD ? " l4-bad" : "");
        frame_print(data, len);
        putchar('\n');
    }
    if (quiet) {
        printf("rx %s: %"PRIu32" frames, %"PRIu64" bytes\n", words[0], i,
               n_bytes);
    } else if (i < n_frames) {
        printf("rx %s: nothing\n", words[0]);
    }
}

/* quiet FN...: nothing comes. */
void
cmd_quiet(char **words, int n)
{
    static uint8_t data[FRAME_MAX];
    struct nicsim_rx_desc desc;
    int n_desc;

    for (int i = 0; i < n; i++) {
        int q = -1;
        uint32_t len = take_frame(get_function(words[i]), &q, data, &desc,
                                  QUIET_MS, &n_desc);

        if (len) {
            printf("%s queue %d is not quiet: ", words[i], q);
            frame_print(data, len);
            putchar('\n');
        }
    }
}

/* badbufs FN [addr=ADDR]: has all receive descriptors point to ADDR, where the
 * device should fault. */
void
cmd_badbufs(char **words, int n)
{
    struct ring *ring = &get_function(words[0])->rx[0];

    for (uint32_t i = 0; i < ring->n; i++) {
        ring->rx[i].addr = word_number(words, n, "addr", 0);
    }
}

/* tail FN tx|rx N: stores a tail, whatever it means. */
void
cmd_tail(char **words, int n)
{
    struct function *fn = get_function(words[0]);
    struct nicsim_ring_regs *regs;

    (void) n;
    regs = !strcmp(words[1], "tx") ? fn->bar->tx : fn->bar->rx;
    __atomic_store_n(&regs->tail, strtoul(words[2], NULL, 0),
                     __ATOMIC_RELEASE);
    kick(fn);
}

/* CPU seconds that process 'pid' has used. */
double
cpu_seconds(int pid)
{
    char path[64];
    unsigned long ticks[2] = { 0, 0 };
    unsigned long long run = 0;
    FILE *file;

    /* In nanoseconds, where the kernel has it. */
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%llu", &run) != 1) {
            run = 0;
        }
        fclose(file);
    }
    if (run) {
        return run / 1e9;
    }
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = must(fopen(path, "r"));
    if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
               "%*u %lu %lu", &ticks[0], &ticks[1]) != 2) {
        ticks[0] = 0;
    }
    fclose(file);
    return (double) (ticks[0] + ticks[1]) / sysconf(_SC_CLK_TCK);
}

/* bench pid=NICSIMD [seconds=N] [size=N] [flows=N]: UDP frames of 'size' bytes
 * from vf0 to as many addresses as there are flows (see "rules"), to be
 * received by vf1, as fast as the device takes them.  Prints to stderr how
 * many it forwarded per second of its own CPU time. */
void
cmd_bench(char **words, int n)
{
    static struct frame frame;
    struct ring *tx = &c->vfs[0].tx[0], *rx = &c->vfs[1].rx[0];
    uint32_t flows = word_number(words, n, "flows", 1);
    uint32_t size = word_number(words, n, "size", 60);
    uint32_t seconds = word_number(words, n, "seconds", 2);
    int pid = word_number(words, n, "pid", 0);
    char len[16];
    char *frame_words[] = { "ipv4", "udp", "to=10.1.0.0", len };
    struct timespec start, now;
    uint64_t n_rx = 0;
    uint32_t flow = 0;
    double cpu;

    snprintf(len, sizeof len, "len=%u", size - 42);
    frame_make(&frame, frame_words, 4);
    for (uint32_t i = 0; i < tx->n; i++) {
        memset(&tx->tx[i], 0, sizeof tx->tx[i]);
        memcpy(tx->bufs + i * tx->buf_size, frame.data, frame.len);
        tx->tx[i].addr = (uintptr_t) tx->bufs + i * tx->buf_size;
        tx->tx[i].len = frame.len;
        tx->tx[i].flags = NICSIM_TX_EOP;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    cpu = cpu_seconds(pid);
    for (uint32_t i = 0;; i++) {
        uint32_t room = tx->n - (tx->tail - __atomic_load_n(&tx->regs->head,
                                                           __ATOMIC_ACQUIRE));
        uint32_t head;

        for (uint32_t j = 0; j < room; j++) {
            uint8_t *data = tx->bufs
                            + ((tx->tail + j) & (tx->n - 1)) * tx->buf_size;
            uint32_t addr = htonl(0x0a010000 + flow);

            /* Scattered, so that no cache helps. */
            flow = (flow + 7919) % flows;
            memcpy(data + 30, &addr, 4);
            data[40] = data[41] = 0;    /* No UDP checksum. */
        }
        tx->tail += room;
        __atomic_store_n(&tx->regs->tail, tx->tail, __ATOMIC_RELEASE);
        kick(&c->vfs[0]);

        head = __atomic_load_n(&rx->regs->head, __ATOMIC_ACQUIRE);
        n_rx += head - rx->next;
        for (; rx->next != head; rx->next++) {
            struct nicsim_rx_desc *desc = &rx->rx[rx->next & (rx->n - 1)];

            desc->addr = (uintptr_t) rx->bufs
                         + (rx->next & (rx->n - 1)) * rx->buf_size;
            desc->len = rx->buf_size;
        }
        rx->tail = rx->next + rx->n;
        __atomic_store_n(&rx->regs->tail, rx->tail, __ATOMIC_RELEASE);
        if (!(i & 255) && passed(&start, seconds * 1000)) {
            break;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    cpu = cpu_seconds(pid) - cpu;
    fprintf(stderr, "%"PRIu32" bytes, %"PRIu32" flows: %.2f Mpps, "
            "%.2f Mpps per second of nicsimd's CPU time\n", size, flows,
            n_rx / 1e6 / seconds, n_rx / 1e6 / cpu);
}
