/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

/* A guest without a virtual machine
 * =================================
 *
 * To the switch this program is a hypervisor: it serves a vhost-user socket,
 * and drives the virtqueues of a virtio-net device as a guest's driver does.
 * To the machine it is a tap interface, in a network namespace of its own,
 * with all of the kernel's TCP/IP stack behind it.
 *
 * A frame that the kernel transmits is read, with its virtio-net header,
 * straight into a buffer of the transmit ring; a received one is written to
 * the tap straight from the buffers of the receive ring.  So the only copies
 * are the kernel's own, checksum and segmentation requests pass untouched, and
 * no packet is ever parsed.
 *
 * Neither DPDK nor huge pages are needed: DPDK's virtio-user driver would
 * block until the switch connects for the first time, and would translate each
 * header twice.
 *
 * One thread does all, driven by epoll: it sleeps whenever there is nothing to
 * move.  While rings are busy, their call files are switched off. */

#define _GNU_SOURCE 1

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <paths.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "dpdkvdpa-guest-dirty.h"
#include "dpdkvdpa-guest-tap.h"
#include "dpdkvdpa-guest-vhost.h"
#include "dpdkvdpa-guest-virtq.h"

#define PROGRAM "dpdkvdpa-guest"

#define RING_SIZE 512
#define MAX_PAIRS TAP_MAX_QUEUES
#define BURST 64                /* Frames of a ring before others' turn. */

/* The largest frame: 64 kB of IPv6 payload and every header. */
#define BIG_BUFFER (17 * 4096)
#define MRG_BUFFER 4096
#define MAX_IOV (BIG_BUFFER / MRG_BUFFER + 1)

/* Where the guest's memory begins for the guest: not where it does for us, so
 * that nobody can take the one address for the other. */
#define GUEST_PHYS_BASE 0x40000000ULL

#define MIN_MTU 68
#define MAX_MTU 65521

#define BIT(N) (1ULL << (N))

struct counters {
    uint64_t frames;
    uint64_t bytes;
    uint64_t drops;
};

struct pair {
    struct virtq rx, tx;
    int tap_fd;
    bool rx_ready;              /* The receive ring may have something. */
    bool tap_ready;             /* The tap may have something. */
    bool tx_blocked;            /* The transmit ring is full. */

    /* Buffers of a received frame that is not complete yet. */
    struct iovec iov[MAX_IOV];
    uint16_t ids[MAX_IOV];
    int n_iov;
    int n_missing;

    struct counters rx_count, tx_count;
};

struct guest {
    /* Options. */
    const char *socket_path;
    const char *iface;
    const char *netns;
    const char *pidfile;
    const char *log_file;
    int n_pairs;
    int mtu;
    bool has_mac;
    uint8_t mac[6];
    uint64_t wanted;            /* Virtio features. */
    bool detach;

    struct tap tap;
    struct vhost vhost;
    struct vhost_memory mem;
    struct pair pairs[MAX_PAIRS]; /* The first 'n_pairs' count. */
    int active;                 /* Queue pairs in use while started. */
    bool started;               /* The back end has the rings. */
    uint64_t ring_features;     /* That the rings were reset for. */
    int ring_pairs;             /* Pairs that the rings were reset for. */
    struct dirty dirty;
    int epoll_fd;
};

/* What an epoll event is about: a queue pair's number beside it. */
enum event {
    EV_LISTEN,
    EV_CONN,
    EV_TAP,
    EV_RX_CALL,
    EV_TX_CALL,
};

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t want_stats;
static volatile sig_atomic_t want_dirty;

/* Logs a message.  '%m' in it stands for errno. */
static void
say(const char *format, ...)
{
    int error = errno;
    char when[32];
    struct tm tm;
    time_t now = time(NULL);
    va_list args;

    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    fprintf(stderr, "%s %s: ", when, PROGRAM);
    va_start(args, format);
    errno = error;
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
}

static void
handle_signal(int sig)
{
    if (sig == SIGUSR1) {
        want_stats = 1;
    } else if (sig == SIGUSR2) {
        want_dirty = 1;
    } else {
        stopping = 1;
    }
}

