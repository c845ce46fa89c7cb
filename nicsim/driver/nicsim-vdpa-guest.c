/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-vdpa-guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vhost_types.h>
#include <linux/virtio_config.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vhost.h>

#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-vdpa.h"
#include "nicsim-vdpa-log.h"

#define BIT(N) (UINT64_C(1) << (N))

static uint64_t
negotiated_features(const struct nicsim_vdpa *vdpa)
{
    uint64_t features = 0;

    rte_vhost_get_negotiated_features(vdpa->vid, &features);
    return features;
}

/* Memory. */

static int
give_memory(struct nicsim_vdpa *vdpa, const struct rte_vhost_memory *mem)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_MEM };
    struct nicsim_vdpa_mem *m = &msg.vdpa_mem;
    int fds[NICSIM_MAX_WINDOWS];

    if (mem->nregions > NICSIM_MAX_WINDOWS) {
        NICSIM_LOG(ERR, "%s: the guest's memory is in %u pieces, the NIC can "
                   "have %d", vdpa->name, mem->nregions, NICSIM_MAX_WINDOWS);
        return E2BIG;
    }
    m->fn = vdpa->fn;
    m->n = mem->nregions;
    for (uint32_t i = 0; i < mem->nregions; i++) {
        const struct rte_vhost_mem_region *r = &mem->regions[i];

        /* librte_vhost maps each file from its beginning. */
        m->regions[i].guest_phys = r->guest_phys_addr;
        m->regions[i].len = r->size;
        m->regions[i].fd_offset = (r->host_user_addr
                                   - (uint64_t) (uintptr_t) r->mmap_addr);
        fds[i] = r->fd;
    }
    return nicsim_vdpa_request(vdpa, &msg, fds, m->n,
                               "give it the guest's memory");
}

/* Translates a pointer of librte_vhost's into the guest's memory. */
static bool
to_guest(const struct rte_vhost_memory *mem, const void *p, uint64_t *gpa)
{
    uint64_t addr = (uintptr_t) p;

    for (uint32_t i = 0; i < mem->nregions; i++) {
        const struct rte_vhost_mem_region *r = &mem->regions[i];

        if (addr >= r->host_user_addr && addr - r->host_user_addr < r->size) {
            *gpa = r->guest_phys_addr + (addr - r->host_user_addr);
            return true;
        }
    }
    return false;
}

/* The dirty log. */

static int
give_log(struct nicsim_vdpa *vdpa)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_LOG };
    uint64_t base = 0;
    uint64_t size = 0;
    int error;
    int fd;

    rte_vhost_get_log_base(vdpa->vid, &base, &size);
    if (!base || !size) {
        /* The hypervisor wants a log, and nobody to read it. */
        NICSIM_LOG(WARNING, "%s: the hypervisor turns the dirty log on, but "
                   "gave none", vdpa->name);
        return 0;
    }
    msg.vdpa_log.fn = vdpa->fn;
    msg.vdpa_log.len = size;
    error = nicsim_vdpa_log_open(base, size, &fd, &msg.vdpa_log.fd_offset);
    if (error) {
        NICSIM_LOG(ERR, "%s: the file of the dirty log is not to be had (%s)",
                   vdpa->name, rte_strerror(error));
        return error;
    }
    error = nicsim_vdpa_request(vdpa, &msg, &fd, 1, "give it the dirty log");
    close(fd);
    return error;
}

int
nicsim_vdpa_update_log(struct nicsim_vdpa *vdpa, uint64_t features)
{
    bool log = features & BIT(VHOST_F_LOG_ALL);
    int error = 0;

    if (log) {
        /* Perhaps it is another one than before. */
        error = give_log(vdpa);
    } else if (vdpa->logging) {
        struct nicsim_msg msg = { .type = NICSIM_VDPA_LOG };

        msg.vdpa_log.fn = vdpa->fn;
        error = nicsim_vdpa_request(vdpa, &msg, NULL, 0,
                                    "take the dirty log from it");
    }
    if (!error && log != vdpa->logging) {
        NICSIM_LOG(INFO, "%s: dirty log %s", vdpa->name, log ? "on" : "off");
        vdpa->logging = log;
    }
    return error;
}

