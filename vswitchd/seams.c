/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

/* Where the plugin attaches to Open vSwitch
 * =========================================
 *
 * ovs-vswitchd is linked from its own, unmodified objects with GNU ld's
 * --wrap=SYMBOL for each seam below: a call of SYMBOL from one of OVS's
 * objects to another then reaches __wrap_SYMBOL() here, and __real_SYMBOL() is
 * the original.  A call within the object that defines SYMBOL is not diverted.
 *
 * A seam that does not attach would be a plugin that is silently not there.
 * So the build looks into the linker's cross references whether the calling
 * object of each seam reaches the wrapper (see check-seams and automake.mk,
 * that has the list of seams too), and when DPDK has been initialized, each
 * seam that must have been passed by then was, or ovs-vswitchd stops and says
 * which one was not.
 *
 * All seams are those of OVS 3.1.x, but for sigaction(), which is one of the C
 * library's. */

#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>

#include "dpdk.h"
#include "dpif.h"
#include "guest-sigbus.h"
#include "netdev-dpdk-guard.h"
#include "netdev-dpdk.h"
#include "netdev-dpdkvdpa.h"
#include "netdev-offload.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "odp-util.h"
#include "offload-copy.h"
#include "offload-credit.h"
#include "offload-meter.h"
#include "offload-miss.h"
#include "offload-port-number.h"
#include "offload-port-settings.h"
#include "offload-provider.h"
#include "offload-sample.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"
#include "vdpa-guest-memory.h"
#include "vdpa-relay.h"
#include "vport-stats.h"

/* Which seams, of those that starting up passes, were passed. */
struct start_seam {
    const char *symbol;
    bool passed;
};

enum {
    SEAM_DPDK_INIT,
    SEAM_REGISTER_PROVIDER,
    SEAM_UNIXCTL_REGISTER,
    SEAM_DPDK_REGISTER,
    SEAM_REGISTER_FLOW_API,
    N_START_SEAMS
};

static struct start_seam start_seams[N_START_SEAMS] = {
    [SEAM_DPDK_INIT] = { .symbol = "dpdk_init" },
    [SEAM_REGISTER_PROVIDER] = { .symbol = "netdev_register_provider" },
    [SEAM_UNIXCTL_REGISTER] = { .symbol = "unixctl_command_register" },
    [SEAM_DPDK_REGISTER] = { .symbol = "netdev_dpdk_register" },
    [SEAM_REGISTER_FLOW_API]
        = { .symbol = "netdev_register_flow_api_provider" },
};

static const struct netdev_class *dpdk_class;

/* sigaction(), from DPDK's librte_eal: rte_malloc() and others, in any thread,
 * while DPDK's heap grows by a page, in DPDK 17.11 and later, and
 * rte_dev_hotplug_handle_enable().
 *
 * A guest's hypervisor can make any access to the guest's memory raise SIGBUS,
 * which guest/guest-sigbus.h deals with.  DPDK's handler, which takes the
 * place of ours for a moment, would jump to the stack of the thread that
 * installed it, whichever thread it runs in.
 *
 * This is no --wrap, which has no effect on calls from shared libraries: the
 * executable's function is found before the C library's, since the linker
 * exports it (see automake.mk). */
typedef int sigaction_func(int, const struct sigaction *, struct sigaction *);

int
sigaction(int signum, const struct sigaction *new, struct sigaction *old)
{
    static sigaction_func *real;
    sigaction_func *f;

    if (signum == SIGBUS && guest_sigbus_is_caught()) {
        return guest_sigbus_action(new, old);
    }
    f = __atomic_load_n(&real, __ATOMIC_RELAXED);
    if (!f) {
        f = (sigaction_func *) (uintptr_t) dlsym(RTLD_NEXT, "sigaction");
        __atomic_store_n(&real, f, __ATOMIC_RELAXED);
    }
    return f(signum, new, old);
}

