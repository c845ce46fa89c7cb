/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands for vDPA devices.
 *
 * A word like g0 is a guest, which is there as soon as it is named, and
 * outlives connections. */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost_types.h>

#include "nicsim/vdpa-format.h"
#include "nicsim-frame.h"
#include "nicsim-guest.h"
#include "nicsim-host.h"

#define F_AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1 << VRING_PACKED_DESC_F_USED)

static struct guest *guests[8];

/* The guest of that name. */
struct guest *
get_guest(const char *name)
{
    size_t i;

    for (i = 0; guests[i]; i++) {
        if (!strcmp(guests[i]->name, name)) {
            return guests[i];
        }
    }
    return guests[i] = guest_create(name);
}

/* The queue among the words: of queue pair "q=N", or 0. */
static struct queue *
get_vq(struct guest *g, char **words, int n, bool tx)
{
    return &g->queues[2 * word_number(words, n, "q", 0) + tx];
}

/* Requests to the device. */

/* vopen VF [show]: opens the function as vDPA device. */
static bool
open_vdpa(const char *vf)
{
    clear();
    msg.vdpa_info.fn = parse_function(vf);
    return request("vopen", NICSIM_VDPA_OPEN, NULL, 0, NULL);
}

void
cmd_vopen(char **words, int n)
{
    if (open_vdpa(words[0]) && word_value(words, n, "show")) {
        printf("%s: %"PRIu32" queue pairs, features %#"PRIx64", %"PRIu32
               " descriptors, mtu %"PRIu32"\n", words[0],
               msg.vdpa_info.n_queues, msg.vdpa_info.features,
               msg.vdpa_info.max_vq_size, msg.vdpa_info.max_mtu);
    }
}

/* vclose VF. */
void
cmd_vclose(char **words, int n)
{
    (void) n;
    clear();
    msg.vdpa_info.fn = parse_function(words[0]);
    request("vclose", NICSIM_VDPA_CLOSE, NULL, 0, NULL);
}

/* vmem VF GUEST [n=N] [len=BYTES] [fds=N]: the guest's memory; of the first
 * region as many bytes. */
void
cmd_vmem(char **words, int n)
{
    static const uint64_t regions[][2] = {
        { 0, GUEST_LOW },
        { GUEST_HIGH, GUEST_SPLIT - GUEST_HIGH },
        { GUEST_SPLIT, GUEST_MEMORY - GUEST_SPLIT },
    };
    struct guest *g = get_guest(words[1]);
    int fds[] = { g->fd, g->fd, g->fd };

    clear();
    msg.vdpa_mem.fn = parse_function(words[0]);
    msg.vdpa_mem.n = word_number(words, n, "n", 3);
    for (int i = 0; i < 3; i++) {
        msg.vdpa_mem.regions[i].guest_phys = regions[i][0];
        msg.vdpa_mem.regions[i].fd_offset = regions[i][0];
        msg.vdpa_mem.regions[i].len = regions[i][1];
    }
    msg.vdpa_mem.regions[0].len = word_number(words, n, "len", GUEST_LOW);
    request("vmem", NICSIM_VDPA_MEM, fds, word_number(words, n, "fds", 3),
            NULL);
}

/* vring VF GUEST VIRTQUEUE [pos=N] [size=N] [desc=N] [avail=N] [used=N]
 * [notevent]: says where the guest has that virtqueue. */
void
cmd_vring(char **words, int n)
{
    struct guest *g = get_guest(words[1]);
    uint32_t index = atoi(words[2]);
    struct queue *q = &g->queues[index % NICSIM_MAX_VQS];
    int fds[] = { q->kick, q->call };

    clear();
    msg.vdpa_ring.fn = parse_function(words[0]);
    msg.vdpa_ring.queue = index;
    msg.vdpa_ring.flags = (NICSIM_VRING_SETUP | NICSIM_VRING_SET_KICK
                           | NICSIM_VRING_KICK | NICSIM_VRING_SET_CALL
                           | NICSIM_VRING_CALL);
    msg.vdpa_ring.size = word_number(words, n, "size", q->size);
    msg.vdpa_ring.desc = word_number(words, n, "desc", q->desc);
    msg.vdpa_ring.avail = word_number(words, n, "avail", q->avail);
    msg.vdpa_ring.used = word_number(words, n, "used", q->used);
    msg.vdpa_ring.avail_idx = msg.vdpa_ring.used_idx
        = word_number(words, n, "pos",
                      guest_has(g, VIRTIO_F_RING_PACKED) ? 0x8000 : 0);
    if (word_value(words, n, "notevent")) {
        fds[0] = c->sock;
    }
    request("vring", NICSIM_VDPA_RING, fds, 2, NULL);
}

