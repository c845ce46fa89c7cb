/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-port.h"

#include <errno.h>

#include <rte_ethdev.h>

#include "hash.h"
#include "netdev-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "vdpa-claim.h"
#include "vdpa-stats.h"
#include "vdpa-status.h"
#include "vdpa-vhost.h"

VLOG_DEFINE_THIS_MODULE(dpdkvdpa);

/* How often to look at what only polling tells, in milliseconds. */
#define POLL_INTERVAL 1000

/* How long a driver that refused a guest is left alone, in milliseconds: so
 * long after the first one, twice as long after each further one. */
#define MIN_RETRY_INTERVAL 1000
#define MAX_RETRY_INTERVAL 64000

/* All ports that have a netdev, and those that only wait to be closed. */
static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;
struct cmap vdpa_ports = CMAP_INITIALIZER;
static struct ovs_list retired OVS_GUARDED_BY(ports_mutex)
    = OVS_LIST_INITIALIZER(&retired);

/* Changes whenever vdpa_ports_run() may have something to do. */
static struct seq *
run_seq(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct seq *seq;

    if (ovsthread_once_start(&once)) {
        seq = seq_create();
        ovsthread_once_done(&once);
    }
    return seq;
}

static uint64_t last_run_seq;
static long long int next_poll;

/* Returns the state of 'netdev', or NULL if it is not a dpdkvdpa port. */
struct vdpa_port *
vdpa_port_from_netdev(const struct netdev *netdev)
{
    struct vdpa_port *port;

    CMAP_FOR_EACH_WITH_HASH (port, cmap_node, hash_pointer(netdev, 0),
                             &vdpa_ports) {
        if (port->netdev == netdev) {
            return port;
        }
    }
    return NULL;
}

/* Creates and returns the state of 'netdev', that is being constructed. */
struct vdpa_port *
vdpa_port_create(const struct netdev *netdev)
{
    struct vdpa_port *port = xzalloc(sizeof *port);

    port->netdev = netdev;
    port->name = xstrdup(netdev_get_name(netdev));
    ovsrcu_init(&port->relay, NULL);
    ovsrcu_init(&port->device, NULL);
    ovsrcu_init(&port->stats, NULL);
    ovs_mutex_init(&port->mutex);
    ovs_mutex_lock(&port->mutex);
    port->mtu = port->requested_mtu = RTE_ETHER_MTU;
    ovs_mutex_unlock(&port->mutex);
    atomic_init(&port->tx_dropped, 0);
    atomic_init(&port->changed, false);

    ovs_mutex_lock(&ports_mutex);
    cmap_insert(&vdpa_ports, &port->cmap_node, hash_pointer(netdev, 0));
    ovs_mutex_unlock(&ports_mutex);
    return port;
}

/* Parts 'port' from its netdev, that is being freed. */
void
vdpa_port_retire(struct vdpa_port *port)
{
    struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);

    if (vhost) {
        vdpa_vhost_silence(vhost);
    }
    ovs_mutex_lock(&ports_mutex);
    cmap_remove(&vdpa_ports, &port->cmap_node, hash_pointer(port->netdev, 0));
    ovs_list_push_back(&retired, &port->list_node);
    ovs_mutex_unlock(&ports_mutex);
    seq_change(run_seq());
}

static void
port_free(struct vdpa_port *port)
{
    ovs_mutex_lock(&port->mutex);
    vdpa_options_destroy(&port->options);
    free(port->fallback_reason);
    free(port->switch_refused);
    free(port->error);
    free(port->sides_of);
    ovs_mutex_unlock(&port->mutex);
    ovs_mutex_destroy(&port->mutex);
    free(port->name);
    free(port);
}

/* Closes what joins guest and VF of 'port', if anything.  Packets that other
 * threads are moving are moved to the end before. */