static void
log_stats(const struct guest *g)
{
    for (int i = 0; i < g->n_pairs; i++) {
        const struct pair *p = &g->pairs[i];

        say("queue %d: received %"PRIu64" frames, %"PRIu64" bytes, "
            "%"PRIu64" dropped; sent %"PRIu64" frames, %"PRIu64" bytes, "
            "%"PRIu64" dropped; %"PRIu64" bad ring entries", i,
            p->rx_count.frames, p->rx_count.bytes, p->rx_count.drops,
            p->tx_count.frames, p->tx_count.bytes, p->tx_count.drops,
            p->rx.n_bad_used + p->tx.n_bad_used);
    }
}

/* Epoll. */

static int
watch(struct guest *g, int op, int fd, uint32_t events, enum event what,
      int pair)
{
    struct epoll_event ev = {
        .events = events,
        .data.u64 = (uint64_t) what << 32 | (uint32_t) pair,
    };

    return epoll_ctl(g->epoll_fd, op, fd, &ev) ? errno : 0;
}

static void
unwatch(struct guest *g, int fd)
{
    epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Moving frames. */

/* From the kernel to the switch.  Returns true if there may be more to do. */
static bool
pair_transmit(struct guest *g, struct pair *p, int index)
{
    uint32_t used_len;
    int n = 0;
    int id;

    while ((id = virtq_get(&p->tx, &used_len)) >= 0) {
        virtq_put(&p->tx, id);
    }
    if (p->tx_blocked) {
        if (!p->tx.n_free) {
            return virtq_enable_calls(&p->tx);
        }
        p->tx_blocked = false;
        virtq_disable_calls(&p->tx);
        watch(g, EPOLL_CTL_MOD, p->tap_fd, EPOLLIN, EV_TAP, index);
    }

    while (n < BURST) {
        ssize_t len;

        id = virtq_take(&p->tx);
        if (id < 0) {
            p->tx_blocked = true;
            watch(g, EPOLL_CTL_MOD, p->tap_fd, 0, EV_TAP, index);
            virtq_publish(&p->tx);
            return virtq_enable_calls(&p->tx);
        }
        len = read(p->tap_fd, virtq_buffer(&p->tx, id), p->tx.buffer_size);
        if (len <= VNET_HDR_LEN) {
            virtq_put(&p->tx, id);
            p->tx_count.drops += len >= 0;
            break;
        }
        virtq_add(&p->tx, id, len, false);
        p->tx_count.frames++;
        p->tx_count.bytes += len - VNET_HDR_LEN;
        n++;
    }
    virtq_publish(&p->tx);
    return n == BURST;
}

static void
deliver(struct pair *p)
{
    ssize_t n = -1;

    if (p->iov[0].iov_len > VNET_HDR_LEN) {
        n = writev(p->tap_fd, p->iov, p->n_iov);
    }
    if (n > 0) {
        p->rx_count.frames++;
        p->rx_count.bytes += n - VNET_HDR_LEN;
    } else {
        p->rx_count.drops++;
    }
    for (int i = 0; i < p->n_iov; i++) {
        virtq_add(&p->rx, p->ids[i], p->rx.buffer_size, true);
    }
    p->n_iov = 0;
}

/* From the switch to the kernel.  Returns true if there may be more to do. */
static bool
pair_receive(struct guest *g, struct pair *p)
{
    bool mergeable = g->ring_features & BIT(VIRTIO_NET_F_MRG_RXBUF);
    uint32_t len;
    int n = 0;
    int id;

    while (n < BURST && (id = virtq_get(&p->rx, &len)) >= 0) {
        uint8_t *buffer = virtq_buffer(&p->rx, id);

        if (!p->n_iov) {
            const struct virtio_net_hdr_v1 *hdr = (void *) buffer;

            p->n_missing = mergeable ? hdr->num_buffers : 1;
            if (p->n_missing < 1 || p->n_missing > MAX_IOV) {
                p->n_missing = 1;
                len = 0;        /* Have it dropped. */
            }
        }
        p->iov[p->n_iov] = (struct iovec) { buffer, len };
        p->ids[p->n_iov++] = id;
        if (!--p->n_missing) {
            deliver(p);
            n++;
        }
    }
    virtq_publish(&p->rx);
    return n == BURST;
}

/* Connecting and disconnecting. */

static void
reset_rings(struct guest *g)
{
    bool packed = g->vhost.features & BIT(VIRTIO_F_RING_PACKED);
    bool event_idx = g->vhost.features & BIT(VIRTIO_RING_F_EVENT_IDX);

    for (int i = 0; i < g->n_pairs; i++) {
        struct pair *p = &g->pairs[i];
        int id;

        virtq_reset(&p->rx, packed, event_idx);
        virtq_reset(&p->tx, packed, event_idx);
        p->n_iov = 0;
        while ((id = virtq_take(&p->rx)) >= 0) {
            virtq_add(&p->rx, id, p->rx.buffer_size, true);
        }
        virtq_publish(&p->rx);
        virtq_drain_call(&p->rx);
    }
    g->ring_features = g->vhost.features;
    g->ring_pairs = g->active;
}

/* Stores the rings in use in 'rings' and returns their number. */
static int
get_rings(struct guest *g, struct virtq *rings[2 * MAX_PAIRS])
{
    for (int i = 0; i < g->active; i++) {
        rings[2 * i] = &g->pairs[i].rx;
        rings[2 * i + 1] = &g->pairs[i].tx;
    }
    return 2 * g->active;
}

static int
enable_tap(struct guest *g, bool resume)
{
    uint64_t f = g->vhost.features;
    int error;

    error = tap_set_offloads(&g->tap, f & BIT(VIRTIO_NET_F_CSUM),
                             f & BIT(VIRTIO_NET_F_HOST_TSO4),
                             f & BIT(VIRTIO_NET_F_HOST_TSO6),
                             f & BIT(VIRTIO_NET_F_HOST_ECN));
    error = error ? error : tap_set_active(&g->tap, g->active);
    if (!error && !resume) {
        uint8_t scratch[2048];

        /* These ask for what may not be offered any more. */
        tap_discard(&g->tap, scratch, sizeof scratch);
    }
    error = error ? error : tap_set_carrier(&g->tap, true);
    for (int i = 0; !error && i < g->active; i++) {
        struct pair *p = &g->pairs[i];

        p->rx_ready = p->tap_ready = true;
        p->tx_blocked = false;
        error = watch(g, EPOLL_CTL_ADD, p->tap_fd, EPOLLIN, EV_TAP, i);
    }
    return error;
}

/* Brings up the back end that has just connected. */
static int
bring_up(struct guest *g)
{
    struct virtq *rings[2 * MAX_PAIRS];
    const char *step = "negotiation";
    bool resume;
    int error;

    g->active = g->n_pairs;
    error = vhost_negotiate(&g->vhost, g->wanted, &g->active);
    if (!error) {
        int n_rings;

        /* As a guest whose driver does not notice that the switch was away:
         * the rings go on where they were. */
        resume = (g->ring_features == g->vhost.features
                  && g->ring_pairs == g->active);
        if (!resume) {
            reset_rings(g);
        }
        n_rings = get_rings(g, rings);
        step = "start";
        error = vhost_start(&g->vhost, &g->mem, rings, n_rings);
    }
    if (!error) {
        step = "tap";
        error = enable_tap(g, resume);
    }
    if (error) {
        errno = error;
        say("%s: back end refused at %s: %m", g->socket_path, step);
        return error;
    }
    g->started = true;
    say("%s: connected, features %#"PRIx64", %d of %d queue pairs, rings %s",
        g->socket_path, g->vhost.features, g->active, g->n_pairs,
        resume ? "resumed" : "reset");
    return 0;
}

static void
take_down(struct guest *g)
{
    for (int i = 0; i < g->n_pairs; i++) {
        struct pair *p = &g->pairs[i];

        unwatch(g, p->tap_fd);
        p->rx_ready = p->tap_ready = p->tx_blocked = false;
    }
    unwatch(g, g->vhost.conn_fd);
    vhost_disconnect(&g->vhost);
    tap_set_carrier(&g->tap, false);
    watch(g, EPOLL_CTL_ADD, g->vhost.listen_fd, EPOLLIN, EV_LISTEN, 0);
    g->started = false;
    if (g->dirty.on) {
        dirty_end(&g->dirty);
    }
}

static void
handle_connection(struct guest *g)
{
    if (vhost_accept(&g->vhost)) {
        return;
    }

    /* One back end at a time: the next one waits in the listen queue. */
    unwatch(g, g->vhost.listen_fd);
    watch(g, EPOLL_CTL_ADD, g->vhost.conn_fd, EPOLLIN | EPOLLRDHUP,
          EV_CONN, 0);
    if (bring_up(g)) {
        take_down(g);
    }
}

/* The dirty log. */

/* Takes the rings from the back end and says whether all that it wrote is in
 * the log.  Then things go on without a log. */
static int
finish_dirty(struct guest *g, struct virtq *rings[], int n_rings)
{
    struct dirty_result r;
    int n_wrong;
    int error;

    error = vhost_stop(&g->vhost, rings, n_rings, &n_wrong);
    if (!error) {
        dirty_compare(&g->dirty, &g->mem, rings, n_rings, &r);
        say("dirty log: off; %"PRIu64" pages logged, %"PRIu64" changed, "
            "%"PRIu64" missed; %d of %d positions wrong",
            r.logged, r.changed, r.missed, n_wrong, n_rings);
        error = vhost_set_log(&g->vhost, rings, n_rings, -1, 0);
    }
    return error ? error : vhost_start(&g->vhost, &g->mem, rings, n_rings);
}

static void
toggle_dirty(struct guest *g)
{
    struct virtq *rings[2 * MAX_PAIRS];
    int n_rings = get_rings(g, rings);
    int error;

    if (!g->started || !g->vhost.can_log) {
        say("dirty log: there is no back end that can keep one");
        return;
    }
    if (g->dirty.on) {
        error = finish_dirty(g, rings, n_rings);
        dirty_end(&g->dirty);
    } else {
        error = dirty_start(&g->dirty, &g->vhost, &g->mem, rings, n_rings);
        if (!error) {
            say("dirty log: on");
        }
    }
    if (error) {
        errno = error;
        say("%s: back end refused at dirty log: %m", g->socket_path);
        take_down(g);
    }
}

/* The main loop. */

static void
handle_event(struct guest *g, enum event what, unsigned int index)
{
    struct pair *p = &g->pairs[index];

    switch (what) {
    case EV_LISTEN:
        handle_connection(g);
        break;
    case EV_CONN:
        /* No protocol feature that we negotiate lets the back end speak
         * without being asked: it has gone, or lost its way. */
        if (g->started) {
            say("%s: back end has gone", g->socket_path);
            take_down(g);
        }
        break;
    case EV_TAP:
        p->tap_ready = g->started;
        break;
    case EV_RX_CALL:
        virtq_drain_call(&p->rx);
        p->rx_ready = g->started;
        break;
    case EV_TX_CALL:
        virtq_drain_call(&p->tx);
        p->tap_ready = g->started;
        break;
    }
}

/* Moves what there is to move.  Returns true if something is left. */
static bool
move_frames(struct guest *g)
{
    bool more = false;

    for (int i = 0; g->started && i < g->active; i++) {
        struct pair *p = &g->pairs[i];

        if (p->rx_ready) {
            virtq_disable_calls(&p->rx);
            p->rx_ready = pair_receive(g, p) || virtq_enable_calls(&p->rx);
            more |= p->rx_ready;
        }
        if (p->tap_ready) {
            p->tap_ready = pair_transmit(g, p, i);
            more |= p->tap_ready;
        }
    }
    return more;
}

static void
run(struct guest *g, const sigset_t *wait_sigmask)
{
    bool more = false;

    while (!stopping) {
        struct epoll_event events[64];
        int n;

        n = epoll_pwait(g->epoll_fd, events, 64, more ? 0 : -1, wait_sigmask);
        for (int i = 0; i < n; i++) {
            handle_event(g, events[i].data.u64 >> 32,
                         (uint32_t) events[i].data.u64);
        }
        if (want_stats) {
            want_stats = 0;
            log_stats(g);
        }
        if (want_dirty) {
            want_dirty = 0;
            toggle_dirty(g);
        }
        more = move_frames(g);
    }
}

/* Setting up and tearing down. */

static int
create_rings(struct guest *g)
{
    bool mergeable = g->wanted & BIT(VIRTIO_NET_F_MRG_RXBUF);
    uint32_t rx_buffer = mergeable ? MRG_BUFFER : BIG_BUFFER;
    size_t rx_size = virtq_mem_size(RING_SIZE, rx_buffer);
    size_t tx_size = virtq_mem_size(RING_SIZE, BIG_BUFFER);
    uint64_t offset = 0;
    int error = 0;

    g->mem.size = g->n_pairs * (uint64_t) (rx_size + tx_size);
    g->mem.gpa = GUEST_PHYS_BASE;
    g->mem.fd = memfd_create(PROGRAM, MFD_CLOEXEC);
    if (g->mem.fd < 0 || ftruncate(g->mem.fd, g->mem.size)) {
        return errno;
    }
    g->mem.addr = mmap(NULL, g->mem.size, PROT_READ | PROT_WRITE, MAP_SHARED,
                       g->mem.fd, 0);
    if (g->mem.addr == MAP_FAILED) {
        return errno;
    }

    for (int i = 0; !error && i < g->n_pairs; i++) {
        struct pair *p = &g->pairs[i];
        uint8_t *mem = (uint8_t *) g->mem.addr + offset;

        p->tap_fd = g->tap.fds[i];
        error = virtq_init(&p->rx, RING_SIZE, rx_buffer, mem,
                           g->mem.gpa + offset);
        error = error ? error : virtq_init(&p->tx, RING_SIZE, BIG_BUFFER,
                                           mem + rx_size,
                                           g->mem.gpa + offset + rx_size);
        offset += rx_size + tx_size;
        error = error ? error : watch(g, EPOLL_CTL_ADD, p->rx.call_fd,
                                      EPOLLIN, EV_RX_CALL, i);
        error = error ? error : watch(g, EPOLL_CTL_ADD, p->tx.call_fd,
                                      EPOLLIN, EV_TX_CALL, i);
    }
    return error;
}

static int
set_up(struct guest *g, const sigset_t *wait_sigmask)
{
    int error;

    error = tap_open(&g->tap, g->iface, g->netns, g->n_pairs,
                     g->has_mac ? g->mac : NULL, g->mtu);
    if (error) {
        errno = error;
        say("can't create interface %s%s%s: %m", g->iface,
            g->netns ? " in network namespace " : "",
            g->netns ? g->netns : "");
        return error;
    }
    g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    error = g->epoll_fd < 0 ? errno : create_rings(g);
    if (error) {
        errno = error;
        say("can't create rings: %m");
        return error;
    }
    error = vhost_listen(&g->vhost, g->socket_path, wait_sigmask);
    if (error) {
        errno = error;
        say("can't listen on %s: %m", g->socket_path);
        return error;
    }
    return watch(g, EPOLL_CTL_ADD, g->vhost.listen_fd, EPOLLIN, EV_LISTEN, 0);
}

static void
tear_down(struct guest *g)
{
    if (g->started) {
        struct virtq *rings[2 * MAX_PAIRS];
        int n_wrong;
        int error;

        /* The next signal ends the wait for the back end. */
        stopping = 0;
        error = vhost_stop(&g->vhost, rings, get_rings(g, rings), &n_wrong);
        if (error) {
            errno = error;
            say("%s: back end did not let go: %m", g->socket_path);
        } else if (n_wrong) {
            say("%s: back end had %d positions wrong", g->socket_path,
                n_wrong);
        }
    }
    if (g->dirty.on) {
        dirty_end(&g->dirty);
    }
    log_stats(g);
    vhost_unlisten(&g->vhost);
    tap_close(&g->tap);
    for (int i = 0; i < g->n_pairs; i++) {
        virtq_uninit(&g->pairs[i].rx);
        virtq_uninit(&g->pairs[i].tx);
    }
    munmap(g->mem.addr, g->mem.size);
    close(g->mem.fd);
    close(g->epoll_fd);
    if (g->pidfile) {
        unlink(g->pidfile);
    }
}

static int
write_pidfile(const char *path, pid_t pid)
{
    FILE *f = fopen(path, "we");

    if (!f) {
        return errno;
    }
    fprintf(f, "%ld\n", (long int) pid);
    return fclose(f) ? errno : 0;
}

static int
redirect_output(const struct guest *g)
{
    int fd;

    if (g->log_file) {
        fd = open(g->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                  0644);
    } else if (g->detach) {
        fd = open(_PATH_DEVNULL, O_WRONLY | O_CLOEXEC);
    } else {
        return 0;
    }
    if (fd < 0) {
        return errno;
    }
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    return 0;
}

/* Goes on in the background, in a session of its own: the parent has exited
 * when this returns.  Everything that can fail has been done before. */
static int
go_to_background(struct guest *g, pid_t *pid)
{
    int null = open(_PATH_DEVNULL, O_RDONLY | O_CLOEXEC);

    if (null < 0) {
        return errno;
    }
    dup2(null, STDIN_FILENO);
    close(null);
    *pid = fork();
    if (*pid < 0) {
        return errno;
    } else if (*pid > 0) {
        int error = g->pidfile ? write_pidfile(g->pidfile, *pid) : 0;

        if (error) {
            errno = error;
            say("%s: %m", g->pidfile);
            kill(*pid, SIGTERM);
        }
        _exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    setsid();
    return 0;
}

/* Command line. */

static void
usage(void)
{
    printf("%s: a network interface whose other end is a vhost-user socket\n"
           "usage: %s --socket PATH --iface NAME [OPTION]...\n"
           "  --socket PATH     serve vhost-user on this Unix socket\n"
           "  --iface NAME      name of the network interface\n"
           "  --netns NS        network namespace of the interface, by name\n"
           "                    or by path (default: the current one)\n"
           "  --queues N        queue pairs, 1 to %d (default: 1)\n"
           "  --mac MAC         MAC address (default: random)\n"
           "  --mtu N           MTU, %d to %d (default: 1500)\n"
           "  --packed          use packed rings if the switch offers them\n"
           "  --no-csum         no checksum offload, and no segmentation\n"
           "  --no-tso          no TCP segmentation offload\n"
           "  --no-mrg-rxbuf    no mergeable receive buffers\n"
           "  --pidfile FILE    write the process id to FILE\n"
           "  --log-file FILE   write messages to FILE, not to stderr\n"
           "  --detach          go to the background when the socket exists\n"
           "  -h, --help        print this and exit\n"
           "SIGTERM ends it, SIGUSR1 logs its counters, SIGUSR2 turns the "
           "dirty log on,\n"
           "and when it comes again off, and says whether it is complete.\n",
           PROGRAM, PROGRAM, MAX_PAIRS, MIN_MTU, MAX_MTU);
}

static int
parse_number(const char *option, const char *arg, int min, int max)
{
    char *end;
    long int n;

    errno = 0;
    n = strtol(arg, &end, 10);
    if (errno || end == arg || *end || n < min || n > max) {
        say("--%s=%s: a number from %d to %d is wanted", option, arg, min,
            max);
        exit(EXIT_FAILURE);
    }
    return n;
}

static void
parse_mac(const char *arg, uint8_t mac[6])
{
    int end = 0;

    if (sscanf(arg, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
               &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6 || arg[end]
        || mac[0] & 1) {
        say("--mac=%s: not a unicast MAC address", arg);
        exit(EXIT_FAILURE);
    }
}

static void
parse_options(struct guest *g, int argc, char *argv[])
{
    enum {
        OPT_SOCKET = 256, OPT_IFACE, OPT_NETNS, OPT_QUEUES, OPT_MAC, OPT_MTU,
        OPT_PACKED, OPT_NO_CSUM, OPT_NO_TSO, OPT_NO_MRG_RXBUF, OPT_PIDFILE,
        OPT_LOG_FILE, OPT_DETACH,
    };
    static const struct option options[] = {
        { "socket", required_argument, NULL, OPT_SOCKET },
        { "iface", required_argument, NULL, OPT_IFACE },
        { "netns", required_argument, NULL, OPT_NETNS },
        { "queues", required_argument, NULL, OPT_QUEUES },
        { "mac", required_argument, NULL, OPT_MAC },
        { "mtu", required_argument, NULL, OPT_MTU },
        { "packed", no_argument, NULL, OPT_PACKED },
        { "no-csum", no_argument, NULL, OPT_NO_CSUM },
        { "no-tso", no_argument, NULL, OPT_NO_TSO },
        { "no-mrg-rxbuf", no_argument, NULL, OPT_NO_MRG_RXBUF },
        { "pidfile", required_argument, NULL, OPT_PIDFILE },
        { "log-file", required_argument, NULL, OPT_LOG_FILE },
        { "detach", no_argument, NULL, OPT_DETACH },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const uint64_t tso = (BIT(VIRTIO_NET_F_HOST_TSO4)
                          | BIT(VIRTIO_NET_F_HOST_TSO6)
                          | BIT(VIRTIO_NET_F_HOST_ECN)
                          | BIT(VIRTIO_NET_F_GUEST_TSO4)
                          | BIT(VIRTIO_NET_F_GUEST_TSO6)
                          | BIT(VIRTIO_NET_F_GUEST_ECN));
    int c;

    g->n_pairs = 1;
    g->wanted = (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_EVENT_IDX)
                 | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CSUM)
                 | BIT(VIRTIO_NET_F_GUEST_CSUM) | tso);
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case OPT_SOCKET:
            g->socket_path = optarg;
            break;
        case OPT_IFACE:
            g->iface = optarg;
            break;
        case OPT_NETNS:
            g->netns = optarg;
            break;
        case OPT_QUEUES:
            g->n_pairs = parse_number("queues", optarg, 1, MAX_PAIRS);
            break;
        case OPT_MAC:
            parse_mac(optarg, g->mac);
            g->has_mac = true;
            break;
        case OPT_MTU:
            g->mtu = parse_number("mtu", optarg, MIN_MTU, MAX_MTU);
            break;
        case OPT_PACKED:
            g->wanted |= BIT(VIRTIO_F_RING_PACKED);
            break;
        case OPT_NO_CSUM:
            g->wanted &= ~(tso | BIT(VIRTIO_NET_F_CSUM)
                           | BIT(VIRTIO_NET_F_GUEST_CSUM));
            break;
        case OPT_NO_TSO:
            g->wanted &= ~tso;
            break;
        case OPT_NO_MRG_RXBUF:
            g->wanted &= ~BIT(VIRTIO_NET_F_MRG_RXBUF);
            break;
        case OPT_PIDFILE:
            g->pidfile = optarg;
            break;
        case OPT_LOG_FILE:
            g->log_file = optarg;
            break;
        case OPT_DETACH:
            g->detach = true;
            break;
        case 'h':
            usage();
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind < argc || !g->socket_path || !g->iface) {
        say("%s; --help lists the options",
            (optind < argc ? "no arguments are wanted beside options"
             : "--socket and --iface are required"));
        exit(EXIT_FAILURE);
    }
    if (strlen(g->iface) >= sizeof g->tap.name || !*g->iface) {
        say("--iface=%s: not a name for an interface", g->iface);
        exit(EXIT_FAILURE);
    }
    if (g->n_pairs > 1) {
        g->wanted |= BIT(VIRTIO_NET_F_MQ);
    }
}

int
main(int argc, char *argv[])
{
    struct sigaction sa = { .sa_handler = handle_signal };
    static struct guest g = { .epoll_fd = -1 };
    sigset_t blocked, wait_sigmask;
    pid_t pid = getpid();
    int error;

    parse_options(&g, argc, argv);

    /* Signals arrive only where we wait. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, &wait_sigmask);
    sigdelset(&wait_sigmask, SIGTERM);
    sigdelset(&wait_sigmask, SIGINT);
    sigdelset(&wait_sigmask, SIGHUP);
    sigdelset(&wait_sigmask, SIGUSR1);
    sigdelset(&wait_sigmask, SIGUSR2);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGUSR2, &sa, NULL);

    error = set_up(&g, &wait_sigmask);
    if (error) {
        return EXIT_FAILURE;
    }
    if (g.detach) {
        error = go_to_background(&g, &pid);
    } else if (g.pidfile) {
        error = write_pidfile(g.pidfile, pid);
    }
    error = error ? error : redirect_output(&g);
    if (error) {
        errno = error;
        say("can't start: %m");
        tear_down(&g);
        return EXIT_FAILURE;
    }

    say("%s: waiting for a back end; interface %s%s%s", g.socket_path, g.iface,
        g.netns ? " in network namespace " : "", g.netns ? g.netns : "");
    run(&g, &wait_sigmask);
    tear_down(&g);
    return EXIT_SUCCESS;
}