/* vcall VF GUEST VIRTQUEUE [notevent]: gives the device a new call fd; the
 * guest looks at that one from now on, unless it is none. */
void
cmd_vcall(char **words, int n)
{
    struct queue *q = &get_guest(words[1])->queues[atoi(words[2])];
    int fd = c->sock;

    if (!word_value(words, n, "notevent")) {
        q->call = fd = dup(q->call);
    }
    clear();
    msg.vdpa_ring.fn = parse_function(words[0]);
    msg.vdpa_ring.queue = atoi(words[2]);
    msg.vdpa_ring.flags = NICSIM_VRING_SET_CALL | NICSIM_VRING_CALL;
    request("vcall", NICSIM_VDPA_RING, &fd, 1, NULL);
}

/* venable VF VIRTQUEUE 0|1. */
void
cmd_venable(char **words, int n)
{
    (void) n;
    clear();
    msg.vdpa_enable.fn = parse_function(words[0]);
    msg.vdpa_enable.queue = atoi(words[1]);
    msg.vdpa_enable.on = atoi(words[2]);
    request("venable", NICSIM_VDPA_ENABLE, NULL, 0, NULL);
}

/* vstart VF GUEST [features=N]. */
void
cmd_vstart(char **words, int n)
{
    struct guest *g = get_guest(words[1]);

    clear();
    msg.vdpa_state.fn = parse_function(words[0]);
    msg.vdpa_state.features = word_number(words, n, "features", g->features);
    request("vstart", NICSIM_VDPA_START, NULL, 0, NULL);
}

/* vstop VF [positions]. */
void
cmd_vstop(char **words, int n)
{
    clear();
    msg.vdpa_state.fn = parse_function(words[0]);
    if (request("vstop", NICSIM_VDPA_STOP, NULL, 0, NULL)
        && word_value(words, n, "positions")) {
        printf("%s:", words[0]);
        for (int i = 0; i < NICSIM_MAX_VQS; i++) {
            if (msg.vdpa_state.vqs[i].avail_idx) {
                printf(" %d: %#x/%#x", i, msg.vdpa_state.vqs[i].avail_idx,
                       msg.vdpa_state.vqs[i].used_idx);
            }
        }
        putchar('\n');
    }
}

/* vqueue VF VIRTQUEUE [kicks] [calls] [descs=N]: how it is.  'descs' says
 * whether more than N descriptors were read. */
void
cmd_vqueue(char **words, int n)
{
    const struct nicsim_vdpa_queue *vq = &msg.vdpa_queue;

    clear();
    msg.vdpa_queue.fn = parse_function(words[0]);
    msg.vdpa_queue.queue = atoi(words[1]);
    if (!request("vqueue", NICSIM_VDPA_QUEUE, NULL, 0, NULL)) {
        return;
    }
    printf("%s queue %s: %s", words[0], words[1], vdpa_state_name(vq->state));
    if (vq->state == NICSIM_VQ_BROKEN) {
        printf(" by %s", vdpa_error_name(vq->why));
    }
    printf(", %"PRIu64"/%"PRIu64, vq->done.packets, vq->done.bytes);
    for (int i = 0; i < NICSIM_VQ_N_ERRORS; i++) {
        if (vq->errors[i]) {
            printf(" %s %"PRIu64, vdpa_error_name(i), vq->errors[i]);
        }
    }
    if (word_value(words, n, "kicks")) {
        printf(" kicks %"PRIu64, vq->kicks);
    }
    if (word_value(words, n, "calls")) {
        printf(" calls %"PRIu64, vq->calls);
    }
    if (word_value(words, n, "descs")) {
        printf(" descs %s", (vq->descs <= word_number(words, n, "descs", 0)
                             ? "few" : "many"));
    }
    putchar('\n');
}

