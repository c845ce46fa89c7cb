/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands for many frames at once, given and told as bytes.
 *
 * The end of a batch is found without waiting for a time: after it goes a
 * *barrier*, a frame with a number of its own that the switch is expected to
 * send to all ports by software.  What has its number is behind all that was
 * sent before, on the way that takes longer. */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nicsim-frame.h"
#include "nicsim-host.h"

#define BARRIER_TYPE  0x88b6
#define BARRIER_MAGIC 0x64696666        /* "diff". */
#define BARRIER_LEN   64
#define BARRIER_MS    30000             /* On a machine that is busy. */
#define MAX_PORTS     16

/* What was received and not told yet: records of a port's index (8 bits), the
 * length (16 bits, in the machine's order) and the frame. */
static uint8_t *taken;
static size_t taken_len, taken_size;
static uint32_t n_taken;

static void
read_exactly(void *data, size_t n)
{
    if (fread(data, 1, n, stdin) != n) {
        die("stdin: frames end too soon");
    }
}

static void
send_to_wire(const uint8_t *data, uint32_t len)
{
    while (send(wire_socket(), data, len, 0) != (ssize_t) len) {
        if (errno != ENOBUFS && errno != EAGAIN) {
            die("wire: %u bytes: %m", len);
        }
        usleep(1000);
    }
}

static void
send_to_ring(struct function *fn, const uint8_t *data, uint32_t len)
{
    struct ring *ring = &fn->tx[0];
    struct nicsim_tx_desc *desc = &ring->tx[ring->tail & (ring->n - 1)];
    uint8_t *buf = ring->bufs
                   + (size_t) (ring->tail & (ring->n - 1)) * ring->buf_size;
    struct timespec start;

    if (len > ring->buf_size) {
        die("a frame of %u bytes", len);
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (ring->tail - __atomic_load_n(&ring->regs->head, __ATOMIC_ACQUIRE)
           == ring->n) {
        if (passed(&start, TIMEOUT_MS)) {
            die("bulk: stuck");
        }
        usleep(50);
    }
    memcpy(buf, data, len);
    memset(desc, 0, sizeof *desc);
    desc->addr = (uintptr_t) buf;
    desc->len = len;
    desc->flags = NICSIM_TX_EOP;
    ring->tail++;
    function_show_tail(fn, ring);
}

/* Sends to 'fn', or to the wire if that is NULL. */
static void
send_frame(struct function *fn, const uint8_t *data, uint32_t len)
{
    if (fn) {
        send_to_ring(fn, data, len);
    } else {
        send_to_wire(data, len);
    }
}

static void
send_barrier(struct function *fn, uint32_t number)
{
    static const uint8_t header[14] = {
        2, 0, 0, 0, 0x5e, 1, 2, 0, 0, 0, 0x5e, 2,
        BARRIER_TYPE >> 8, BARRIER_TYPE & 255,
    };
    uint8_t barrier[BARRIER_LEN] = { 0 };
    uint32_t words[] = { htonl(BARRIER_MAGIC), htonl(number) };

    memcpy(barrier, header, sizeof header);
    memcpy(barrier + sizeof header, words, sizeof words);
    send_frame(fn, barrier, sizeof barrier);
}

/* Keeps the frame of 'len' bytes at 'data', from port 'port', unless it is a
 * barrier, whose number it returns then. */
static uint32_t
keep(uint8_t port, const uint8_t *data, uint16_t len)
{
    uint32_t magic, number;

    if (len >= BARRIER_LEN && data[12] == BARRIER_TYPE >> 8
        && data[13] == (BARRIER_TYPE & 255)) {
        memcpy(&magic, data + 14, 4);
        memcpy(&number, data + 18, 4);
        if (ntohl(magic) == BARRIER_MAGIC) {
            return ntohl(number);
        }
    }
    if (taken_len + 3 + len > taken_size) {
        taken_size = taken_size * 2 + UINT16_MAX + 3;
        taken = must(reallocarray(taken, 1, taken_size));
    }
    taken[taken_len] = port;
    memcpy(taken + taken_len + 1, &len, sizeof len);
    memcpy(taken + taken_len + 3, data, len);
    taken_len += 3 + len;
    n_taken++;
    return 0;
}

/* Takes all frames that have come to 'fn', port 'port'.  Returns true if the
 * barrier 'number' was among them. */
static bool
take_ring(struct function *fn, uint8_t port, uint32_t number)
{
    static uint8_t data[FRAME_MAX];
    struct ring *ring = &fn->rx[0];
    bool seen = false;
    uint32_t head = __atomic_load_n(&ring->regs->head, __ATOMIC_ACQUIRE);
    uint32_t len = 0;

    if (head == ring->next) {
        return false;
    }
    while (ring->next != head) {
        uint32_t slot = ring->next & (ring->n - 1);
        struct nicsim_rx_desc *desc = &ring->rx[slot];
        uint8_t *buf = ring->bufs + (size_t) slot * ring->buf_size;

        /* The device publishes whole frames only. */
        memcpy(data + len, buf, desc->len);
        len += desc->len;
        if (desc->flags & NICSIM_RX_EOP) {
            if (desc->flags & NICSIM_RX_ERROR) {
                die("rx: DMA fault");
            }
            seen |= keep(port, data, len) == number;
            len = 0;
        }
        desc->addr = (uintptr_t) buf;
        desc->len = ring->buf_size;
        ring->next++;
        ring->tail++;
    }
    __atomic_store_n(&ring->regs->tail, ring->tail, __ATOMIC_RELEASE);
    return seen;
}

/* The same for the wire's far end, where the kernel takes off a tag that it
 * tells of beside the frame. */
static bool
take_wire(uint8_t port, uint32_t number)
{
    static uint8_t data[FRAME_MAX];
    bool seen = false;

    for (;;) {
        char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct sockaddr_ll sll;
        struct iovec iov = { .iov_base = data + 4,
                             .iov_len = sizeof data - 4 };
        struct msghdr mh = {
            .msg_name = &sll, .msg_namelen = sizeof sll,
            .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = control, .msg_controllen = sizeof control,
        };
        ssize_t len = recvmsg(wire_socket(), &mh, MSG_DONTWAIT);
        uint8_t *frame = data + 4;
        struct cmsghdr *cmsg;

        if (len < 0) {
            return seen;
        }
        if (sll.sll_pkttype == PACKET_OUTGOING) {
            continue;
        }
        for (cmsg = CMSG_FIRSTHDR(&mh); cmsg; cmsg = CMSG_NXTHDR(&mh, cmsg)) {
            struct tpacket_auxdata aux;
            uint16_t tag[2];

            if (cmsg->cmsg_level != SOL_PACKET
                || cmsg->cmsg_type != PACKET_AUXDATA) {
                continue;
            }
            memcpy(&aux, CMSG_DATA(cmsg), sizeof aux);
            if (aux.tp_status & TP_STATUS_VLAN_VALID) {
                memmove(data, frame, 12);
                tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID
                               ? aux.tp_vlan_tpid : 0x8100);
                tag[1] = htons(aux.tp_vlan_tci);
                memcpy(data + 12, tag, sizeof tag);
                frame = data;
                len += 4;
            }
        }
        seen |= keep(port, frame, len) == number;
    }
}