static void
port_part(struct vdpa_port *port)
{
    struct vdpa_relay *relay
        = ovsrcu_get_protected(struct vdpa_relay *, &port->relay);
    struct vdpa_device *device
        = ovsrcu_get_protected(struct vdpa_device *, &port->device);
    struct vdpa_stats *stats
        = ovsrcu_get_protected(struct vdpa_stats *, &port->stats);

    if (relay || device) {
        ovsrcu_set(&port->relay, NULL);
        ovsrcu_set(&port->device, NULL);
        ovsrcu_set(&port->stats, NULL);
        ovsrcu_synchronize();
        vdpa_stats_destroy(stats);
        vdpa_relay_close(relay);
        vdpa_device_close(device);
    }
}

static void
close_retired(void)
{
    for (;;) {
        struct vdpa_port *port = NULL;

        ovs_mutex_lock(&ports_mutex);
        if (!ovs_list_is_empty(&retired)) {
            port = CONTAINER_OF(ovs_list_pop_front(&retired),
                                struct vdpa_port, list_node);
        }
        ovs_mutex_unlock(&ports_mutex);
        if (!port) {
            return;
        }
        port_part(port);
        ovsrcu_postpone(port_free, port);
    }
}

/* A guest came, went, or changed its queues.  Called from librte_vhost's
 * threads.
 *
 * OVS is told by the main thread: netdev_change_seq_changed() wakes it up
 * before it counts the change, so that from another thread the main thread can
 * look in between, and the status would stay as it was. */
static void
guest_changed(void *port_)
{
    struct vdpa_port *port = port_;

    atomic_store(&port->changed, true);
    seq_change(run_seq());
}

/* What the modes offer
 * -------------------- */

/* Learns what that mode of 'port' can offer, with 'options', that it is not
 * going to be in: hardware mode if 'hardware' is false.  Its VF must not be in
 * use.  A VF that does not answer is asked once. */
static void
port_learn(struct vdpa_port *port, const struct vdpa_options *options,
           bool hardware)
{
    struct vdpa_side side = { .known = false };
    bool ask;

    ovs_mutex_lock(&port->mutex);
    if (!port->sides_of
        || strcmp(port->sides_of, options->accelerator.string)) {
        free(port->sides_of);
        port->sides_of = xstrdup(options->accelerator.string);
        memset(port->sides, 0, sizeof port->sides);
        memset(port->asked, 0, sizeof port->asked);
    }
    ask = !port->sides[!hardware].known && !port->asked[!hardware];
    port->asked[!hardware] = true;
    ovs_mutex_unlock(&port->mutex);
    if (!ask) {
        return;
    }

    if (hardware) {
        vdpa_side_ask_vf(&options->accelerator, &side);
    } else {
        vdpa_device_ask(&options->accelerator, port->name, &side);
    }
    ovs_mutex_lock(&port->mutex);
    port->sides[!hardware] = side;
    ovs_mutex_unlock(&port->mutex);
}

/* Notes what the mode that 'port' has got, with 'device' or 'relay', can
 * offer. */
static void
port_learn_own(struct vdpa_port *port, const struct vdpa_device *device,
               const struct vdpa_relay *relay)
{
    struct vdpa_side side;

    if (device) {
        vdpa_device_get_side(device, &side);
    } else {
        vdpa_side_set_vf(&side, relay->vf->limits.tx_offloads,
                         relay->vf->n_queues);
    }
    ovs_mutex_lock(&port->mutex);
    if (!device && port->sides[false].known) {
        /* The relay may have been told to use less. */
        side.n_queues = MAX(side.n_queues, port->sides[false].n_queues);
    }
    port->sides[!!device] = side;
    ovs_mutex_unlock(&port->mutex);
}

/* Returns why the guest of 'port', whose options are to be 'options', would be
 * cut off by that, in words that the caller must free, or NULL if it would
 * not, as far as is known. */