/* vlog VF GUEST on|off: starts or ends the dirty log. */
void
cmd_vlog(char **words, int n)
{
    struct guest *g = get_guest(words[1]);
    bool on = !strcmp(words[2], "on");
    const size_t size = GUEST_MEMORY / GUEST_PAGE / 8;

    (void) n;
    if (on && !g->log) {
        g->log_fd = memfd_create("nicsim-log", MFD_CLOEXEC);
        /* Not at the file's beginning. */
        if (g->log_fd < 0 || ftruncate(g->log_fd, size + 8 * GUEST_PAGE)) {
            die("%m");
        }
        g->log = must(mmap(NULL, size + GUEST_PAGE, PROT_READ | PROT_WRITE,
                           MAP_SHARED, g->log_fd, 0));
        g->log += 72;
    }
    clear();
    msg.vdpa_log.fn = parse_function(words[0]);
    msg.vdpa_log.fd_offset = 72;
    msg.vdpa_log.len = size;
    request("vlog", NICSIM_VDPA_LOG, &g->log_fd, on ? 1 : 0, NULL);
}

/* Rings. */

static const struct {
    const char *name;
    unsigned int feature;
} features[] = {
    { "packed", VIRTIO_F_RING_PACKED },
    { "event", VIRTIO_RING_F_EVENT_IDX },
    { "indirect", VIRTIO_RING_F_INDIRECT_DESC },
    { "inorder", VIRTIO_F_IN_ORDER },
    { "mrg", VIRTIO_NET_F_MRG_RXBUF },
    { "csum", VIRTIO_NET_F_CSUM },
    { "gcsum", VIRTIO_NET_F_GUEST_CSUM },
    { "tso4", VIRTIO_NET_F_HOST_TSO4 },
    { "tso6", VIRTIO_NET_F_HOST_TSO6 },
    { "ecn", VIRTIO_NET_F_HOST_ECN },
    { "gtso4", VIRTIO_NET_F_GUEST_TSO4 },
    { "gtso6", VIRTIO_NET_F_GUEST_TSO6 },
};

/* The shape of chains that the words say: pieces=N[,N...], indirect; and what
 * is wrong with them, as in struct shape: addr=N dlen=N flip=N next=N head=N
 * table=N used. */
static struct shape
get_shape(char **words, int n, bool write)
{
    const char *pieces = word_value(words, n, write ? "rxpieces" : "pieces");
    struct shape shape = {
        .write = write,
        .indirect = word_value(words, n, "indirect"),
        .addr = word_number(words, n, "addr", 0),
        .len = word_number(words, n, "dlen", -1),
        .flip = word_number(words, n, "flip", 0),
        .next = word_number(words, n, "next", -1),
        .head = word_number(words, n, "head", -1),
        .table_len = word_number(words, n, "table", -1),
        .used = word_value(words, n, "used"),
    };

    while (pieces) {
        shape.pieces[shape.n_pieces++] = atoi(pieces);
        pieces = strchr(pieces, ',');
        pieces = pieces ? pieces + 1 : NULL;
    }
    return shape;
}

/* vfill GUEST [q=N] [count=N] [SHAPE]: makes receive buffers available: all
 * that there is room for, or so many. */
void
cmd_vfill(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, false);
    struct shape shape = get_shape(words, n, true);
    uint32_t count = word_number(words, n, "count", UINT32_MAX);

    for (uint32_t i = 0; i < count; i++) {
        if (!queue_add(g, q, q->buf_size, &shape)) {
            break;
        }
    }
}

/* vrings GUEST [FEATURE...] [pairs=N] [size=N] [buf=BYTES] [txbuf=BYTES]
 * [rxpieces=N,...] [legacy] [nofill]: makes the guest's rings, empty but for
 * receive buffers. */