/* Takes what comes to the 'n' ports that 'words' name until the barrier
 * 'number' has come to each, for 'ms' milliseconds at most.  Returns to how
 * many it has come. */
static int
await_barrier(uint32_t number, int ms, char **words, int n)
{
    bool seen[MAX_PORTS] = { false };
    struct timespec start;
    int n_seen = 0;

    clock_gettime(CLOCK_MONOTONIC, &start);
    if (n > MAX_PORTS) {
        die("too many ports");
    }
    for (;;) {
        bool late = passed(&start, ms);

        for (int i = 0; i < n; i++) {
            if ((!strcmp(words[i], "wire")
                 ? take_wire(i, number)
                 : take_ring(get_function(words[i]), i, number))
                && !seen[i]) {
                seen[i] = true;
                n_seen++;
            }
        }
        if (n_seen == n || late) {
            return n_seen;
        }
        usleep(50);
    }
}

/* bulk FN|wire BYTES BARRIER [FN|wire...]: sends the frames in the BYTES that
 * follow the line, each behind its length (16 bits, in the machine's order),
 * and then the barrier of that number.  If ports are named, each frame is
 * followed by a barrier of its own, of the numbers before, that is waited for
 * there, so that it is alone in the switch. */
void
cmd_bulk(char **words, int n)
{
    struct function *fn = strcmp(words[0], "wire") ? get_function(words[0])
                                                   : NULL;
    uint32_t left = strtoul(words[1], NULL, 0);
    uint32_t number = n > 2 ? strtoul(words[2], NULL, 0) : 0;
    uint32_t own = number - left;       /* More than there are frames. */

    if (fn && (!fn->open || !fn->tx[0].n)) {
        die("%s: no such ring", words[0]);
    }
    while (left) {
        static uint8_t data[UINT16_MAX];
        uint16_t len;

        read_exactly(&len, sizeof len);
        read_exactly(data, len);
        if (left < sizeof len + len) {
            die("bulk: lengths do not fit");
        }
        left -= sizeof len + len;
        send_frame(fn, data, len);
        if (n > 3) {
            send_barrier(fn, own);
            if (await_barrier(own++, BARRIER_MS, words + 3, n - 3) < n - 3) {
                die("bulk: the barrier behind a frame got lost");
            }
        }
    }
    send_barrier(fn, number);
}

/* drain MS BARRIER FN|wire...: takes what comes to the ports until the barrier
 * of that number has come to each, for MS milliseconds at most.  Prints
 *
 *     drain FRAMES BYTES BARRIERS
 *
 * and then so many bytes: see 'taken'. */
void
cmd_drain(char **words, int n)
{
    int n_seen = await_barrier(strtoul(words[1], NULL, 0), atoi(words[0]),
                               words + 2, n - 2);

    printf("drain %u %zu %d\n", n_taken, taken_len, n_seen);
    fwrite(taken, 1, taken_len, stdout);
    taken_len = n_taken = 0;
}

static void
print_port(uint32_t vport)
{
    clear();
    msg.ctl_vport.vport = vport;
    if (request("nic", NICSIM_CTL_VPORT, NULL, 0, NULL)) {
        const struct nicsim_vport_stats *stats = &msg.ctl_vport.stats;

        printf(" %llu/%llu/%llu", (unsigned long long) stats->in.packets,
               (unsigned long long) stats->by_rule.packets,
               (unsigned long long) stats->out_dropped);
    }
}

/* nic VPORT...: prints how many rules the NIC has, and how many packets
 * entered by each vport, how many of these rules sent on, and how many that
 * were for this vport found no room. */
void
cmd_nic(char **words, int n)
{
    clear();
    if (!request("nic", NICSIM_CTL_INFO, NULL, 0, NULL)) {
        return;
    }
    printf("nic %llu", (unsigned long long) msg.ctl_info.n_rules);
    for (int i = 0; i < n; i++) {
        print_port(parse_vport(words[i]));
    }
    putchar('\n');
}
