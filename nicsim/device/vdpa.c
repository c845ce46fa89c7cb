/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "vdpa.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_errno.h>

#include "function.h"
#include "guest-file.h"
#include "host.h"
#include "log.h"
#include "nic.h"
#include "rss.h"
#include "util.h"
#include "vnet.h"

#define FEATURE(BIT) (UINT64_C(1) << (BIT))

/* What the device can do itself. */
#define DEVICE_FEATURES                                                     \
    (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED)            \
     | FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_F_ANY_LAYOUT)            \
     | FEATURE(VIRTIO_RING_F_INDIRECT_DESC)                                 \
     | FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VHOST_F_LOG_ALL)          \
     | FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM)        \
     | FEATURE(VIRTIO_NET_F_GSO)                                            \
     | FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6)    \
     | FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_GUEST_TSO4)    \
     | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_MRG_RXBUF)   \
     | FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_MAC))

/* What needs nothing of it, but a hypervisor that offers it needs to have it
 * in the back end's set. */
#define HYPERVISOR_FEATURES                                                 \
    (FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_CTRL_VQ)           \
     | FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_MQ)             \
     | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))

/* Between vhost-user's two sides, and nothing to us. */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

/* What struct dma calls the log. */
#define LOG_WINDOW 0

#define LOG_PAGE_SHIFT 12

/* Returns a name for messages, for a while. */
const char *
vdpa_name(const struct vdpa *vdpa)
{
    return function_name(vdpa->fn);
}

/* Adds or removes 'vq''s kick fd where the loop sleeps. */
static int
watch_kick(struct virtq *vq, bool on)
{
    /* Each kick is told of once, also if virtq_kicked() cannot take it. */
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    int epoll_fd = vq->vdpa->fn->nic->epoll_fd;

    if (on == vq->watched || vq->kick_fd < 0) {
        return 0;
    }
    event.data.u64 = (uintptr_t) vq | EV_KICK;
    if (epoll_ctl(epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, vq->kick_fd,
                  &event) && on) {
        return errno;
    }
    vq->watched = on;
    return 0;
}

/* Makes the list of virtqueues that the loop polls anew. */
static void
list_vqs(struct nic *nic)
{
    nic->n_tx_vqs = 0;
    nic->vqs_without_kick = false;
    for (uint32_t i = 0; i < nic->opts.n_vfs; i++) {
        struct vdpa *vdpa = nic->vfs[i].vdpa;

        for (int j = 1; vdpa && vdpa->started && j < NICSIM_MAX_VQS; j += 2) {
            struct virtq *vq = &vdpa->vqs[j];

            if (vq->running) {
                nic->tx_vqs[nic->n_tx_vqs++] = vq;
                nic->vqs_without_kick |= vq->kick_fd < 0;
            }
        }
    }
}

/* Spreads what is received over the queue pairs whose receive queue runs now,
 * and has the loop poll what is sent. */
static void
queues_changed(struct vdpa *vdpa)
{
    struct function *fn = vdpa->fn;
    uint8_t pairs[NICSIM_MAX_QUEUES];
    uint8_t n = 0;

    for (int i = 0; i < NICSIM_MAX_QUEUES; i++) {
        if (vdpa->vqs[2 * i].running) {
            pairs[n++] = i;
        }
    }
    vdpa->n_rx = n;
    vdpa->first_rx = n ? pairs[0] : 0;
    for (int i = 0; n && i < NICSIM_RETA_SIZE; i++) {
        fn->rss.reta[i] = pairs[i % n];
    }
    list_vqs(fn->nic);
}

/* Gives 'fn', a VF, to 'host' as vDPA device. */
int
vdpa_open(struct function *fn, struct host *host,
          struct nicsim_vdpa_info *info, char *why)
{
    struct vdpa *vdpa = fn->vdpa;

    if (NICSIM_FN_KIND(fn->id) != NICSIM_FN_VF) {
        return refuse(EINVAL, why, "%s is not a VF: only VFs have a vDPA side",
                      function_name(fn));
    }
    if (fn->host) {
        return function_refuse_busy(fn, why);
    }
    if (!vdpa) {
        vdpa = fn->vdpa = zalloc(1, sizeof *vdpa);
        if (!vdpa) {
            return refuse(ENOMEM, why, "out of memory");
        }
    }

