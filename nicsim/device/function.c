/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "function.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_errno.h>

#include "host.h"
#include "log.h"
#include "meter.h"
#include "nic.h"
#include "rss.h"
#include "rule-table.h"
#include "vdpa.h"

#define DEFAULT_MTU 1500

/* What VFs and representors say of themselves. */
#define VIRTUAL_SPEED 100000            /* Mbit/s. */

/* FNV-1a.  Gives NICs with different sockets different MAC addresses and
 * switch domains, the same at every start. */
static uint32_t
hash_string(const char *s)
{
    uint32_t hash = 2166136261u;

    for (; *s; s++) {
        hash = (hash ^ (uint8_t) *s) * 16777619u;
    }
    return hash;
}

static void
function_init(struct function *fn, struct nic *nic, enum nicsim_fn_kind kind,
              uint32_t index)
{
    uint32_t hash = hash_string(nic->opts.socket);

    fn->nic = nic;
    fn->id = NICSIM_FN(kind, index);
    fn->vport = (kind == NICSIM_FN_PF
                 ? NICSIM_VPORT_UPLINK : NICSIM_VPORT_VF(index));
    fn->permanent_mac[0] = 0x02;        /* Locally administered. */
    fn->permanent_mac[1] = hash >> 16;
    fn->permanent_mac[2] = hash >> 8;
    fn->permanent_mac[3] = hash;
    fn->permanent_mac[4] = kind;
    fn->permanent_mac[5] = index;
    fn->doorbell = -1;
}

/* Makes the functions of 'nic', whose options are set. */
void
functions_init(struct nic *nic)
{
    nic->switch_domain = hash_string(nic->opts.socket) & 0x7fff;
    function_init(&nic->pf, nic, NICSIM_FN_PF, 0);
    for (uint32_t i = 0; i < nic->opts.n_vfs; i++) {
        function_init(&nic->reps[i], nic, NICSIM_FN_REP, i);
        function_init(&nic->vfs[i], nic, NICSIM_FN_VF, i);
    }
}

/* Returns the function with number 'id', or NULL if there is none. */
struct function *
function_by_id(struct nic *nic, uint32_t id)
{
    uint32_t index = NICSIM_FN_INDEX(id);

    switch (id >> 8) {
    case NICSIM_FN_PF:
        return index ? NULL : &nic->pf;

    case NICSIM_FN_REP:
        return index < nic->opts.n_vfs ? &nic->reps[index] : NULL;

    case NICSIM_FN_VF:
        return index < nic->opts.n_vfs ? &nic->vfs[index] : NULL;

    default:
        return NULL;
    }
}

/* Returns a name for messages, valid until the fourth next call. */
const char *
function_name(const struct function *fn)
{
    static char names[4][24];
    static unsigned int next;
    char *name = names[next++ % 4];

    switch (NICSIM_FN_KIND(fn->id)) {
    case NICSIM_FN_PF:
        return "pf";

    case NICSIM_FN_REP:
    case NICSIM_FN_VF:
    default:
        snprintf(name, sizeof names[0], "%s%u",
                 (NICSIM_FN_KIND(fn->id) == NICSIM_FN_REP
                  ? "representor" : "vf"), NICSIM_FN_INDEX(fn->id));
        return name;
    }
}

/* A function of the switch's side that another host than 'host' has, or NULL.
 * PF and representors belong together: one host has them. */
static struct function *
foreign_switch_function(struct nic *nic, const struct host *host)
{
    if (nic->pf.host && nic->pf.host != host) {
        return &nic->pf;
    }
    for (uint32_t i = 0; i < nic->opts.n_vfs; i++) {
        if (nic->reps[i].host && nic->reps[i].host != host) {
            return &nic->reps[i];
        }
    }
    return NULL;
}

/* The link state that 'fn''s driver is to see.  VFs and representors are up as
 * long as the NIC is. */
static void
update_link(struct function *fn, bool wire_up, uint32_t wire_speed)
{
    bool uplink = NICSIM_FN_KIND(fn->id) == NICSIM_FN_PF;

    __atomic_store_n(&fn->bar->link_speed,
                     uplink ? wire_speed : VIRTUAL_SPEED, __ATOMIC_RELAXED);
    __atomic_store_n(&fn->bar->link_up, uplink ? wire_up : true,
                     __ATOMIC_RELEASE);
}

/* Makes the BAR of 'fn'.  Its driver maps the file too, so nobody may make it
 * shorter under us. */