void
cmd_vrings(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    uint32_t n_pairs = word_number(words, n, "pairs", 1);

    g->features = (word_value(words, n, "legacy") ? 0
                   : VRING_F_BIT(VIRTIO_F_VERSION_1));
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        if (word_value(words, n, features[i].name)) {
            g->features |= VRING_F_BIT(features[i].feature);
        }
    }
    g->header_len = (guest_has(g, VIRTIO_F_VERSION_1)
                     || guest_has(g, VIRTIO_NET_F_MRG_RXBUF)
                     ? sizeof(header) : sizeof(struct virtio_net_hdr));
    for (uint32_t i = 0; i < 2 * n_pairs; i++) {
        struct queue *q = &g->queues[i];

        queue_create(g, q, word_number(words, n, "size", 256),
                     word_number(words, n, i & 1 ? "txbuf" : "buf", 2048));
        queue_want_call(g, q, false);
        if (!(i & 1) && !word_value(words, n, "nofill")) {
            struct shape shape = get_shape(words, n, true);

            while (queue_add(g, q, q->buf_size, &shape)) {
                continue;
            }
        }
    }
}

/* vattach VF GUEST [pos=N]: opens the device and has it serve the rings that
 * the guest has, from the position given, or else from the very first. */
void
cmd_vattach(char **words, int n)
{
    struct guest *g = get_guest(words[1]);
    const char *given = word_value(words, n, "pos");
    char pos[32], index[8];
    char *ring[] = { words[0], words[1], index, pos };

    snprintf(pos, sizeof pos, "%s%s", given ? "pos=" : "", given ? given : "");
    if (!open_vdpa(words[0])) {
        return;
    }
    cmd_vmem(words, 2);
    for (int i = 0; i < NICSIM_MAX_VQS; i++) {
        if (g->queues[i].size) {
            char one[] = "1";
            char *enable[] = { words[0], index, one };

            snprintf(index, sizeof index, "%d", i);
            cmd_vring(ring, 4);
            cmd_venable(enable, 3);
        }
    }
    cmd_vstart(words, 2);
}

/* vup VF GUEST [as for vrings]: vrings and vattach. */
void
cmd_vup(char **words, int n)
{
    cmd_vrings(words + 1, n - 1);
    cmd_vattach(words, 2);
}

/* Waits until the device has given all chains of 'q' back, and takes them.
 * Returns false if it does not. */
static bool
wait_used(struct guest *g, struct queue *q, int ms)
{
    struct timespec start;
    uint32_t len;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (q->first != q->last) {
        if (queue_has_used(g, q)) {
            queue_take_used(g, q, &len);
        } else if (passed(&start, ms)) {
            return false;
        } else {
            usleep(50);
        }
    }
    return true;
}

/* vtx GUEST [q=N] [count=N] [SHAPE] [+csum] [+tso=MSS] [hflags=N] [gso=N]
 * [cstart=N] [coffset=N] [at=ADDR] [jump=N] [cutheader=N] [nowait] FRAME:
 * sends, and waits until the chains come back.  'at' puts the frame elsewhere
 * in the guest's memory, 'jump' adds to the available index afterwards,
 * 'cutheader' leaves so many bytes of the virtio-net header away, in front. */