    /* It stays where it is after it is closed, since an event for one of its
     * kick fds may be under way. */
    memset(vdpa, 0, sizeof *vdpa);
    vdpa->fn = fn;
    vdpa->open = true;
    dma_init(&vdpa->dma, &vdpa->sigbus);
    dma_init(&vdpa->log_dma, &vdpa->sigbus);
    for (uint16_t i = 0; i < NICSIM_MAX_VQS; i++) {
        virtq_init(&vdpa->vqs[i], vdpa, i);
    }
    function_attach(fn, host);
    fn->mtu = NICSIM_MAX_MTU;
    fn->promisc = true;                 /* The guest filters. */
    fn->rss.types = (NICSIM_RSS_IP | NICSIM_RSS_TCP | NICSIM_RSS_UDP
                     | NICSIM_RSS_SCTP);

    info->n_queues = fn->nic->opts.n_queues;
    info->features = DEVICE_FEATURES | HYPERVISOR_FEATURES;
    info->max_vq_size = NICSIM_MAX_VQ_SIZE;
    info->max_mtu = NICSIM_MAX_MTU;
    memcpy(info->mac, fn->permanent_mac, sizeof info->mac);
    log_line("%s: opened as vDPA device by %s (pid %"PRIu32")",
             function_name(fn), host->program, host->pid);
    return 0;
}

/* Stops the device: from now on nothing of the guest's is touched. */
static void
vdpa_stop(struct vdpa *vdpa)
{
    if (vdpa->started) {
        vdpa->started = false;
        for (int i = 0; i < NICSIM_MAX_VQS; i++) {
            watch_kick(&vdpa->vqs[i], false);
            virtq_stop(&vdpa->vqs[i]);
        }
        queues_changed(vdpa);
        log_line("%s: vDPA device stopped", vdpa_name(vdpa));
    }
}

static void
close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Takes 'fn', which is open as vDPA device, from its host. */
void
vdpa_close(struct function *fn)
{
    struct vdpa *vdpa = fn->vdpa;

    vdpa_stop(vdpa);
    for (int i = 0; i < NICSIM_MAX_VQS; i++) {
        close_fd(&vdpa->vqs[i].kick_fd);
        close_fd(&vdpa->vqs[i].call_fd);
    }
    dma_unmap_all(&vdpa->dma);
    dma_unmap_all(&vdpa->log_dma);
    vdpa->log = NULL;
    vdpa->open = false;
    log_line("%s: closed by %s (pid %"PRIu32")", function_name(fn),
             fn->host->program, fn->host->pid);
    function_detach(fn);
}

static int
set_memory(struct vdpa *vdpa, const struct nicsim_vdpa_mem *mem,
           const int *fds, int n_fds, char *why)
{
    if (vdpa->started) {
        return refuse(EBUSY, why, "%s is started", vdpa_name(vdpa));
    }
    if (mem->n > NICSIM_MAX_WINDOWS || mem->n != (uint32_t) n_fds) {
        return refuse(EINVAL, why, "%"PRIu32" regions but %d files",
                      mem->n, n_fds);
    }
    for (uint32_t i = 0; i < mem->n; i++) {
        if ((mem->regions[i].guest_phys | mem->regions[i].len
             | mem->regions[i].fd_offset) % 4096) {
            return refuse(EINVAL, why, "region %"PRIu32" is not of whole "
                          "pages", i);
        }
    }
    dma_unmap_all(&vdpa->dma);
    vdpa->n_regions = 0;
    for (uint32_t i = 0; i < mem->n; i++) {
        int error = dma_map_file(&vdpa->dma, i, mem->regions[i].guest_phys,
                                 mem->regions[i].len, fds[i],
                                 mem->regions[i].fd_offset, why);

        if (error) {
            dma_unmap_all(&vdpa->dma);
            return error;
        }
    }
    vdpa->n_regions = mem->n;
    vdpa->sigbus.broken = false;
    return 0;
}

static int
set_log(struct vdpa *vdpa, const struct nicsim_vdpa_log *log, const int *fds,
        int n_fds, char *why)
{
    int error;

    if (n_fds > 1) {
        return refuse(EINVAL, why, "%d files for one log", n_fds);
    }
    vdpa->log = NULL;
    dma_unmap_all(&vdpa->log_dma);
    if (!n_fds) {
        return 0;
    }
    error = dma_map_file(&vdpa->log_dma, LOG_WINDOW, 0, log->len, fds[0],
                         log->fd_offset, why);
    if (!error) {
        vdpa->log = vdpa->log_dma.windows[LOG_WINDOW].mirror;
        vdpa->log_len = log->len;
    }
    return error;
}