static void
check_start_seams(void)
{
    for (int i = 0; i < N_START_SEAMS; i++) {
        if (!start_seams[i].passed) {
            ovs_abort(0, "seam %s is not attached: this ovs-vswitchd was not "
                      "linked as the dpdkvdpa plugin needs it",
                      start_seams[i].symbol);
        }
    }

    /* What libraries find. */
    if (dlsym(RTLD_DEFAULT, "sigaction") != (void *) (uintptr_t) sigaction) {
        ovs_abort(0, "seam sigaction is not attached: this ovs-vswitchd was "
                  "not linked as the dpdkvdpa plugin needs it");
    }
}

/* dpdk_init(), from vswitchd/bridge.c, with every change of the database.
 *
 * Once DPDK is initialized, all seams of starting up must have been passed.
 * This is also where other_config can be seen.  SIGBUS is caught before DPDK
 * has threads that catch it. */
void __real_dpdk_init(const struct smap *);
void __wrap_dpdk_init(const struct smap *);

void
__wrap_dpdk_init(const struct smap *config)
{
    static bool checked = false;

    start_seams[SEAM_DPDK_INIT].passed = true;
    vdpa_guest_memory_init();
    __real_dpdk_init(config);
    offload_port_settings_configure(config);
    if (!checked && dpdk_available()) {
        check_start_seams();
        checked = true;
    }
}

/* netdev_register_provider(), from lib/netdev-dpdk.c, for each of OVS's DPDK
 * classes.
 *
 * The "dpdk" class is static there.  This is where it can be seen, to derive
 * the dpdkvdpa class from it, and to have a class registered in its place that
 * leaves dpdkvdpa ports their VFs. */
int __real_netdev_register_provider(const struct netdev_class *);
int __wrap_netdev_register_provider(const struct netdev_class *);

int
__wrap_netdev_register_provider(const struct netdev_class *class)
{
    start_seams[SEAM_REGISTER_PROVIDER].passed = true;
    if (!strcmp(class->type, "dpdk")) {
        dpdk_class = class;
        class = netdev_dpdk_guard_class(class);
    }
    return __real_netdev_register_provider(class);
}

/* unixctl_command_register(), from lib/netdev-dpdk.c for its commands when the
 * "dpdk" class is registered, and from everybody else for theirs.
 *
 * "netdev-dpdk/detach" looks for who has the device only among OVS's own DPDK
 * ports, and "netdev-dpdk/set-admin-state" takes ports down without a word. */
void __real_unixctl_command_register(const char *name, const char *usage,
                                     int min_args, int max_args,
                                     unixctl_cb_func *, void *aux);
void __wrap_unixctl_command_register(const char *name, const char *usage,
                                     int min_args, int max_args,
                                     unixctl_cb_func *, void *aux);

static unixctl_cb_func *real_set_admin_state;

static void
set_admin_state(struct unixctl_conn *conn, int argc, const char *argv[],
                void *aux)
{
    real_set_admin_state(conn, argc, argv, aux);
    offload_provider_all_settings_changed();
}

void
__wrap_unixctl_command_register(const char *name, const char *usage,
                                int min_args, int max_args,
                                unixctl_cb_func *cb, void *aux)
{
    if (!strcmp(name, "netdev-dpdk/detach")) {
        start_seams[SEAM_UNIXCTL_REGISTER].passed = true;
        cb = netdev_dpdk_guard_detach(cb);
    } else if (!strcmp(name, "netdev-dpdk/set-admin-state")) {
        real_set_admin_state = cb;
        cb = set_admin_state;
    }
    __real_unixctl_command_register(name, usage, min_args, max_args, cb, aux);
}

/* netdev_dpdk_register(), from lib/dpdk.c, once, before there are any ports.
 *
 * The dpdkvdpa class is registered right after the one that it is derived
 * from. */
void __real_netdev_dpdk_register(const struct smap *);
void __wrap_netdev_dpdk_register(const struct smap *);