void
cmd_vtx(char **words, int n)
{
    static struct frame frame;
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, true);
    struct shape shape = get_shape(words, n, false);
    uint32_t count = word_number(words, n, "count", 1);
    uint32_t skip = word_number(words, n, "cutheader", 0);
    uint32_t sport = word_number(words, n, "sport", 1);
    uint16_t added = 0;
    header h = { .flags = 0 };

    frame_make(&frame, words + 1, n - 1);
    if (word_value(words, n, "+csum") || word_value(words, n, "+tso")) {
        h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h.csum_start = frame.l2_len + frame.l3_len;
        h.csum_offset = word_value(words, n, "udp") ? 6 : 16;
    }
    if (h.flags && word_value(words, n, "extlen")) {
        /* The device has to add to this only what it is told to. */
        frame_partial_csum(&frame, h.csum_start, h.csum_offset);
    }
    if (word_value(words, n, "+tso")) {
        h.gso_type = (word_value(words, n, "ipv6") ? VIRTIO_NET_HDR_GSO_TCPV6
                      : VIRTIO_NET_HDR_GSO_TCPV4);
        h.gso_size = word_number(words, n, "+tso", 0);
        h.hdr_len = h.csum_start + frame.l4_len;
    }
    h.flags = word_number(words, n, "hflags", h.flags);
    h.gso_type = word_number(words, n, "gso", h.gso_type);
    h.csum_start = word_number(words, n, "cstart", h.csum_start);
    h.csum_offset = word_number(words, n, "coffset", h.csum_offset);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = word_number(words, n, "at", queue_buffer(q));
        uint8_t *buf;

        if (word_value(words, n, "at")) {
            shape.addr = at;
        } else if (g->header_len + frame.len > q->buf_size) {
            die("vtx: the frame is too long for the buffers");
        }
        buf = guest_at(g, at);
        if (word_value(words, n, "vary")) {
            sport++;
            frame.data[frame.l2_len + frame.l3_len] = sport >> 8;
            frame.data[frame.l2_len + frame.l3_len + 1] = sport;
        }
        memcpy(buf, (uint8_t *) &h + skip, g->header_len - skip);
        memcpy(buf + g->header_len - skip, frame.data, frame.len);
        while (!queue_add(g, q, g->header_len - skip + frame.len, &shape)) {
            queue_kick(g, q, added);
            added = 0;
            if (!wait_used(g, q, TIMEOUT_MS)) {
                printf("vtx: stuck\n");
                return;
            }
        }
        added += guest_has(g, VIRTIO_F_RING_PACKED)
                 ? q->chains[(q->last - 1) % q->size].n : 1;
    }
    if (word_value(words, n, "jump")) {
        struct vring_avail *avail = guest_at(g, q->avail);

        q->avail_idx += word_number(words, n, "jump", 0);
        __atomic_store_n(&avail->idx, q->avail_idx, __ATOMIC_RELEASE);
    }
    queue_kick(g, q, added);
    if (!word_value(words, n, "nowait")
        && !wait_used(g, q, word_number(words, n, "ms", TIMEOUT_MS))) {
        printf("vtx: not used\n");
    }
}

/* Takes the next frame of queue 'q' to 'data', in front of which there is
 * '*h', and gives its buffers to the device again.  Returns its length, or 0,
 * and the number of buffers. */
static uint32_t
take_frame(struct guest *g, struct queue *q, const struct shape *shape,
           uint8_t *data, header *h, int *n_bufs, int ms)
{
    struct timespec start;
    uint32_t total = 0;

    clock_gettime(CLOCK_MONOTONIC, &start);
    *n_bufs = 0;
    do {
        uint32_t len, skip = *n_bufs ? 0 : g->header_len;
        uint8_t *buf;

        while (!queue_has_used(g, q)) {
            if (passed(&start, ms)) {
                return 0;
            }
            usleep(50);
        }
        buf = guest_at(g, queue_take_used(g, q, &len));
        if (!*n_bufs) {
            memset(h, 0, sizeof *h);
            memcpy(h, buf, g->header_len);
            if (len < g->header_len) {
                printf("%s: a buffer with %"PRIu32" bytes\n", g->name, len);
                return 0;
            }
            if (!guest_has(g, VIRTIO_NET_F_MRG_RXBUF)) {
                h->num_buffers = 1;
            }
        }
        memcpy(data + total, buf + skip, len - skip);
        total += len - skip;
        queue_add(g, q, q->buf_size, shape);
        *n_bufs += 1;
    } while (*n_bufs < h->num_buffers);
    return total;
}

/* Prints what 'h' says of the frame, 'data', of 'len' bytes, and completes its
 * checksum if that is asked for, as a guest does. */
static void
print_header(const header *h, uint8_t *data, uint32_t len)
{
    bool tso = h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4
               || h->gso_type == VIRTIO_NET_HDR_GSO_TCPV6;
    uint32_t field = h->csum_start + h->csum_offset;

    if (h->flags == VIRTIO_NET_HDR_F_DATA_VALID && !h->gso_type) {
        printf(" valid");
    } else if (h->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM && tso
               && h->csum_offset == 16 && field + 2 <= len) {
        uint16_t sum = sum16(data + h->csum_start, len - h->csum_start, 0);

        data[field] = ~sum >> 8;
        data[field + 1] = ~sum;
        printf(" tso%d=%d", h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? 4 : 6,
               h->gso_size);
        if (h->hdr_len
            != h->csum_start + (data[h->csum_start + 12] >> 4) * 4) {
            printf(" and a wrong length of headers");
        }
    } else if (h->flags || h->gso_type) {
        printf(" and odd flags");
    }
}