/* Returns 0 if 'fd', a kick or call fd, is one.  Otherwise returns a positive
 * errno with the reason in 'why'. */
static int
check_eventfd(int fd, char *why)
{
    /* Another kind of file could block the NIC, or do anything. */
    if (!guest_file_is_eventfd(fd)) {
        return refuse(EINVAL, why, "a kick or call fd is not an eventfd");
    }
    return 0;
}

/* Replaces '*fdp' by the next of a host's files, at '*fds', if 'given', which
 * is ours then; else by none. */
static void
take_fd(int *fdp, bool given, int **fds)
{
    close_fd(fdp);
    if (given) {
        *fdp = **fds;
        *(*fds)++ = -1;
    }
}

/* Starts or stops 'vq' as all that matters for it says. */
static int
update_queue(struct virtq *vq, char *why)
{
    struct vdpa *vdpa = vq->vdpa;
    bool run = vdpa->started && vq->enabled && vq->setup_size && !vq->why;
    int error = 0;

    if (run && !vq->running) {
        error = virtq_check(vq, vdpa->features >> VIRTIO_F_RING_PACKED & 1,
                            why);
        if (!error) {
            error = virtq_start(vq, vdpa->features, why);
        }
        if (!error && virtq_is_tx(vq)) {
            error = watch_kick(vq, true);
            if (error) {
                virtq_stop(vq);
                refuse(error, why, "virtqueue %u: can't watch its kick fd: "
                       "%s", vq->index, rte_strerror(error));
            }
        }
        if (!error) {
            /* Whoever served the ring before may have died between a used
             * buffer and its interrupt. */
            virtq_call(vq);
        }
    } else if (!run && vq->running) {
        watch_kick(vq, false);
        virtq_stop(vq);
    }
    return error;
}

/* Returns virtqueue 'index', or NULL, with EINVAL's reason in 'why', if there
 * is none. */
static struct virtq *
get_queue(struct vdpa *vdpa, uint16_t index, char *why)
{
    if (index >= 2 * vdpa->fn->nic->opts.n_queues) {
        refuse(EINVAL, why, "virtqueue %u: there are %"PRIu32" only", index,
               2 * vdpa->fn->nic->opts.n_queues);
        return NULL;
    }
    return &vdpa->vqs[index];
}

static int
set_ring(struct vdpa *vdpa, const struct nicsim_vdpa_ring *ring, int *fds,
         int n_fds, char *why)
{
    bool packed = (vdpa->started
                   && vdpa->features & FEATURE(VIRTIO_F_RING_PACKED));
    uint16_t flags = ring->flags;
    struct virtq *vq = get_queue(vdpa, ring->queue, why);
    int error;

    if (!vq) {
        return EINVAL;
    }
    if ((flags & NICSIM_VRING_KICK && !(flags & NICSIM_VRING_SET_KICK))
        || (flags & NICSIM_VRING_CALL && !(flags & NICSIM_VRING_SET_CALL))
        || n_fds != (!!(flags & NICSIM_VRING_KICK)
                     + !!(flags & NICSIM_VRING_CALL))) {
        return refuse(EINVAL, why, "virtqueue %u: flags %#x with %d files",
                      ring->queue, flags, n_fds);
    }
    /* A request that is refused changes nothing. */
    for (int i = 0; i < n_fds; i++) {
        error = check_eventfd(fds[i], why);
        if (error) {
            return error;
        }
    }
    if (flags & NICSIM_VRING_SETUP) {
        if (vq->running) {
            return refuse(EBUSY, why, "virtqueue %u is running", vq->index);
        }
        error = virtq_setup(vq, ring, packed, why);
        if (error) {
            return error;
        }
    }
    if (flags & NICSIM_VRING_SET_KICK) {
        watch_kick(vq, false);
        take_fd(&vq->kick_fd, flags & NICSIM_VRING_KICK, &fds);
        if (vq->running && virtq_is_tx(vq)) {
            watch_kick(vq, true);
        }
    }
    if (flags & NICSIM_VRING_SET_CALL) {
        take_fd(&vq->call_fd, flags & NICSIM_VRING_CALL, &fds);
        if (vq->running) {
            virtq_call(vq);             /* The old one's may be lost. */
        }
    }
    error = update_queue(vq, why);
    queues_changed(vdpa);
    return error;
}