static int
make_bar(struct function *fn)
{
    int fd = memfd_create("nicsim-bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *bar;

    if (fd < 0) {
        return -1;
    }
    if (ftruncate(fd, sizeof *fn->bar)
        || fcntl(fd, F_ADD_SEALS,
                 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        close(fd);
        return -1;
    }
    bar = mmap(NULL, sizeof *fn->bar, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               0);
    if (bar == MAP_FAILED) {
        close(fd);
        return -1;
    }
    fn->bar = bar;
    return fd;
}

/* Says in 'why' who has 'fn'.  Returns EBUSY. */
int
function_refuse_busy(const struct function *fn, char *why)
{
    return refuse(EBUSY, why, "%s is in use by %.40s (pid %"PRIu32")%s",
                  function_name(fn), fn->host->program, fn->host->pid,
                  NICSIM_FN_KIND(fn->id) != NICSIM_FN_VF ? ""
                  : is_vdpa(fn) ? " as vDPA device" : " as ethdev");
}

void
function_reset_stats(struct function *fn)
{
    memset(&fn->stats, 0, sizeof fn->stats);
    fn->vport_before = fn->nic->vports[fn->vport];
}

static void
subtract(struct nicsim_counter *a, const struct nicsim_counter *b)
{
    a->packets -= b->packets;
    a->bytes -= b->bytes;
}

/* What went by the vport of 'fn' since the function was opened, or its
 * statistics were reset. */
void
function_get_vport_stats(const struct function *fn,
                         struct nicsim_vport_stats *stats)
{
    const struct nicsim_vport_stats *before = &fn->vport_before;

    *stats = fn->nic->vports[fn->vport];
    subtract(&stats->in, &before->in);
    subtract(&stats->by_rule, &before->by_rule);
    subtract(&stats->to_software, &before->to_software);
    subtract(&stats->out, &before->out);
    stats->out_dropped -= before->out_dropped;
    stats->out_too_long -= before->out_too_long;
}

/* Gives 'fn', which no host has, to 'host', as it is after a reset. */
void
function_attach(struct function *fn, struct host *host)
{
    static const uint8_t default_key[NICSIM_RSS_KEY] = {
        0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
        0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
        0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
        0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
    };

    fn->host = host;
    fn->next = host->functions;
    host->functions = fn;
    memcpy(fn->mac, fn->permanent_mac, sizeof fn->mac);
    fn->mtu = DEFAULT_MTU;
    fn->promisc = false;
    fn->started = false;
    function_reset_stats(fn);
    fn->rss.types = 0;
    memset(fn->rss.reta, 0, sizeof fn->rss.reta);
    rss_set_key(&fn->rss, default_key);
    memset(fn->tx, 0, sizeof fn->tx);
    memset(fn->rx, 0, sizeof fn->rx);
}

/* Takes 'fn' from its host. */
void
function_detach(struct function *fn)
{
    struct function **fnp;

    for (fnp = &fn->host->functions; *fnp != fn; fnp = &(*fnp)->next) {
        continue;
    }
    *fnp = fn->next;
    fn->host = NULL;
}

/* Gives 'fn' to 'host'.  Sets fds[0] to its BAR and fds[1] to its doorbell;
 * the first is the caller's to close, the second not. */
int
function_open(struct function *fn, struct host *host, int *fds, char *why)
{
    struct nic *nic = fn->nic;
    struct function *held = fn->host ? fn : NULL;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    if (!held && NICSIM_FN_KIND(fn->id) != NICSIM_FN_VF) {
        held = foreign_switch_function(nic, host);
    }
    if (held) {
        return function_refuse_busy(held, why);
    }

    fds[0] = make_bar(fn);
    if (fds[0] < 0) {
        return refuse(errno, why, "no memory for the BAR: %s",
                      rte_strerror(errno));
    }
    fds[1] = fn->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    event.data.u64 = (uintptr_t) fn | EV_DOORBELL;
    if (fn->doorbell < 0
        || epoll_ctl(nic->epoll_fd, EPOLL_CTL_ADD, fn->doorbell, &event)) {
        int error = errno;

        if (fn->doorbell >= 0) {
            close(fn->doorbell);
            fn->doorbell = -1;
        }
        close(fds[0]);
        munmap(fn->bar, sizeof *fn->bar);
        fn->bar = NULL;
        return refuse(error, why, "no doorbell: %s", rte_strerror(error));
    }

    function_attach(fn, host);
    for (uint16_t i = 0; i < NICSIM_MAX_QUEUES; i++) {
        fn->tx[i].regs = &fn->bar->tx[i];
        fn->rx[i].regs = &fn->bar->rx[i];
        fn->tx[i].queue = fn->rx[i].queue = i;
        fn->tx[i].fn = fn->rx[i].fn = fn;
    }
    update_link(fn, nic->link_up, nic->link_speed);
    log_line("%s: opened by %s (pid %"PRIu32")", function_name(fn),
             host->program, host->pid);
    return 0;
}

/* Makes the list of rings that the loop polls anew. */
static void
list_tx_rings(struct nic *nic)
{
    nic->n_tx_rings = 0;
    for (struct host *host = nic->hosts; host; host = host->next) {
        for (struct function *fn = host->functions; fn; fn = fn->next) {
            for (int i = 0; fn->started && i < NICSIM_MAX_QUEUES; i++) {
                if (fn->tx[i].desc) {
                    nic->tx_rings[nic->n_tx_rings++] = &fn->tx[i];
                }
            }
        }
    }
}

/* Takes 'fn' from its host and resets it.  The rules that were made through it
 * go, and with the PF all there are. */
void
function_close(struct function *fn)
{
    struct nic *nic = fn->nic;

    if (is_vdpa(fn)) {
        vdpa_close(fn);
        return;
    }
    function_stop(fn);
    rule_table_flush(nic->rules, NICSIM_FN_KIND(fn->id) == NICSIM_FN_PF
                                 ? RULES_OF_ALL : fn->id);
    meters_flush(nic->meters, fn->id);
    epoll_ctl(nic->epoll_fd, EPOLL_CTL_DEL, fn->doorbell, NULL);
    close(fn->doorbell);
    fn->doorbell = -1;
    munmap(fn->bar, sizeof *fn->bar);
    fn->bar = NULL;
    log_line("%s: closed by %s (pid %"PRIu32")", function_name(fn),
             fn->host->program, fn->host->pid);
    function_detach(fn);
}

/* Sets what 'config' has to set. */
int
function_configure(struct function *fn, const struct nicsim_fn_config *config,
                   char *why)
{
    uint32_t what = config->what;

    if (what & ~(uint32_t) (NICSIM_CFG_MAC | NICSIM_CFG_MTU | NICSIM_CFG_RSS
                            | NICSIM_CFG_RETA | NICSIM_CFG_PROMISC)) {
        return refuse(EINVAL, why, "unknown setting %#"PRIx32, what);
    }
    if (what & NICSIM_CFG_MAC && config->mac[0] & 1) {
        return refuse(EINVAL, why, "no function can have a multicast address");
    }
    if (what & NICSIM_CFG_MTU
        && (config->mtu < NICSIM_MIN_MTU || config->mtu > NICSIM_MAX_MTU)) {
        return refuse(EINVAL, why, "MTU %"PRIu32", must be %d to %d",
                      config->mtu, NICSIM_MIN_MTU, NICSIM_MAX_MTU);
    }
    if (what & NICSIM_CFG_RSS
        && config->rss_types & ~(uint32_t) (NICSIM_RSS_IP | NICSIM_RSS_TCP
                                            | NICSIM_RSS_UDP
                                            | NICSIM_RSS_SCTP)) {
        return refuse(EINVAL, why, "unknown RSS types %#"PRIx32,
                      config->rss_types);
    }
    if (what & NICSIM_CFG_RETA) {
        for (int i = 0; i < NICSIM_RETA_SIZE; i++) {
            if (config->reta[i] >= fn->nic->opts.n_queues) {
                return refuse(EINVAL, why, "RSS table entry %d is queue %d of "
                              "%"PRIu32, i, config->reta[i],
                              fn->nic->opts.n_queues);
            }
        }
    }

    if (what & NICSIM_CFG_MAC) {
        memcpy(fn->mac, config->mac, sizeof fn->mac);
    }
    if (what & NICSIM_CFG_MTU) {
        fn->mtu = config->mtu;
    }
    if (what & NICSIM_CFG_RSS) {
        fn->rss.types = config->rss_types;
        rss_set_key(&fn->rss, config->rss_key);
    }
    if (what & NICSIM_CFG_RETA) {
        memcpy(fn->rss.reta, config->reta, sizeof fn->rss.reta);
    }
    if (what & NICSIM_CFG_PROMISC) {
        fn->promisc = config->promisc;
    }
    return 0;
}

/* Returns the descriptors of 'ring' as they are mapped now, or NULL. */
static void *
ring_memory(struct ring *ring)
{
    /* Both kinds of descriptor have one size. */
    _Static_assert(sizeof(struct nicsim_tx_desc)
                   == sizeof(struct nicsim_rx_desc), "same size");
    return dma_at(&ring->fn->host->dma, ring->addr,
                  ring->n_desc * sizeof(struct nicsim_tx_desc));
}

/* Sets a ring up, or takes it away if it is to have no descriptors. */
int
function_setup_ring(struct function *fn, const struct nicsim_ring_setup *setup,
                    char *why)
{
    struct ring *ring;

    if (fn->started) {
        return refuse(EBUSY, why, "%s is started", function_name(fn));
    }
    if (setup->queue >= fn->nic->opts.n_queues || setup->is_tx > 1) {
        return refuse(EINVAL, why, "queue %d: there are %"PRIu32" only",
                      setup->queue, fn->nic->opts.n_queues);
    }
    ring = setup->is_tx ? &fn->tx[setup->queue] : &fn->rx[setup->queue];
    if (!setup->n_desc) {
        ring->n_desc = 0;
        return 0;
    }
    if (setup->n_desc < NICSIM_MIN_DESC || setup->n_desc > NICSIM_MAX_DESC
        || setup->n_desc & (setup->n_desc - 1)) {
        return refuse(EINVAL, why, "%"PRIu32" descriptors, must be a power of "
                      "2 from %d to %d", setup->n_desc, NICSIM_MIN_DESC,
                      NICSIM_MAX_DESC);
    }
    if (setup->ring % 8
        || !dma_at(&fn->host->dma, setup->ring,
                   setup->n_desc * sizeof(struct nicsim_tx_desc))) {
        return refuse(EFAULT, why, "the ring's memory is not mapped");
    }
    ring->addr = setup->ring;
    ring->n_desc = setup->n_desc;
    ring->mask = setup->n_desc - 1;
    return 0;
}

static void
start_ring(struct ring *ring)
{
    ring->head = ring->tail = 0;
    ring->skipping = false;
    __atomic_store_n(&ring->regs->head, 0, __ATOMIC_RELEASE);
    ring->desc = ring->n_desc ? ring_memory(ring) : NULL;
}

/* Lets packets in and out of 'fn'. */
int
function_start(struct function *fn, char *why)
{
    if (fn->started) {
        return refuse(EALREADY, why, "%s is started", function_name(fn));
    }
    for (int i = 0; i < NICSIM_MAX_QUEUES; i++) {
        if ((fn->tx[i].n_desc && !ring_memory(&fn->tx[i]))
            || (fn->rx[i].n_desc && !ring_memory(&fn->rx[i]))) {
            return refuse(EFAULT, why, "ring %d's memory is not mapped", i);
        }
    }
    for (int i = 0; i < NICSIM_MAX_QUEUES; i++) {
        start_ring(&fn->tx[i]);
        start_ring(&fn->rx[i]);
    }
    fn->started = true;
    list_tx_rings(fn->nic);
    return 0;
}

/* Stops 'fn', if it was started: from now on its rings are not touched.  The
 * rules that were made through it go, unless the operator asked for a NIC that
 * keeps them. */
void
function_stop(struct function *fn)
{
    if (fn->started) {
        fn->started = false;
        for (int i = 0; i < NICSIM_MAX_QUEUES; i++) {
            fn->tx[i].desc = fn->rx[i].desc = NULL;
        }
        list_tx_rings(fn->nic);
        if (!fn->nic->opts.keep_rules) {
            rule_table_flush(fn->nic->rules, fn->id);
        }
    }
}

static void
check_ring(struct ring *ring, uint64_t *errors)
{
    if (ring->desc && !ring_memory(ring)) {
        ring->desc = NULL;
        *errors += 1;
        LOG_FUNCTION(ring->fn, LOG_RING_STOPPED,
                     "%s: ring %d stopped: its memory was unmapped",
                     function_name(ring->fn), ring->queue);
    }
}

/* Stops those rings of 'host' whose memory has gone. */
void
functions_check_rings(struct host *host)
{
    for (struct function *fn = host->functions; fn; fn = fn->next) {
        for (int i = 0; i < NICSIM_MAX_QUEUES; i++) {
            check_ring(&fn->tx[i], &fn->stats.tx_errors);
            check_ring(&fn->rx[i], &fn->stats.rx_errors);
        }
    }
    list_tx_rings(host->nic);
}

/* Tells the PF's driver, if the wire's link state is another one now. */
void
functions_set_link(struct nic *nic, bool wire_up, uint32_t speed)
{
    if (wire_up != nic->link_up || speed != nic->link_speed) {
        if (wire_up != nic->link_up) {
            log_line("wire: link %s", wire_up ? "up" : "down");
        }
        nic->link_up = wire_up;
        nic->link_speed = speed;
        if (nic->pf.host) {
            update_link(&nic->pf, wire_up, speed);
            struct nicsim_event event = {
                .type = NICSIM_EV_LINK, .fn = nic->pf.id
            };

            host_post(nic->pf.host, &event);
        }
    }
}

/* Tells all drivers and guests whether they have to use the doorbell. */
void
functions_want_kick(struct nic *nic, bool want)
{
    for (struct host *host = nic->hosts; host; host = host->next) {
        for (struct function *fn = host->functions; fn; fn = fn->next) {
            if (fn->bar) {
                __atomic_store_n(&fn->bar->kick_wanted, want,
                                 __ATOMIC_RELAXED);
            }
        }
    }
    vdpa_want_kick(nic, want);
}