/* vrx GUEST [q=N] [count=N] [quiet] [SHAPE]: prints the next frames.  With
 * 'quiet' it only says how many came. */
void
cmd_vrx(char **words, int n)
{
    static uint8_t data[1 << 17];
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, false);
    struct shape shape = get_shape(words, n, true);
    uint32_t n_frames = word_number(words, n, "count", 1);
    bool quiet = word_value(words, n, "quiet");
    uint64_t n_bytes = 0;
    uint32_t i;

    for (i = 0; i < n_frames; i++) {
        int n_bufs;
        header h;
        uint32_t len = take_frame(g, q, &shape, data, &h, &n_bufs,
                                  TIMEOUT_MS);

        if (!len) {
            break;
        }
        n_bytes += len;
        if (quiet) {
            continue;
        }
        printf("vrx %s: len %"PRIu32, words[0], len);
        if (n_bufs > 1) {
            printf(" bufs %d", n_bufs);
        }
        print_header(&h, data, len);
        printf(": ");
        frame_print(data, len);
        putchar('\n');
    }
    if (quiet) {
        printf("vrx %s: %"PRIu32" frames, %"PRIu64" bytes\n", words[0], i,
               n_bytes);
    } else if (i < n_frames) {
        printf("vrx %s: nothing\n", words[0]);
    }
}

/* vspread GUEST pairs=N count=N: takes so many frames, and says which of the
 * receive queues had some. */
void
cmd_vspread(char **words, int n)
{
    static uint8_t data[1 << 17];
    struct guest *g = get_guest(words[0]);
    struct shape shape = get_shape(words, n, true);
    uint32_t n_pairs = word_number(words, n, "pairs", 1);
    uint32_t left = word_number(words, n, "count", 1);
    uint32_t got[NICSIM_MAX_QUEUES] = { 0 };
    struct timespec start;

    clock_gettime(CLOCK_MONOTONIC, &start);
    while (left && !passed(&start, TIMEOUT_MS)) {
        for (uint32_t i = 0; i < n_pairs; i++) {
            int n_bufs;
            header h;

            while (left && queue_has_used(g, &g->queues[2 * i])
                   && take_frame(g, &g->queues[2 * i], &shape, data, &h,
                                 &n_bufs, TIMEOUT_MS)) {
                got[i]++;
                left--;
            }
        }
        usleep(50);
    }
    printf("vspread %s:", words[0]);
    for (uint32_t i = 0; i < n_pairs; i++) {
        printf(" %s", got[i] ? "some" : "none");
    }
    printf("%s\n", left ? ", but not all" : "");
}

/* vused GUEST [q=N] [tx] [ms=N]: waits until all chains of a queue were given
 * back, and says whether. */
void
cmd_vused(char **words, int n)
{
    struct guest *g = get_guest(words[0]);

    printf("vused %s: %s\n", words[0],
           wait_used(g, get_vq(g, words, n, word_value(words, n, "tx")),
                     word_number(words, n, "ms", TIMEOUT_MS))
           ? "all" : "not all");
}