static int
enable_queue(struct vdpa *vdpa, const struct nicsim_vdpa_enable *enable,
             char *why)
{
    struct virtq *vq = get_queue(vdpa, enable->queue, why);
    int error;

    if (!vq) {
        return EINVAL;
    }
    vq->enabled = enable->on;
    error = update_queue(vq, why);
    if (error) {
        vq->enabled = false;
    }
    queues_changed(vdpa);
    return error;
}

static void
get_positions(const struct vdpa *vdpa, struct nicsim_vdpa_state *state)
{
    for (int i = 0; i < NICSIM_MAX_VQS; i++) {
        state->vqs[i].avail_idx = virtq_position(&vdpa->vqs[i]);
        state->vqs[i].used_idx = state->vqs[i].avail_idx;
    }
}

static int
n_running_tx(const struct vdpa *vdpa)
{
    int n = 0;

    for (int i = 1; i < NICSIM_MAX_VQS; i += 2) {
        n += vdpa->vqs[i].running;
    }
    return n;
}

static int
vdpa_start(struct vdpa *vdpa, struct nicsim_vdpa_state *state, char *why)
{
    uint64_t features = (state->features
                         & ~FEATURE(VHOST_USER_F_PROTOCOL_FEATURES));
    uint64_t unknown = features & ~(DEVICE_FEATURES | HYPERVISOR_FEATURES);
    int error = 0;

    if (vdpa->started) {
        return refuse(EALREADY, why, "%s is started", vdpa_name(vdpa));
    }
    if (unknown) {
        return refuse(EINVAL, why, "features %#"PRIx64" were not offered",
                      unknown);
    }
    if (guest_sigbus_is_broken(&vdpa->sigbus)) {
        return refuse(EFAULT, why, "memory that was mapped is gone");
    }
    vdpa->started = true;
    vdpa->features = features;
    vdpa->mergeable = features & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
    vdpa->guest_csum = features & FEATURE(VIRTIO_NET_F_GUEST_CSUM);
    vdpa->guest_tso4 = (vdpa->guest_csum
                        && features & FEATURE(VIRTIO_NET_F_GUEST_TSO4));
    vdpa->guest_tso6 = (vdpa->guest_csum
                        && features & FEATURE(VIRTIO_NET_F_GUEST_TSO6));
    vdpa->header_len = (features & (FEATURE(VIRTIO_F_VERSION_1)
                                    | FEATURE(VIRTIO_NET_F_MRG_RXBUF))
                        ? sizeof(vnet_header)
                        : sizeof(struct virtio_net_hdr));
    for (int i = 0; i < NICSIM_MAX_VQS && !error; i++) {
        vdpa->vqs[i].why = NICSIM_VQ_OK;
        error = update_queue(&vdpa->vqs[i], why);
    }
    queues_changed(vdpa);
    if (error) {
        vdpa_stop(vdpa);
        return error;
    }
    log_line("%s: vDPA device started: features %#"PRIx64", %d receive and "
             "%d transmit queues", vdpa_name(vdpa), features, vdpa->n_rx,
             n_running_tx(vdpa));
    get_positions(vdpa, state);
    return 0;
}

/* Does what 'msg' asks of 'fn', which its host has open as vDPA device.
 * Files that are kept are replaced by -1 in 'fds'. */
int
vdpa_serve(struct function *fn, struct nicsim_msg *msg, int *fds, int n_fds,
           char *why)
{
    struct vdpa *vdpa = fn->vdpa;

    switch (msg->type) {
    case NICSIM_VDPA_CLOSE:
        vdpa_close(fn);
        return 0;

    case NICSIM_VDPA_MEM:
        return set_memory(vdpa, &msg->vdpa_mem, fds, n_fds, why);

    case NICSIM_VDPA_LOG:
        return set_log(vdpa, &msg->vdpa_log, fds, n_fds, why);

    case NICSIM_VDPA_RING:
        return set_ring(vdpa, &msg->vdpa_ring, fds, n_fds, why);

    case NICSIM_VDPA_ENABLE:
        return enable_queue(vdpa, &msg->vdpa_enable, why);

    case NICSIM_VDPA_START:
        return vdpa_start(vdpa, &msg->vdpa_state, why);

    case NICSIM_VDPA_STOP:
        vdpa_stop(vdpa);
        get_positions(vdpa, &msg->vdpa_state);
        return 0;

    case NICSIM_VDPA_QUEUE:
    default:
        return vdpa_show_queue(fn, &msg->vdpa_queue, why);
    }
}