static char *
port_why_no_switch(struct vdpa_port *port, const struct vdpa_options *options)
{
    const struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    const struct vdpa_vhost_conn *conn;
    const char *mode = options->sw ? "software" : "hardware";
    struct vdpa_side new, other;
    char *reason = NULL;
    uint64_t missing;
    bool same_guest;

    ovs_mutex_lock(&port->mutex);
    new = port->sides[!options->sw];
    other = port->sides[options->sw];
    same_guest = (port->options.socket_path
                  && vdpa_options_same_ends(&port->options, options));
    ovs_mutex_unlock(&port->mutex);

    conn = vhost ? vdpa_vhost_get_conn(vhost) : NULL;
    if (!conn || !same_guest || !new.known) {
        return NULL;
    }
    if (!options->all_features && other.known) {
        new.features &= other.features;
    }
    if (options->max_queues) {
        new.n_queues = MIN(new.n_queues, options->max_queues);
    }
    missing = vdpa_features_offered(conn->features) & ~new.features;
    if (missing) {
        struct ds names = DS_EMPTY_INITIALIZER;

        vdpa_features_format(missing, &names);
        reason = xasprintf("no %s mode for this guest, that has negotiated "
                           "%s: it stays in %s mode until it leaves", mode,
                           ds_cstr(&names),
                           vdpa_port_get_device(port) ? "hardware"
                           : "software");
        ds_destroy(&names);
    } else if (conn->n_pairs > new.n_queues
               && vhost->max_pairs > new.n_queues
               && options->sw != !vdpa_port_get_device(port)) {
        reason = xasprintf("no %s mode for this guest, that has %u queue "
                           "pairs where there would be %u: it stays in %s "
                           "mode until it leaves", mode, conn->n_pairs,
                           new.n_queues,
                           vdpa_port_get_device(port) ? "hardware"
                           : "software");
    }
    return reason;
}

/* Notes that 'port' has to do without what its options ask for since 'reason',
 * that this function takes ownership of, or not any more if that is NULL. */
static void
port_set_refusal(struct vdpa_port *port, char *reason)
{
    bool changed;

    ovs_mutex_lock(&port->mutex);
    changed = !nullable_string_is_equal(port->switch_refused, reason);
    free(port->switch_refused);
    port->switch_refused = reason;
    ovs_mutex_unlock(&port->mutex);
    if (changed) {
        if (reason) {
            VLOG_WARN("%s: %s", port->name, reason);
        }
        guest_changed(port);
    }
}

/* Joining and parting
 * ------------------- */

/* Tries to join guest and VF of 'port' by a vDPA device.  Returns it if
 * successful, otherwise NULL, with '*reasonp' replaced. */
static struct vdpa_device *
join_device(struct vdpa_port *port, const struct vdpa_options *options,
            char **reasonp)
{
    struct vdpa_device *device;
    struct vdpa_side sw;
    char *reason;

    port_learn(port, options, true);
    ovs_mutex_lock(&port->mutex);
    sw = port->sides[false];
    ovs_mutex_unlock(&port->mutex);
    if (vdpa_device_open(&options->accelerator, port->name,
                         options->socket_path, options->max_queues,
                         sw.known && !options->all_features ? &sw : NULL,
                         guest_changed, port, &device, &reason)) {
        free(*reasonp);
        *reasonp = reason;
    }
    return device;
}

/* Joins guest and VF of 'port' by a relay.  'fallback' must say whether that
 * is in place of hardware.  Returns it if successful, otherwise NULL, with
 * '*errorp' set and a positive errno value in '*error'. */
static struct vdpa_relay *
join_relay(struct vdpa_port *port, const struct vdpa_options *options,
           bool fallback, int *error, char **errorp)
{
    unsigned int max_queues = options->max_queues;
    struct vdpa_side sw, hw;
    struct vdpa_relay *relay;
    uint64_t withheld = 0;
    int mtu;

    if (options->sw) {
        port_learn(port, options, false);
    }
    ovs_mutex_lock(&port->mutex);
    mtu = port->mtu;
    sw = port->sides[false];
    hw = port->sides[true];
    ovs_mutex_unlock(&port->mutex);
    if (hw.known && !options->all_features) {
        withheld = vdpa_features_withheld(hw.features);
        max_queues = max_queues ? max_queues : hw.n_queues;
    }
    if (sw.known && (fallback || !options->max_queues)) {
        max_queues = max_queues ? MIN(max_queues, sw.n_queues) : 0;
    }
    *error = vdpa_relay_open(port->name, options->socket_path,
                             &options->accelerator, max_queues, mtu, withheld,
                             guest_changed, port, &relay, errorp);
    return relay;
}