/* Rings. */

static int
enable_vring(struct nicsim_vdpa *vdpa, uint16_t queue, bool on)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_ENABLE };

    msg.vdpa_enable.fn = vdpa->fn;
    msg.vdpa_enable.queue = queue;
    msg.vdpa_enable.on = on;
    return nicsim_vdpa_request(vdpa, &msg, NULL, 0,
                               on ? "enable a ring" : "disable a ring");
}

/* Makes the NIC forget 'queue'. */
static void
drop_vring(struct nicsim_vdpa *vdpa, uint16_t queue)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_RING };

    msg.vdpa_ring.fn = vdpa->fn;
    msg.vdpa_ring.queue = queue;
    msg.vdpa_ring.flags = (NICSIM_VRING_SETUP | NICSIM_VRING_SET_KICK
                           | NICSIM_VRING_SET_CALL);
    nicsim_vdpa_request(vdpa, &msg, NULL, 0, NULL);
    vdpa->vrings[queue].set_up = false;
}

/* Gives 'queue', which is not enabled at the NIC, to it.  A ring that is there
 * already keeps its position, and gets doorbell and interrupt only. */
static int
give_vring(struct nicsim_vdpa *vdpa, uint16_t queue,
           const struct rte_vhost_memory *mem)
{
    struct nicsim_vring *vring = &vdpa->vrings[queue];
    struct nicsim_msg msg = { .type = NICSIM_VDPA_RING };
    struct nicsim_vdpa_ring *ring = &msg.vdpa_ring;
    struct rte_vhost_vring v;
    unsigned int n_fds = 0;
    int fds[2];
    int error;

    memset(&v, 0, sizeof v);
    if (rte_vhost_get_vhost_vring(vdpa->vid, queue, &v)) {
        return ENOENT;
    }
    ring->fn = vdpa->fn;
    ring->queue = queue;
    ring->size = v.size;
    /* The pointers of a packed ring are in the same places. */
    if (!to_guest(mem, v.desc, &ring->desc)
        || !to_guest(mem, v.avail, &ring->avail)
        || !to_guest(mem, v.used, &ring->used)) {
        NICSIM_LOG(ERR, "%s: ring %u is not in the guest's memory",
                   vdpa->name, queue);
        return EFAULT;
    }
    if (!vring->set_up || vring->size != ring->size
        || vring->desc != ring->desc || vring->avail != ring->avail
        || vring->used != ring->used) {
        ring->flags |= NICSIM_VRING_SETUP;
        rte_vhost_get_vring_base(vdpa->vid, queue, &ring->avail_idx,
                                 &ring->used_idx);
    }
    ring->flags |= NICSIM_VRING_SET_KICK | NICSIM_VRING_SET_CALL;
    if (v.kickfd >= 0) {
        ring->flags |= NICSIM_VRING_KICK;
        fds[n_fds++] = v.kickfd;
    }
    if (v.callfd >= 0) {
        ring->flags |= NICSIM_VRING_CALL;
        fds[n_fds++] = v.callfd;
    }

    /* The reply has the request's fields. */
    vring->size = ring->size;
    vring->desc = ring->desc;
    vring->avail = ring->avail;
    vring->used = ring->used;
    error = nicsim_vdpa_request(vdpa, &msg, fds, n_fds, "give it a ring");
    vring->set_up = !error;

    /* The NIC interrupts the guest once when it begins to serve the ring or
     * gets another interrupt for it, since the one before may be lost. */
    return error ? error : enable_vring(vdpa, queue, true);
}

int
nicsim_vdpa_update_vring(struct nicsim_vdpa *vdpa, uint16_t queue)
{
    struct rte_vhost_memory *mem;
    int error;

    if (!vdpa->vrings[queue].on) {
        return (vdpa->vrings[queue].set_up
                ? enable_vring(vdpa, queue, false) : 0);
    }
    if (rte_vhost_get_mem_table(vdpa->vid, &mem)) {
        return ENOMEM;
    }
    error = give_vring(vdpa, queue, mem);
    free(mem);
    return error;
}