/* vjump GUEST N [q=N]: adds N to the available index of a receive queue. */
void
cmd_vjump(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, false);
    struct vring_avail *avail = guest_at(g, q->avail);

    q->avail_idx += atoi(words[1]);
    __atomic_store_n(&avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

/* vevent GUEST [q=N] [tx] [off=N] [wrap=N] [index=N]: the guest wants to be
 * interrupted when the device has passed that slot of a packed ring, or that
 * index of a split one. */
void
cmd_vevent(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, word_value(words, n, "tx"));

    while (queue_called(q, 0)) {
        continue;
    }
    if (guest_has(g, VIRTIO_F_RING_PACKED)) {
        struct vring_packed_desc_event *e = guest_at(g, q->avail);

        e->off_wrap = (word_number(words, n, "off", 0)
                       | word_number(words, n, "wrap", 0) << 15);
        __atomic_store_n(&e->flags, VRING_PACKED_EVENT_FLAG_DESC,
                         __ATOMIC_RELEASE);
    } else {
        struct vring_avail *avail = guest_at(g, q->avail);

        avail->ring[q->size] = word_number(words, n, "index", 0);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* vcalls GUEST [q=N] [tx] [ms=N]: waits for an interrupt, and says how many
 * came. */
void
cmd_vcalls(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, word_value(words, n, "tx"));
    struct pollfd pfd = { .fd = q->call, .events = POLLIN };
    uint64_t n_calls = 0;

    if (poll(&pfd, 1, word_number(words, n, "ms", TIMEOUT_MS)) == 1
        && read(q->call, &n_calls, sizeof n_calls) != sizeof n_calls) {
        die("%m");
    }
    printf("vcalls %s: %"PRIu64"\n", words[0], n_calls);
}

/* What vflip's thread writes to. */
struct flipper {
    struct guest *g;
    struct queue *q;
    bool stop;
};

/* Has descriptors be now this, now that: right ones, and all that can be wrong
 * with them. */
static void *
flip(void *flipper_)
{
    static const uint64_t addrs[] = {
        0, 0x9fff0, 0xa0000, GUEST_HIGH, GUEST_SPLIT - 20, GUEST_SPLIT,
        GUEST_MEMORY - 8, GUEST_MEMORY, UINT64_MAX - 8
    };
    static const uint32_t lens[] = {
        0, 1, 11, 12, 26, 64, 1600, 16, 16 * 1024, 70000, UINT32_MAX
    };
    struct flipper *f = flipper_;
    struct guest *g = f->g;
    bool packed = guest_has(g, VIRTIO_F_RING_PACKED);
    uint64_t tables = f->q->tables, bufs = f->q->bufs;
    unsigned int seed = 1;

    while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
        unsigned int where = rand_r(&seed);
        struct vring_desc *ring = guest_at(g, where & 1 ? tables
                                                : f->q->desc);
        struct vring_desc *desc = &ring[(where >> 1) % f->q->size];
        uint16_t *flags = packed ? &desc->next : &desc->flags;

        switch (rand_r(&seed) % 8) {
        case 0:
            desc->addr = addrs[rand_r(&seed)
                               % (sizeof addrs / sizeof addrs[0])];
            break;
        case 1:
            desc->len = lens[rand_r(&seed) % (sizeof lens / sizeof lens[0])];
            break;
        case 2:
            *flags ^= 1 << rand_r(&seed) % 3;
            break;
        case 3:
            *flags ^= F_AVAIL | F_USED;
            break;
        case 4:
            desc->next ^= 1 << rand_r(&seed) % 16;
            break;
        case 5:
            *flags |= VRING_DESC_F_INDIRECT;
            desc->addr = tables;
            desc->len = 16 << rand_r(&seed) % 8;
            break;
        default:
            desc->addr = bufs;
            desc->len = 64;
            break;
        }
    }
    return NULL;
}

/* vflip VF GUEST [q=N] [tx] [rounds=N]: has a second thread change descriptors
 * all the time, while all that can be is made available.  A queue that is
 * broken by it is set up anew.  Says whether one was. */
void
cmd_vflip(char **words, int n)
{
    struct guest *g = get_guest(words[1]);
    bool tx = word_value(words, n, "tx");
    struct queue *q = get_vq(g, words, n, tx);
    uint32_t rounds = word_number(words, n, "rounds", 100);
    char index[8], one[] = "1", zero[] = "0";
    struct flipper f = { .g = g, .q = q };
    struct shape shape = { .write = !tx, .len = -1, .next = -1, .head = -1,
                           .table_len = -1 };
    char *ring[] = { words[0], words[1], index };
    char *enable[] = { words[0], index, one };
    char *disable[] = { words[0], index, zero };
    uint32_t n_broken = 0;
    pthread_t thread;

    snprintf(index, sizeof index, "%d", (int) (q - g->queues));
    if (pthread_create(&thread, NULL, flip, &f)) {
        die("%m");
    }
    /* On a busy machine the threads may take long turns. */
    for (uint32_t i = 0; i < rounds || (!n_broken && i < 100 * rounds); i++) {
        cmd_venable(disable, 3);
        queue_create(g, q, q->size, q->buf_size);
        cmd_vring(ring, 3);
        cmd_venable(enable, 3);
        /* A kick storm, of which the index lies as well. */
        for (int j = 0; j < 20; j++) {
            shape.indirect = guest_has(g, VIRTIO_RING_F_INDIRECT_DESC)
                             && j & 1;
            queue_add(g, q, 64, &shape);
            queue_kick(g, q, 1);
        }
        clear();
        msg.vdpa_queue.fn = parse_function(words[0]);
        msg.vdpa_queue.queue = atoi(index);
        if (!request("vqueue", NICSIM_VDPA_QUEUE, NULL, 0, NULL)) {
            break;
        }
        n_broken += msg.vdpa_queue.state == NICSIM_VQ_BROKEN;
    }
    __atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    printf("vflip %s: %s\n", words[1],
           n_broken ? "broken, and mended" : "never broken");
}