void
__wrap_netdev_dpdk_register(const struct smap *config)
{
    start_seams[SEAM_DPDK_REGISTER].passed = true;
    if (!start_seams[SEAM_DPDK_INIT].passed) {
        check_start_seams();
    }
    __real_netdev_dpdk_register(config);
    if (!dpdk_class) {
        check_start_seams();
        ovs_abort(0, "Open vSwitch has no netdev class \"dpdk\"");
    }
    netdev_dpdkvdpa_register(dpdk_class);
}

/* netdev_register_flow_api_provider(), from lib/dpdk.c for OVS's own provider
 * for DPDK ports, and from lib/netdev.c for others, before there are any ports
 * that are served.
 *
 * Our provider takes the place of OVS's own: with both, it would be a matter
 * of hash order which one a port is offered to first. */
int __real_netdev_register_flow_api_provider(const struct netdev_flow_api *);
int __wrap_netdev_register_flow_api_provider(const struct netdev_flow_api *);

int
__wrap_netdev_register_flow_api_provider(const struct netdev_flow_api *api)
{
    if (strcmp(api->type, "dpdk_flow_api")) {
        return __real_netdev_register_flow_api_provider(api);
    }
    start_seams[SEAM_REGISTER_FLOW_API].passed = true;
    offload_provider_init();
    return __real_netdev_register_flow_api_provider(&offload_provider_api);
}

/* dp_netdev_input(), from lib/dpif-netdev-private-dpif.c, that has it as what
 * PMD threads call with each batch of packets that they received.
 *
 * All packets of a batch are looked up for the in_port of one of them.  That
 * is wrong if some were in a tunnel when the NIC gave up on them. */
struct dp_netdev_pmd_thread;
struct dp_packet_batch;
int32_t __real_dp_netdev_input(struct dp_netdev_pmd_thread *,
                               struct dp_packet_batch *, odp_port_t);
int32_t __wrap_dp_netdev_input(struct dp_netdev_pmd_thread *,
                               struct dp_packet_batch *, odp_port_t);

struct input_aux {
    struct dp_netdev_pmd_thread *pmd;
    odp_port_t port_no;
};

static void
input_cb(void *aux_, struct dp_packet_batch *batch)
{
    struct input_aux *aux = aux_;

    __real_dp_netdev_input(aux->pmd, batch, aux->port_no);
}

int32_t
__wrap_dp_netdev_input(struct dp_netdev_pmd_thread *pmd,
                       struct dp_packet_batch *batch, odp_port_t port_no)
{
    struct input_aux aux = { pmd, port_no };

    offload_miss_split(batch, input_cb, &aux);
    return 0;
}

/* parse_tcp_flags(), from lib/dpif-netdev.c, for each packet of a port that
 * has only megaflows of the simplest kind, to look it up in a table of those.
 *
 * That table knows nothing of recirc_id and tunnels, which packets may have
 * that the NIC gave up on. */
uint16_t __real_parse_tcp_flags(struct dp_packet *, ovs_be16 *dl_type,
                                uint8_t *nw_frag, ovs_be16 *vlan_tci);
uint16_t __wrap_parse_tcp_flags(struct dp_packet *, ovs_be16 *dl_type,
                                uint8_t *nw_frag, ovs_be16 *vlan_tci);

uint16_t
__wrap_parse_tcp_flags(struct dp_packet *packet, ovs_be16 *dl_type,
                       uint8_t *nw_frag, ovs_be16 *vlan_tci)
{
    uint16_t flags = __real_parse_tcp_flags(packet, dl_type, nw_frag,
                                            vlan_tci);

    if (vlan_tci) {
        offload_miss_hide_tci(packet, vlan_tci);
    }
    return flags;
}

/* dp_netdev_impl_set_default_by_name(), from lib/dpif-netdev.c, for command
 * "dpif-netdev/dpif-impl-set".
 *
 * The AVX512 implementation does not ask what became of packets in the
 * NIC. */
int32_t __real_dp_netdev_impl_set_default_by_name(const char *name);
int32_t __wrap_dp_netdev_impl_set_default_by_name(const char *name);