/* Forgets that guest and VF of 'port' could not be joined, if that was so. */
static void
port_forget_trouble(struct vdpa_port *port)
{
    ovs_mutex_lock(&port->mutex);
    free(port->error);
    port->error = NULL;
    ovs_mutex_unlock(&port->mutex);
    port->removed = false;
    port->must_rejoin = false;
}

/* Chooses when guest and VF of 'port', that it was tried to join now, may be
 * joined again if that is needed: the later the more often it was. */
static void
port_choose_next_join(struct vdpa_port *port)
{
    long long int now = time_msec();

    port->join_interval = (now - port->next_join > MAX_RETRY_INTERVAL
                           || !port->join_interval
                           ? MIN_RETRY_INTERVAL
                           : MIN(port->join_interval * 2, MAX_RETRY_INTERVAL));
    port->next_join = now + port->join_interval;
}

/* Notes that guest and VF of 'port' could not be joined since 'error', that
 * this function takes ownership of. */
static void
port_set_trouble(struct vdpa_port *port, char *error)
{
    bool new;

    ovs_mutex_lock(&port->mutex);
    new = !nullable_string_is_equal(port->error, error);
    free(port->error);
    port->error = error;
    ovs_mutex_unlock(&port->mutex);
    if (new) {
        VLOG_ERR("%s: guest and VF are not joined any more: %s; that is tried "
                 "again, less and less often", port->name, error);
    }
    guest_changed(port);
}

/* Joins guest and VF of 'port', that are not, as 'options' say: in hardware,
 * if 'hardware' is true and that can be had, otherwise by a relay.  A nonnull
 * 'reason', that this function takes ownership of, says in words why hardware
 * could not be had the last time.
 *
 * Returns 0 if successful, otherwise a positive errno value, and a
 * description, that the caller must free, in '*errorp'. */
static int
port_join(struct vdpa_port *port, const struct vdpa_options *options,
          bool hardware, char *reason, char **errorp)
{
    struct vdpa_device *device = NULL;
    struct vdpa_relay *relay = NULL;
    struct vdpa_stats *stats;
    int error = 0;

    if (hardware) {
        device = join_device(port, options, &reason);
    }
    if (!device) {
        relay = join_relay(port, options, !options->sw, &error, errorp);
    }
    if (error) {
        free(reason);
        return error;
    }
    port_learn_own(port, device, relay);
    stats = (device ? vdpa_stats_create_device(device)
             : vdpa_stats_create_vf(relay->vf));

    if (device) {
        VLOG_INFO("%s: vDPA device %s serves the guest on %s, with up to %u "
                  "queue pairs", port->name, device->devargs.string,
                  device->vhost->path, device->n_queues);
    } else {
        if (reason) {
            VLOG_WARN("%s: falling back to software vDPA: %s; "
                      "options:vdpa-sw=true asks for that", port->name,
                      reason);
        }
        VLOG_INFO("%s: relaying between %s and device %s, with up to %u queue "
                  "pairs", port->name, relay->vhost->path,
                  relay->vf->devargs.string, relay->vf->n_queues);
    }
    ovs_mutex_lock(&port->mutex);
    free(port->fallback_reason);
    port->fallback_reason = reason;
    ovs_mutex_unlock(&port->mutex);
    port->told_removed = false;
    port->way = (struct vdpa_options) {
        .sw = options->sw,
        .all_features = options->all_features,
        .max_queues = options->max_queues,
    };
    ovsrcu_set(&port->stats, stats);
    ovsrcu_set(&port->relay, relay);
    ovsrcu_set(&port->device, device);
    guest_changed(port);
    return 0;
}

/* Joins guest and VF of 'port' as 'options' say, of which it takes ownership,
 * leaving '*options' empty, if successful.  What was there before is closed
 * first, unless it can stay as it is, or has to since the guest would be cut
 * off: then it is changed when that has left.
 *
 * Returns 0 if successful, otherwise a positive errno value, and a
 * description, that the caller must free, in '*errorp'. */