/* vquiet GUEST: nothing comes, in no queue. */
void
cmd_vquiet(char **words, int n)
{
    struct guest *g = get_guest(words[0]);

    (void) n;
    usleep(QUIET_MS * 1000);
    for (int i = 0; i < NICSIM_MAX_VQS; i += 2) {
        if (g->queues[i].size && queue_has_used(g, &g->queues[i])) {
            printf("%s queue %d is not quiet\n", words[0], i / 2);
        }
    }
}

/* vwant GUEST [q=N] [tx] 0|1: whether the guest wants to be interrupted. */
void
cmd_vwant(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, word_value(words, n, "tx"));

    while (queue_called(q, 0)) {
        continue;
    }
    queue_want_call(g, q, atoi(words[n - 1]));
}

/* vwait GUEST [q=N] [tx] [ms=N]: waits for an interrupt. */
void
cmd_vwait(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    struct queue *q = get_vq(g, words, n, word_value(words, n, "tx"));

    printf("vwait %s: %s\n", words[0],
           queue_called(q, word_number(words, n, "ms", TIMEOUT_MS))
           ? "interrupted" : "nothing");
}

/* vcopy GUEST: takes a copy of the memory and clears the dirty log.
 * vdiff GUEST: says which pages differ from the copy but are not in the log,
 * and whether there were any at all. */
void
cmd_vcopy(char **words, int n)
{
    struct guest *g = get_guest(words[0]);

    (void) n;
    g->copy = must(reallocarray(g->copy, 1, GUEST_MEMORY));
    memcpy(g->copy, g->mem, GUEST_MEMORY);
    if (g->log) {
        memset(g->log, 0, GUEST_MEMORY / GUEST_PAGE / 8);
    }
}

void
cmd_vdiff(char **words, int n)
{
    struct guest *g = get_guest(words[0]);
    uint32_t n_written = 0, n_marked = 0;

    for (uint32_t page = 0; page < GUEST_MEMORY / GUEST_PAGE; page++) {
        bool marked = g->log[page / 8] >> page % 8 & 1;

        n_marked += marked;
        if (memcmp(g->mem + (size_t) page * GUEST_PAGE,
                   g->copy + (size_t) page * GUEST_PAGE, GUEST_PAGE)) {
            n_written++;
            if (!marked) {
                printf("vdiff %s: page %#"PRIx32" was written, but not "
                       "logged\n", words[0], page);
            }
        }
    }
    printf("vdiff %s: %s written, %s marked\n", words[0],
           n_written ? "pages" : "nothing", n_marked ? "pages" : "nothing");
    if (word_value(words, n, "exact") && n_marked > n_written + 1) {
        printf("vdiff %s: %"PRIu32" written, %"PRIu32" marked\n", words[0],
               n_written, n_marked);
    }
}

/* vsame GUEST: the memory is as it was when the copy was taken. */
void
cmd_vsame(char **words, int n)
{
    struct guest *g = get_guest(words[0]);

    (void) n;
    printf("vsame %s: %s\n", words[0],
           memcmp(g->mem, g->copy, GUEST_MEMORY) ? "no" : "yes");
}

/* vshrink GUEST [len=BYTES]: makes the file of the memory shorter. */
void
cmd_vshrink(char **words, int n)
{
    if (ftruncate(get_guest(words[0])->fd, word_number(words, n, "len", 0))) {
        die("%m");
    }
}