/* Fills in what nicsimctl shows of the VF 'fn'. */
void
vdpa_show(const struct function *fn, struct nicsim_ctl_vdpa *show)
{
    const struct vdpa *vdpa = fn->vdpa;

    if (!vdpa || !vdpa->open) {
        return;
    }
    show->open = 1;
    show->started = vdpa->started;
    show->logging = vdpa->log != NULL;
    show->n_regions = vdpa->n_regions;
    show->n_pairs = vdpa->n_rx;
    for (int i = 0; i < NICSIM_MAX_WINDOWS; i++) {
        show->memory += vdpa->dma.windows[i].len;
    }
    show->features = vdpa->started ? vdpa->features : 0;
}

/* Fills in what there is to say of a virtqueue of the VF 'fn'. */
int
vdpa_show_queue(struct function *fn, struct nicsim_vdpa_queue *show,
                char *why)
{
    struct vdpa *vdpa = fn->vdpa;
    struct nicsim_counter *done;
    struct virtq *vq;

    if (!vdpa || !vdpa->open) {
        return refuse(ENODEV, why, "%s is not open as vDPA device",
                      function_name(fn));
    }
    vq = get_queue(vdpa, show->queue, why);
    if (!vq) {
        return EINVAL;
    }
    done = (virtq_is_tx(vq) ? &fn->stats.txq[vq->index / 2]
            : &fn->stats.rxq[vq->index / 2]);
    show->size = vq->setup_size;
    show->avail_idx = show->used_idx = virtq_position(vq);
    show->state = (!vq->setup_size ? NICSIM_VQ_ABSENT
                   : vq->running ? NICSIM_VQ_RUNNING
                   : vq->why ? NICSIM_VQ_BROKEN : NICSIM_VQ_OFF);
    show->why = vq->why;
    show->enabled = vq->enabled;
    show->done = *done;
    show->kicks = vq->kicks;
    show->calls = vq->calls;
    show->joined = vq->joined;
    show->descs = vq->descs;
    memcpy(show->errors, vq->errors, sizeof show->errors);
    if (show->reset) {
        memset(done, 0, sizeof *done);
        memset(vq->errors, 0, sizeof vq->errors);
        vq->kicks = vq->calls = vq->joined = vq->descs = 0;
    }
    return 0;
}

/* Tells the host that 'vq' was stopped. */
void
vdpa_queue_broken(struct virtq *vq)
{
    struct function *fn = vq->vdpa->fn;
    struct nicsim_event event = {
        .type = NICSIM_EV_VDPA_QUEUE, .fn = fn->id, .queue = vq->index,
        .why = vq->why,
    };

    host_post(fn->host, &event);
}

/* vdpa_log() when there is a log. */
void
vdpa_log_slow(struct vdpa *vdpa, uint64_t addr, uint64_t len)
{
    uint64_t last = (addr + len - 1) >> LOG_PAGE_SHIFT;

    /* A bit that is set already may be on its way to be cleared by who reads
     * the log: a write after that has to set it again, so there is no look
     * before. */
    for (uint64_t page = addr >> LOG_PAGE_SHIFT; page <= last; page++) {
        if (page / 8 >= vdpa->log_len) {
            return;
        }
        __atomic_fetch_or(&vdpa->log[page / 8], 1 << page % 8,
                          __ATOMIC_SEQ_CST);
    }
}

/* Stops all queues of a guest whose memory was taken away. */
void
vdpa_memory_gone(struct vdpa *vdpa)
{
    for (int i = 0; i < NICSIM_MAX_VQS; i++) {
        if (vdpa->vqs[i].running) {
            virtq_break(&vdpa->vqs[i], NICSIM_VQ_MEMORY_GONE);
        }
    }
}

/* Does that where it is due. */
void
vdpa_check_memory(struct nic *nic)
{
    for (uint32_t i = 0; i < nic->opts.n_vfs; i++) {
        struct vdpa *vdpa = nic->vfs[i].vdpa;

        if (unlikely(vdpa && vdpa->started
                     && guest_sigbus_is_broken(&vdpa->sigbus))) {
            vdpa_memory_gone(vdpa);
        }
    }
}

/* Tells all guests whether they have to kick. */
void
vdpa_want_kick(struct nic *nic, bool want)
{
    for (uint32_t i = 0; i < nic->n_tx_vqs; i++) {
        if (nic->tx_vqs[i]->running) {
            virtq_want_kick(nic->tx_vqs[i], want);
        }
    }
}