int
vdpa_port_configure(struct vdpa_port *port, struct vdpa_options *options,
                    char **errorp)
{
    char *refusal = NULL;
    bool same;
    int error;

    close_retired();

    ovs_mutex_lock(&port->mutex);
    same = (port->configured
            && vdpa_options_same_ends(&port->options, options)
            && vdpa_options_same_way(&port->way, options));
    ovs_mutex_unlock(&port->mutex);
    if (!same) {
        error = vdpa_claim_check_options(port, options, errorp);
        if (error) {
            return error;
        }
        refusal = port_why_no_switch(port, options);
    }
    if (!same && !refusal) {
        port_part(port);
        port->retry_interval = 0;
        port_forget_trouble(port);
        port->join_interval = 0;
        port_choose_next_join(port);
        error = port_join(port, options, !options->sw, NULL, errorp);
        if (error) {
            return error;
        }
    }
    port_set_refusal(port, refusal);
    port->configured = true;

    ovs_mutex_lock(&port->mutex);
    vdpa_options_destroy(&port->options);
    port->options = *options;
    memset(options, 0, sizeof *options);
    ovs_mutex_unlock(&port->mutex);
    return 0;
}

/* Notes that new options of 'port' are wrong: OVS is going to destroy it. */
void
vdpa_port_unconfigure(struct vdpa_port *port)
{
    port->configured = false;
}

/* Joins guest and VF of 'port' anew, with 'hardware' and 'reason' as for
 * port_join().  If that fails, it is tried again later. */
static void
port_rejoin(struct vdpa_port *port, bool hardware, char *reason)
{
    struct vdpa_options options;
    char *error;

    ovs_mutex_lock(&port->mutex);
    vdpa_options_clone(&options, &port->options);
    ovs_mutex_unlock(&port->mutex);

    port_part(port);
    port_choose_next_join(port);
    vdpa_devargs_set_quiet(&options.accelerator, true);
    if (port_join(port, &options, hardware, reason, &error)) {
        port_set_trouble(port, error);
    } else {
        bool trouble = port->removed || port->must_rejoin;

        ovs_mutex_lock(&port->mutex);
        trouble |= port->error != NULL;
        ovs_mutex_unlock(&port->mutex);
        if (trouble) {
            port_forget_trouble(port);
            VLOG_INFO("%s: guest and VF are joined again", port->name);
        }
    }
    vdpa_devargs_set_quiet(&options.accelerator, false);
    vdpa_options_destroy(&options);
}

/* Notes that hardware was tried for 'port' and did not serve the guest. */
static void
port_refused(struct vdpa_port *port)
{
    port->retry_interval = (port->retry_interval
                            ? MIN(port->retry_interval * 2, MAX_RETRY_INTERVAL)
                            : MIN_RETRY_INTERVAL);
    port->next_try = time_msec() + port->retry_interval;
}

/* Has a relay take the place of the device of 'port', whose driver refuses to
 * serve the guest. */
static void
port_fall_back(struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    char *reason;

    reason = xasprintf("vDPA device %s refused to serve the guest (%s)",
                       device->devargs.name,
                       ovs_strerror(vdpa_device_get_error(device)));
    port_refused(port);
    port_rejoin(port, false, reason);
}

/* Returns true if it is time to try hardware again for 'port', which has
 * 'relay' since a guest was refused. */
static bool
port_may_retry(const struct vdpa_port *port, const struct vdpa_relay *relay)
{
    return (port->retry_interval && time_msec() >= port->next_try
            && vdpa_vhost_has_guest_left(relay->vhost));
}

/* Has the device take the place of the relay of 'port' again. */
static void
port_retry(struct vdpa_port *port)
{
    char *reason;

    VLOG_INFO("%s: trying hardware vDPA again, since the guest has left",
              port->name);
    ovs_mutex_lock(&port->mutex);
    reason = nullable_xstrdup(port->fallback_reason);
    ovs_mutex_unlock(&port->mutex);
    port_rejoin(port, true, reason);
    if (!vdpa_port_get_device(port)) {
        port_refused(port);
    }
}