int32_t
__wrap_dp_netdev_impl_set_default_by_name(const char *name)
{
    return (offload_miss_impl_ok(name)
            ? __real_dp_netdev_impl_set_default_by_name(name) : -ENOTSUP);
}

/* dp_netdev_input_outer_avx512(), from lib/dpif-netdev-private-dpif.c, that
 * has it as what PMD threads may call instead.
 *
 * It may have been chosen before there was any offload. */
#ifdef __x86_64__
int32_t __real_dp_netdev_input_outer_avx512(struct dp_netdev_pmd_thread *,
                                            struct dp_packet_batch *,
                                            odp_port_t);
int32_t __wrap_dp_netdev_input_outer_avx512(struct dp_netdev_pmd_thread *,
                                            struct dp_packet_batch *,
                                            odp_port_t);

int32_t
__wrap_dp_netdev_input_outer_avx512(struct dp_netdev_pmd_thread *pmd,
                                    struct dp_packet_batch *batch,
                                    odp_port_t port_no)
{
    return (netdev_is_flow_api_enabled()
            ? __wrap_dp_netdev_input(pmd, batch, port_no)
            : __real_dp_netdev_input_outer_avx512(pmd, batch, port_no));
}
#endif

/* odp_flow_key_hash() and ds_put_cstr(), from lib/dpif-netdev.c, when a
 * megaflow is made.
 *
 * By its mega_ufid a megaflow is known to providers.  Open vSwitch 3.1 hashes
 * the masked fields, but not the mask, so that two megaflows may share one:
 * 128.0.0.0/1 and 128.0.0.0/2, say.  The provider would be told of one of
 * them, and its rule would stay when that one goes.  (Open vSwitch mended it
 * later.)  So the mask is added.  When the hash is made the megaflow has no
 * mask yet; it has one when dpif-netdev begins to describe it for dumps. */
void __real_odp_flow_key_hash(const void *key, size_t key_len, ovs_u128 *);
void __wrap_odp_flow_key_hash(const void *key, size_t key_len, ovs_u128 *);
void __real_ds_put_cstr(struct ds *, const char *);
void __wrap_ds_put_cstr(struct ds *, const char *);

/* The hash that this thread has made last: until the description begins,
 * perhaps the mega_ufid of a megaflow. */
static __thread ovs_u128 *last_hash;

void
__wrap_odp_flow_key_hash(const void *key, size_t key_len, ovs_u128 *hash)
{
    __real_odp_flow_key_hash(key, key_len, hash);
    last_hash = hash;
}

void
__wrap_ds_put_cstr(struct ds *ds, const char *s)
{
    if (OVS_UNLIKELY(last_hash) && !strcmp(s, "miniflow_bits(")) {
        offload_copy_add_mask(last_hash);
        last_hash = NULL;
    }
    __real_ds_put_cstr(ds, s);
}

/* udpif_revalidate(), from ofproto/ofproto-dpif.c, when something has changed
 * that megaflows may depend on.
 *
 * A megaflow that is made from now on may be of another OpenFlow rule than its
 * predecessor. */
struct udpif;
void __real_udpif_revalidate(struct udpif *);
void __wrap_udpif_revalidate(struct udpif *);

void
__wrap_udpif_revalidate(struct udpif *udpif)
{
    offload_credit_revalidate();
    __real_udpif_revalidate(udpif);
}

/* dpif_port_add() and dpif_port_del(), from ofproto/ofproto-dpif.c, for ports
 * of bridges.
 *
 * A port that gets the number of another one, which has just gone, would get
 * its megaflows, too, but none of their rules. */
int __real_dpif_port_add(struct dpif *, struct netdev *, odp_port_t *port_nop);
int __wrap_dpif_port_add(struct dpif *, struct netdev *, odp_port_t *port_nop);
int __real_dpif_port_del(struct dpif *, odp_port_t, bool local_delete);
int __wrap_dpif_port_del(struct dpif *, odp_port_t, bool local_delete);