/* The guest. */

/* Where a split ring is to be resumed if the NIC can't tell: after what it
 * gave back. */
static void
set_base_from_ring(struct nicsim_vdpa *vdpa, uint16_t queue)
{
    struct rte_vhost_vring v;

    memset(&v, 0, sizeof v);
    if (!(negotiated_features(vdpa) & BIT(VIRTIO_F_RING_PACKED))
        && !rte_vhost_get_vhost_vring(vdpa->vid, queue, &v) && v.used) {
        uint16_t idx = __atomic_load_n(&v.used->idx, __ATOMIC_ACQUIRE);

        rte_vhost_set_vring_base(vdpa->vid, queue, idx, idx);
    }
}

void
nicsim_vdpa_take_back(struct nicsim_vdpa *vdpa)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_STOP };
    int error;

    msg.vdpa_state.fn = vdpa->fn;
    error = nicsim_vdpa_request(vdpa, &msg, NULL, 0,
                                vdpa->handed_over ? "stop it" : NULL);
    for (uint16_t i = 0; i < NICSIM_MAX_VQS; i++) {
        if (!vdpa->vrings[i].set_up) {
            continue;
        }
        if (error) {
            set_base_from_ring(vdpa, i);
        } else {
            rte_vhost_set_vring_base(vdpa->vid, i,
                                     msg.vdpa_state.vqs[i].avail_idx,
                                     msg.vdpa_state.vqs[i].used_idx);
        }
        drop_vring(vdpa, i);
    }
    if (vdpa->logging) {
        memset(&msg, 0, sizeof msg);
        msg.type = NICSIM_VDPA_LOG;
        msg.vdpa_log.fn = vdpa->fn;
        nicsim_vdpa_request(vdpa, &msg, NULL, 0, NULL);
        vdpa->logging = false;
    }
    memset(&msg, 0, sizeof msg);
    msg.type = NICSIM_VDPA_MEM;
    msg.vdpa_mem.fn = vdpa->fn;
    nicsim_vdpa_request(vdpa, &msg, NULL, 0, NULL);
    vdpa->handed_over = false;
}

static int
start(struct nicsim_vdpa *vdpa, uint64_t features)
{
    struct nicsim_msg msg = { .type = NICSIM_VDPA_START };

    msg.vdpa_state.fn = vdpa->fn;
    msg.vdpa_state.features = features;
    return nicsim_vdpa_request(vdpa, &msg, NULL, 0, "start it");
}

int
nicsim_vdpa_hand_over(struct nicsim_vdpa *vdpa)
{
    uint64_t features = negotiated_features(vdpa);
    struct rte_vhost_memory *mem;
    unsigned int n = 0;
    int error;

    if (rte_vhost_get_mem_table(vdpa->vid, &mem)) {
        NICSIM_LOG(ERR, "%s: the guest has no memory", vdpa->name);
        return ENOMEM;
    }
    error = give_memory(vdpa, mem);
    if (!error && features & BIT(VHOST_F_LOG_ALL)) {
        error = nicsim_vdpa_update_log(vdpa, features);
    }
    for (uint16_t i = 0; !error && i < NICSIM_MAX_VQS; i++) {
        if (vdpa->vrings[i].on) {
            error = give_vring(vdpa, i, mem);
            n++;
        }
    }
    free(mem);
    error = error ? error : start(vdpa, features);
    if (error) {
        nicsim_vdpa_take_back(vdpa);
        return error;
    }
    vdpa->handed_over = true;
    NICSIM_LOG(INFO, "%s: serves a guest with %u %s rings, features "
               "%#"PRIx64, vdpa->name, n,
               features & BIT(VIRTIO_F_RING_PACKED) ? "packed" : "split",
               features);
    return 0;
}