/* Forgets that hardware could not be had for 'port', if that is so, since now
 * the driver serves the guest. */
static void
port_forget_refusals(struct vdpa_port *port)
{
    if (port->retry_interval) {
        port->retry_interval = 0;
        ovs_mutex_lock(&port->mutex);
        free(port->fallback_reason);
        port->fallback_reason = NULL;
        ovs_mutex_unlock(&port->mutex);
        VLOG_INFO("%s: the guest has hardware vDPA again", port->name);
        netdev_change_seq_changed(port->netdev);
    }
}

/* Returns true if the VF of 'port' takes an MTU of 'mtu' bytes.  A vDPA device
 * is not asked: its guest and the NIC's switch know their MTUs. */
bool
vdpa_port_is_mtu_ok(const struct vdpa_port *port, int mtu)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);

    if (relay && mtu > relay->vf->max_mtu) {
        VLOG_WARN("%s: device %s takes no MTU of %d, only up to %d",
                  port->name, relay->vf->devargs.string, mtu,
                  relay->vf->max_mtu);
        return false;
    }
    return true;
}

/* Has the VF of 'port' take an MTU of 'mtu' bytes.  No thread may poll the
 * port meanwhile.  If the VF fails to, guest and VF are joined anew, with that
 * MTU. */
void
vdpa_port_set_mtu(struct vdpa_port *port, int mtu)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    int error = 0;

    if (relay && !vdpa_vf_is_removed(relay->vf)) {
        error = vdpa_vf_set_mtu(relay->vf, mtu);
    }
    if (error) {
        VLOG_WARN("%s: device %s takes no MTU of %d (%s)", port->name,
                  relay->vf->devargs.string, mtu, ovs_strerror(error));
        port->must_rejoin = true;
    }
    ovs_mutex_lock(&port->mutex);
    port->mtu = mtu;
    ovs_mutex_unlock(&port->mutex);
    if (error) {
        guest_changed(port);
    }
}

/* Returns whether the VF of 'port' was unplugged. */
bool
vdpa_port_is_removed(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool removed = port->removed;

    if (device) {
        removed = vdpa_device_is_removed(device);
    } else if (relay) {
        removed = vdpa_vf_is_removed(relay->vf);
    }
    return removed;
}

/* Returns whether the link of 'port' is up: that of its VF or representor is
 * if 'up', and there is a guest, if the port's options ask for that.  Stores
 * into '*resets', if nonnull, how often that changed. */
bool
vdpa_port_limit_link(struct vdpa_port *port, bool up, long long int *resets)
{
    const struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    bool has_guest = vhost && vdpa_vhost_get_conn(vhost);
    bool changed;

    ovs_mutex_lock(&port->mutex);
    up = up && (has_guest || !port->options.link_of_guest);
    changed = up != port->link_up;
    port->link_up = up;
    port->link_resets += changed;
    if (resets) {
        *resets = port->link_resets;
    }
    ovs_mutex_unlock(&port->mutex);
    if (changed) {
        netdev_change_seq_changed(port->netdev);
    }
    return up;
}

/* Returns whether the link of 'port', which has no representor, is up, and
 * stores into '*resets', if nonnull, how often that changed.  DPDK does not
 * tell of the link of a vDPA device: that is up as long as there is the
 * device. */
bool
vdpa_port_get_link(struct vdpa_port *port, long long int *resets)
{
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool up;

    if (relay && !vdpa_vf_is_removed(relay->vf)) {
        struct rte_eth_link link;

        memset(&link, 0, sizeof link);
        rte_eth_link_get_nowait(relay->vf->port_id, &link);
        up = link.link_status == RTE_ETH_LINK_UP;
    } else {
        up = vdpa_port_get_device(port) && !vdpa_port_is_removed(port);
    }
    return vdpa_port_limit_link(port, up, resets);
}