int
__wrap_dpif_port_add(struct dpif *dpif, struct netdev *netdev,
                     odp_port_t *port_nop)
{
    if (port_nop && *port_nop == ODPP_NONE) {
        *port_nop = offload_port_number_choose(dpif);
    }
    return __real_dpif_port_add(dpif, netdev, port_nop);
}

int
__wrap_dpif_port_del(struct dpif *dpif, odp_port_t port_no, bool local_delete)
{
    offload_port_number_release(dpif, port_no);
    return __real_dpif_port_del(dpif, port_no, local_delete);
}

/* dpif_meter_set(), dpif_meter_get() and dpif_meter_del(), from
 * ofproto/ofproto-dpif.c, for meters of OpenFlow.
 *
 * dpif-netdev does not tell providers of them. */
int __real_dpif_meter_set(struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_config *);
int __wrap_dpif_meter_set(struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_config *);
int __real_dpif_meter_get(const struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_stats *, uint16_t n_bands);
int __wrap_dpif_meter_get(const struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_stats *, uint16_t n_bands);
int __real_dpif_meter_del(struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_stats *, uint16_t n_bands);
int __wrap_dpif_meter_del(struct dpif *, ofproto_meter_id,
                          struct ofputil_meter_stats *, uint16_t n_bands);

static bool
is_ours(const struct dpif *dpif)
{
    return !strcmp(dpif_type(dpif), "netdev");
}

int
__wrap_dpif_meter_set(struct dpif *dpif, ofproto_meter_id id,
                      struct ofputil_meter_config *config)
{
    int error = __real_dpif_meter_set(dpif, id, config);

    if (!error && is_ours(dpif)) {
        offload_meter_set(id.uint32, config);
    }
    return error;
}

int
__wrap_dpif_meter_get(const struct dpif *dpif, ofproto_meter_id id,
                      struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    int error = __real_dpif_meter_get(dpif, id, stats, n_bands);

    if (!error && stats && is_ours(dpif)) {
        offload_meter_add_stats(id.uint32, stats, n_bands);
    }
    return error;
}

int
__wrap_dpif_meter_del(struct dpif *dpif, ofproto_meter_id id,
                      struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    int error = __real_dpif_meter_del(dpif, id, stats, n_bands);

    if (is_ours(dpif)) {
        offload_meter_del(id.uint32);
    }
    return error;
}

/* dpif_register_upcall_cb(), from ofproto/ofproto-dpif-upcall.c, when the
 * first bridge of a datapath type has come, and with a null 'cb' when the last
 * one has gone.
 *
 * In between, samples from the NIC are handed to that datapath. */
void __real_dpif_register_upcall_cb(struct dpif *, upcall_callback *,
                                    void *aux);
void __wrap_dpif_register_upcall_cb(struct dpif *, upcall_callback *,
                                    void *aux);

void
__wrap_dpif_register_upcall_cb(struct dpif *dpif, upcall_callback *cb,
                               void *aux)
{
    if (is_ours(dpif)) {
        offload_sample_set_dpif(cb ? dpif : NULL);
    }
    __real_dpif_register_upcall_cb(dpif, cb, aux);
}

/* netdev_reconfigure(), from lib/dpif-netdev.c, when a port's queues, MTU or
 * other things are changed.
 *
 * Most NICs forget the rules of a port that is stopped.  And a port for which
 * this fails is destroyed, without a word to its provider. */
int __real_netdev_reconfigure(struct netdev *);
int __wrap_netdev_reconfigure(struct netdev *);

int
__wrap_netdev_reconfigure(struct netdev *netdev)
{
    int error;

    offload_provider_reconfigure(netdev);
    error = __real_netdev_reconfigure(netdev);
    offload_provider_settings_changed(netdev);
    offload_provider_reconfigured(netdev, error);
    return error;
}