/* Returns how many queue pairs the guest of 'port' may use. */
unsigned int
vdpa_port_n_queues(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return device ? device->n_queues : relay ? relay->vf->n_queues : 0;
}

/* Returns the NUMA node of the VF of 'port'. */
int
vdpa_port_get_numa_id(const struct vdpa_port *port)
{
    const struct vdpa_device *device = vdpa_port_get_device(port);
    const struct vdpa_relay *relay = vdpa_port_get_relay(port);

    return device ? device->socket_id : relay ? relay->vf->socket_id : 0;
}

/* Adds the options of 'port' to 'args'. */
void
vdpa_port_get_config(struct vdpa_port *port, struct smap *args)
{
    ovs_mutex_lock(&port->mutex);
    if (port->options.socket_path) {
        vdpa_options_format(&port->options, args);
    }
    ovs_mutex_unlock(&port->mutex);
}

/* Adds a description of all ports, one after the other, to 's'. */
void
vdpa_ports_format(struct ds *s)
{
    struct vdpa_port *port;

    VDPA_PORT_FOR_EACH (port) {
        vdpa_status_format(port, s);
    }
}

/* Looks at what only polling tells about 'port'. */
static void
port_poll(struct vdpa_port *port)
    OVS_REQUIRES(ports_mutex)
{
    bool alone;

    ovs_mutex_lock(&port->mutex);
    alone = !port->options.representor;
    ovs_mutex_unlock(&port->mutex);
    if (alone) {
        vdpa_port_get_link(port, NULL);
    }

    if (port->told_removed != vdpa_port_is_removed(port)) {
        port->told_removed = !port->told_removed;
        netdev_change_seq_changed(port->netdev);
    }
}

/* Returns true if 'port' is in another mode than its options say since its
 * guest would have been cut off, and that has left. */
static bool
port_may_switch(struct vdpa_port *port)
{
    struct vdpa_vhost *vhost = vdpa_port_get_vhost(port);
    bool refused;

    ovs_mutex_lock(&port->mutex);
    refused = port->switch_refused != NULL;
    ovs_mutex_unlock(&port->mutex);
    return refused && (!vhost || vdpa_vhost_has_guest_left(vhost));
}

/* Has guest and VF of 'port' joined as its options say, at last. */
static void
port_switch(struct vdpa_port *port)
{
    bool hardware;

    ovs_mutex_lock(&port->mutex);
    hardware = !port->options.sw;
    ovs_mutex_unlock(&port->mutex);
    port->retry_interval = 0;
    port_rejoin(port, hardware, NULL);
    port_set_refusal(port, NULL);
}

/* Returns true if what joins guest and VF of 'port' is not there, or is of no
 * use. */
static bool
port_is_in_trouble(const struct vdpa_port *port)
{
    return (port->must_rejoin || !vdpa_port_is_joined(port)
            || vdpa_port_is_removed(port));
}

/* Returns true if that is so, and it is time to try to join them again. */
static bool
port_must_rejoin(const struct vdpa_port *port)
{
    return (port->configured && time_msec() >= port->next_join
            && port_is_in_trouble(port));
}

/* Joins guest and VF of 'port' again, in hardware unless its driver has just
 * refused the guest. */
static void
port_recover(struct vdpa_port *port)
{
    char *reason = NULL;
    bool hardware;

    port->removed = vdpa_port_is_removed(port);
    port->must_rejoin = true;
    ovs_mutex_lock(&port->mutex);
    hardware = (!port->options.sw
                && (!port->retry_interval || time_msec() >= port->next_try));
    if (!hardware) {
        reason = nullable_xstrdup(port->fallback_reason);
    }
    ovs_mutex_unlock(&port->mutex);
    port_rejoin(port, hardware, reason);
}

/* Parts guest and VF of 'port', that has gone, until they may be joined
 * again. */
static void
port_await_device(struct vdpa_port *port)
{
    port->removed = port->must_rejoin = true;
    port_part(port);
    ovs_mutex_lock(&port->mutex);
    free(port->error);
    port->error = xasprintf("device %s was removed",
                            port->options.accelerator.name);
    ovs_mutex_unlock(&port->mutex);
    guest_changed(port);
}

/* Changes how guest and VF are joined of those of the ports called 'names' for
 * which that is due, and has the relays of the others do what they have to ask
 * the NIC for.  To be called with no lock held, as the NIC, and other threads
 * when what joins the two is closed, may keep it waiting.  So it takes
 * references to keep the netdevs from being freed. */
static void
change_joins(const struct sset *names)
{
    const char *name;

    SSET_FOR_EACH (name, names) {
        struct netdev *netdev = netdev_from_name(name);
        struct vdpa_port *port = netdev ? vdpa_port_from_netdev(netdev) : NULL;
        struct vdpa_device *device = port ? vdpa_port_get_device(port) : NULL;
        struct vdpa_relay *relay = port ? vdpa_port_get_relay(port) : NULL;

        if (port && port_must_rejoin(port)) {
            port_recover(port);
        } else if (port && vdpa_port_is_joined(port)
                   && vdpa_port_is_removed(port)) {
            port_await_device(port);
        } else if (port && port_may_switch(port)) {
            port_switch(port);
        } else if (device && vdpa_device_get_error(device)) {
            port_fall_back(port);
        } else if (relay && vdpa_vf_wants_reset(relay->vf)) {
            vdpa_vf_reset(relay->vf);
            netdev_change_seq_changed(netdev);
        } else if (relay && port_may_retry(port, relay)) {
            port_retry(port);
        } else if (relay) {
            vdpa_relay_periodic(relay);
        }
        netdev_close(netdev);
    }
}

/* Does for 'port' what can be done under 'ports_mutex', where nobody may be
 * waited for, and adds its name to 'changing' if that is not all. */
static void
port_run(struct vdpa_port *port, bool poll, struct sset *changing)
    OVS_REQUIRES(ports_mutex)
{
    struct vdpa_device *device = vdpa_port_get_device(port);
    struct vdpa_relay *relay = vdpa_port_get_relay(port);
    bool changing_join = (port_must_rejoin(port) || port_may_switch(port)
                          || vdpa_port_is_removed(port));
    bool changed;

    atomic_read(&port->changed, &changed);
    if (changed) {
        struct vdpa_stats *stats = vdpa_port_get_stats(port);

        atomic_store(&port->changed, false);
        netdev_change_seq_changed(port->netdev);
        if (stats) {
            vdpa_stats_refresh(stats);
        }
    }
    if (device) {
        vdpa_device_periodic(device);
        if (vdpa_device_get_error(device)) {
            changing_join = true;
        } else if (vdpa_device_has_served(device)) {
            port_forget_refusals(port);
        }
    } else if (relay) {
        changing_join |= port_may_retry(port, relay);
    }
    if (poll && port->configured) {
        port_poll(port);
    }
    if (changing_join || (relay && (changed || poll))) {
        sset_add(changing, port->name);
    }
}

/* Closes ports that OVS has destroyed, and does for the others what has to be
 * done outside the packet path. */
void
vdpa_ports_run(void)
{
    struct sset changing = SSET_INITIALIZER(&changing);
    bool poll = time_msec() >= next_poll;
    uint64_t new_seq = seq_read(run_seq());
    struct vdpa_port *port;

    if (new_seq == last_run_seq && !poll) {
        return;
    }
    last_run_seq = new_seq;
    if (poll) {
        next_poll = time_msec() + POLL_INTERVAL;
    }

    close_retired();

    /* The mutex keeps netdevs from being freed. */
    ovs_mutex_lock(&ports_mutex);
    VDPA_PORT_FOR_EACH (port) {
        port_run(port, poll, &changing);
    }
    ovs_mutex_unlock(&ports_mutex);

    change_joins(&changing);
    sset_destroy(&changing);
}

/* Arranges for the main thread to wake up when vdpa_ports_run() is to be
 * called. */
void
vdpa_ports_wait(void)
{
    seq_wait(run_seq(), last_run_seq);
    if (!cmap_is_empty(&vdpa_ports)) {
        poll_timer_wait_until(next_poll);
    }
}