/* netdev_turn_flags_on() and netdev_turn_flags_off(), from ofproto/ofproto.c
 * for OpenFlow's "mod-port", and from elsewhere for other flags;
 * netdev_set_policing() and netdev_set_qos(), from vswitchd/bridge.c with
 * every change of the database.
 *
 * What software does to packets at a port changes, of which rules know
 * nothing. */
int __real_netdev_turn_flags_on(struct netdev *, enum netdev_flags,
                                struct netdev_saved_flags **);
int __wrap_netdev_turn_flags_on(struct netdev *, enum netdev_flags,
                                struct netdev_saved_flags **);
int __real_netdev_turn_flags_off(struct netdev *, enum netdev_flags,
                                 struct netdev_saved_flags **);
int __wrap_netdev_turn_flags_off(struct netdev *, enum netdev_flags,
                                 struct netdev_saved_flags **);
int __real_netdev_set_policing(struct netdev *, uint32_t kbits_rate,
                               uint32_t kbits_burst, uint32_t kpkts_rate,
                               uint32_t kpkts_burst);
int __wrap_netdev_set_policing(struct netdev *, uint32_t kbits_rate,
                               uint32_t kbits_burst, uint32_t kpkts_rate,
                               uint32_t kpkts_burst);
int __real_netdev_set_qos(struct netdev *, const char *type,
                          const struct smap *details);
int __wrap_netdev_set_qos(struct netdev *, const char *type,
                          const struct smap *details);

int
__wrap_netdev_turn_flags_on(struct netdev *netdev, enum netdev_flags flags,
                            struct netdev_saved_flags **saved)
{
    int error = __real_netdev_turn_flags_on(netdev, flags, saved);

    offload_provider_settings_changed(netdev);
    return error;
}

int
__wrap_netdev_turn_flags_off(struct netdev *netdev, enum netdev_flags flags,
                             struct netdev_saved_flags **saved)
{
    int error = __real_netdev_turn_flags_off(netdev, flags, saved);

    offload_provider_settings_changed(netdev);
    return error;
}

/* netdev-dpdk polices by bits only. */
int
__wrap_netdev_set_policing(struct netdev *netdev, uint32_t kbits_rate,
                           uint32_t kbits_burst, uint32_t kpkts_rate,
                           uint32_t kpkts_burst)
{
    int error = __real_netdev_set_policing(netdev, kbits_rate, kbits_burst,
                                           kpkts_rate, kpkts_burst);

    offload_provider_set_policed(netdev, kbits_rate != 0);
    return error;
}

int
__wrap_netdev_set_qos(struct netdev *netdev, const char *type,
                      const struct smap *details)
{
    int error = __real_netdev_set_qos(netdev, type, details);

    offload_provider_settings_changed(netdev);
    return error;
}

/* netdev_get_stats(), from vswitchd/bridge.c for the database, from
 * ofproto/ofproto-dpif.c for OpenFlow, and from others.
 *
 * A port's ethdev counts only what software received and sent. */
int __real_netdev_get_stats(const struct netdev *, struct netdev_stats *);
int __wrap_netdev_get_stats(const struct netdev *, struct netdev_stats *);

int
__wrap_netdev_get_stats(const struct netdev *netdev,
                        struct netdev_stats *stats)
{
    int error = __real_netdev_get_stats(netdev, stats);

    if (!error) {
        vport_stats_get(CONST_CAST(struct netdev *, netdev), stats);
    }
    return error;
}

/* xnanosleep_no_quiesce(), from lib/dpif-netdev.c, by PMD threads whose ports
 * are idle, if other_config:pmd-maxsleep is set.
 *
 * What a relay moves is not among the packets that a PMD thread receives, so
 * it would be put to sleep while guests wait. */
void __real_xnanosleep_no_quiesce(uint64_t nsec);
void __wrap_xnanosleep_no_quiesce(uint64_t nsec);

void
__wrap_xnanosleep_no_quiesce(uint64_t nsec)
{
    nsec = vdpa_relay_limit_sleep(nsec);
    if (nsec) {
        __real_xnanosleep_no_quiesce(nsec);
    }
}
