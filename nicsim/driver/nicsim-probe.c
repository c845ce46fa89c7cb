/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Plugging: from devargs to ethdevs, and back
 * ===========================================
 *
 *     net_nicsim<N>[,nic=SOCKET][,representor=LIST][,personality=NAME...]
 *                                                      PF and representors
 *     net_nicsim<N>_vf<I>[,nic=SOCKET]                 a VF
 *     net_nicsim<N>_vf<I>,class=vdpa[,nic=SOCKET]      a VF's vDPA device
 *
 * A PF's vdev gets an ethdev for the PF and one for each VF's representor,
 * whatever representor= says, since the vdev bus probes a device only once
 * while an application asks for one representor after the other.  DPDK's
 * table of ports is small, however (RTE_MAX_ETHPORTS), and each VF may need an
 * ethdev of its own in the same process: representors that nobody asked for
 * are left out as soon as fewer ports would be free than representors exist.
 *
 * An application may close a single port of a vdev (rte_eth_dev_close) and ask
 * for it again later, by looking for it and, if it is not there,
 * rte_dev_probe().  On a PCI bus the driver's probe function would be called;
 * the vdev bus says EEXIST, which rte_dev_probe() takes for success.  But it
 * scans the bus before that, having put the new devargs in the place of the
 * old ones: so we hook into the scan, and bring back whatever is missing of a
 * vdev whose devargs were replaced.
 *
 * The PF needs more care.  Who looks for "net_nicsim0" without further
 * arguments is given the first port of the device, representor or not
 * (eth_dev_match() in DPDK 22.11 forgets to ask in this case), and would take
 * a representor for the closed PF.  So a PF always has a lower port id than
 * its representors, and when it is closed while there are any, a new one
 * takes its place before anybody can look for it: a thread holds the lock of
 * the vdev bus from before the old port is released until the new one is
 * there.  It is announced (RTE_ETH_EVENT_NEW) when the vdev is probed. */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bus_driver.h>
#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <rte_kvargs.h>

#include "nicsim-host.h"
#include "nicsim-log.h"
#include "nicsim-personality.h"
#include "nicsim-port.h"
#include "nicsim-util.h"
#include "nicsim-vdpa.h"

#define DRIVER_NAME "net_nicsim"
#define ARG_NIC "nic"
#define ARG_REPRESENTOR "representor"
#define ARG_CLASS "class"
#define ARG_PERSONALITY "personality"
/* Parameters of personalities, which know what they may be. */
#define PERSONALITY_ARGS "card", "dv_xmeta_en", "flex_profile", "rdma_core"

RTE_LOG_REGISTER(nicsim_logtype, pmd.net.nicsim, NOTICE);

static pthread_mutex_t vdevs_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, nicsim_vdev) vdevs = LIST_HEAD_INITIALIZER(vdevs);

void
nicsim_log(uint32_t level, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    rte_log(level, nicsim_logtype, "nicsim: %s\n", line);
}

/* Names and arguments. */

/* Parses a decimal number without sign or leading zeros.  Returns what follows
 * it, or NULL. */
static const char *
parse_number(const char *s, unsigned int max, unsigned int *value)
{
    unsigned int v = 0;
    const char *p;

    for (p = s; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (*p - '0');
        if (v > max) {
            return NULL;
        }
    }
    if (p == s || (*s == '0' && p - s > 1)) {
        return NULL;
    }
    *value = v;
    return p;
}

/* Parses a vdev's name: "net_nicsim3" or "net_nicsim3_vf14", and nothing that
 * just begins like that. */
static bool
parse_name(const char *name, unsigned int *nic, bool *is_vf, unsigned int *vf)
{
    const char *p = name + strlen(DRIVER_NAME);

    p = parse_number(p, 9999, nic);
    *is_vf = p && !strncmp(p, "_vf", 3);
    if (*is_vf) {
        p = parse_number(p + 3, NICSIM_MAX_VFS - 1, vf);
    }
    return p && !*p;
}

/* What devargs ask for. */
struct request {
    char *path;                             /* Malloc'd; NULL: the default. */
    char personality[NICSIM_TEXT_LEN];      /* With parameters; "": the
                                             * NIC's default. */
    bool vdpa;                              /* A vDPA device, no ethdev. */
    bool representors[NICSIM_MAX_VFS];
    char bad[64];                           /* What can not be, or "". */
};

static int
parse_nic(const char *key __rte_unused, const char *value, void *request_)
{
    struct request *request = request_;

    free(request->path);
    request->path = value && *value ? nicsim_strdup(value) : NULL;
    return request->path ? 0 : -1;
}

/* Collects personality= and what belongs to it, in the order of 'kvargs'.
 * Returns false if it is too long or has no name. */
static bool
parse_personality(const struct rte_kvargs *kvargs, struct request *request)
{
    static const char *const keys[] = { PERSONALITY_ARGS };
    const char *name = rte_kvargs_get(kvargs, ARG_PERSONALITY);
    char *spec = request->personality;
    size_t size = sizeof request->personality;
    size_t n = snprintf(spec, size, "%s", name ? name : "");

    for (size_t i = 0; i < RTE_DIM(keys) && n < size; i++) {
        const char *value = rte_kvargs_get(kvargs, keys[i]);

        if (value && !name) {
            return false;
        }
        if (value) {
            n += snprintf(spec + n, size - n, ",%s=%s", keys[i], value);
        }
    }
    return n < size;
}

static int
parse_class(const char *key __rte_unused, const char *value, void *request_)
{
    struct request *request = request_;

    request->vdpa = value && !strcmp(value, "vdpa");
    if (!request->vdpa && (!value || strcmp(value, "eth"))) {
        snprintf(request->bad, sizeof request->bad, "class=%s",
                 value ? value : "");
        return -1;
    }
    return 0;
}

/* Takes representor=LIST, once 'n_vfs' is known. */
static bool
parse_representors(const char *args, unsigned int n_vfs,
                   struct request *request)
{
    struct rte_eth_devargs da;

    if (rte_eth_devargs_parse(args, &da)) {
        /* DPDK's parser has room for that many only. */
        snprintf(request->bad, sizeof request->bad,
                 "not a list of at most %d representors",
                 RTE_MAX_ETHPORTS);
        return false;
    }
    if (da.type == RTE_ETH_REPRESENTOR_NONE) {
        return true;
    }
    if (da.type != RTE_ETH_REPRESENTOR_VF) {
        snprintf(request->bad, sizeof request->bad,
                 "only VFs have representors");
        return false;
    }
    for (unsigned int i = 0; i < da.nb_mh_controllers; i++) {
        if (da.mh_controllers[i]) {
            snprintf(request->bad, sizeof request->bad,
                     "there is no controller %u", da.mh_controllers[i]);
            return false;
        }
    }
    for (unsigned int i = 0; i < da.nb_ports; i++) {
        if (da.ports[i]) {
            snprintf(request->bad, sizeof request->bad,
                     "there is no PF %u", da.ports[i]);
            return false;
        }
    }
    for (unsigned int i = 0; i < da.nb_representor_ports; i++) {
        unsigned int vf = da.representor_ports[i];

        if (vf >= n_vfs) {
            snprintf(request->bad, sizeof request->bad,
                     "there is no VF %u", vf);
            return false;
        }
        request->representors[vf] = true;
    }
    return true;
}

/* Parses all but representor=.  Returns 0 or a positive errno, after logging
 * why. */
static int
parse_args(const char *name, const char *args, bool is_vf,
           struct request *request)
{
    static const char *const pf_keys[] = {
        ARG_NIC, ARG_REPRESENTOR, ARG_CLASS, ARG_PERSONALITY,
        PERSONALITY_ARGS, NULL
    };
    static const char *const vf_keys[] = { ARG_NIC, ARG_CLASS, NULL };
    struct rte_kvargs *kvargs;
    int error = 0;

    memset(request, 0, sizeof *request);
    kvargs = rte_kvargs_parse(args, is_vf ? vf_keys : pf_keys);
    if (!kvargs) {
        NICSIM_LOG(ERR, "%s: could not parse \"%s\": a %s takes %s", name,
                   args, is_vf ? "VF" : "PF",
                   is_vf ? "nic= and class= only"
                   : "nic=, representor=, personality= and the "
                   "personality's parameters only");
        return EINVAL;
    }
    if (rte_kvargs_process(kvargs, ARG_CLASS, parse_class, request)) {
        NICSIM_LOG(ERR, "%s: %s is not supported, class=eth %s", name,
                   request->bad, is_vf ? "and class=vdpa are" : "is");
        error = ENOTSUP;
    } else if (request->vdpa && !is_vf) {
        NICSIM_LOG(ERR, "%s: class=vdpa is for VFs", name);
        error = ENOTSUP;
    } else if (rte_kvargs_process(kvargs, ARG_NIC, parse_nic, request)) {
        NICSIM_LOG(ERR, "%s: nic= wants the path of a socket", name);
        error = EINVAL;
    } else if (!parse_personality(kvargs, request)) {
        NICSIM_LOG(ERR, "%s: parameters of a personality want personality=, "
                   "and less than %d characters", name, NICSIM_TEXT_LEN);
        error = EINVAL;
    }
    rte_kvargs_free(kvargs);
    if (error) {
        free(request->path);
        request->path = NULL;
    }
    return error;
}

static char *
default_path(unsigned int nic)
{
    const char *dir = getenv("NICSIM_RUNDIR");
    size_t size;
    char *path;

    dir = dir && *dir ? dir : "/run/nicsim";
    size = strlen(dir) + sizeof "/nicsim9999.sock";
    path = nicsim_zalloc(size);
    if (path) {
        snprintf(path, size, "%s/nicsim%u.sock", dir, nic);
    }
    return path;
}

/* vdevs. */

static unsigned int
count_free_ports(void)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < RTE_MAX_ETHPORTS; i++) {
        n += rte_eth_devices[i].state == RTE_ETH_DEV_UNUSED;
    }
    return n;
}

uint16_t
nicsim_vdev_pf_id(const struct nicsim_vdev *vdev)
{
    uint16_t id = RTE_MAX_ETHPORTS;

    pthread_mutex_lock(&vdevs_mutex);
    if (vdev->ports[0] && !vdev->is_vf) {
        id = vdev->ports[0]->dev->data->port_id;
    }
    pthread_mutex_unlock(&vdevs_mutex);
    return id;
}

/* Makes the PF that backs the representors known to them, or if it has none
 * each its own backer: representors must be found without the PF, too. */
static void
set_backers(struct nicsim_vdev *vdev)
{
    uint16_t pf_id = nicsim_vdev_pf_id(vdev);

    pthread_mutex_lock(&vdevs_mutex);
    for (unsigned int i = 1; i <= NICSIM_MAX_VFS; i++) {
        if (vdev->ports[i]) {
            struct rte_eth_dev_data *data = vdev->ports[i]->dev->data;

            data->backer_port_id = (pf_id == RTE_MAX_ETHPORTS ? data->port_id
                                    : pf_id);
        }
    }
    pthread_mutex_unlock(&vdevs_mutex);
}

static void
set_port(struct nicsim_vdev *vdev, unsigned int slot,
         struct nicsim_port *port)
{
    pthread_mutex_lock(&vdevs_mutex);
    vdev->ports[slot] = port;
    pthread_mutex_unlock(&vdevs_mutex);
    set_backers(vdev);
}

static int
add_port(struct nicsim_vdev *vdev, unsigned int slot, uint32_t fn)
{
    uint16_t pf_id = nicsim_vdev_pf_id(vdev);
    struct nicsim_port *port;
    int error;

    error = nicsim_port_create(vdev, fn,
                               pf_id == RTE_MAX_ETHPORTS ? -1 : pf_id,
                               NULL, &port);
    if (!error) {
        set_port(vdev, slot, port);
        rte_eth_dev_probing_finish(port->dev);
    }
    return error;
}

/* Putting a new PF into the place of a closed one. */

#define RESPAWN_TIMEOUT_MS 1000

struct respawn {
    struct nicsim_vdev *vdev;
    struct nicsim_port old;             /* A copy. */
    uint16_t old_id;
    sem_t locked;                       /* The bus's lock is ours. */
    unsigned int refs;                  /* Atomic. */
};

static void
respawn_unref(struct respawn *respawn)
{
    if (!__atomic_sub_fetch(&respawn->refs, 1, __ATOMIC_ACQ_REL)) {
        sem_destroy(&respawn->locked);
        free(respawn);
    }
}

/* The bus calls this with its lock held. */
static int
respawn_locked(const struct rte_device *dev __rte_unused,
               const void *respawn_)
{
    struct respawn *respawn = (struct respawn *) (uintptr_t) respawn_;
    struct nicsim_vdev *vdev = respawn->vdev;
    struct rte_eth_dev *old_dev = &rte_eth_devices[respawn->old_id];
    struct nicsim_port *port;

    sem_post(&respawn->locked);
    for (int i = 0; i < RESPAWN_TIMEOUT_MS * 50; i++) {
        if (__atomic_load_n(&old_dev->data->name[0], __ATOMIC_ACQUIRE)
            == '\0') {
            break;
        }
        usleep(20);
    }
    if (!nicsim_port_create(vdev, NICSIM_FN(NICSIM_FN_PF, 0), -1,
                            &respawn->old, &port)) {
        vdev->unannounced = true;
        port->dev->state = RTE_ETH_DEV_ATTACHED;
        set_port(vdev, 0, port);
    }
    return 0;
}

static void *
respawn_main(void *respawn_)
{
    struct respawn *respawn = respawn_;

    respawn->vdev->dev->device.bus->find_device(NULL, respawn_locked,
                                                respawn);
    respawn_unref(respawn);
    return NULL;
}

static void
join_respawner(struct nicsim_vdev *vdev)
{
    if (vdev->respawning) {
        pthread_join(vdev->respawner, NULL);
        vdev->respawning = false;
    }
}

/* Starts what will put a new PF into the place of 'port' as soon as that has
 * been released, and waits until nobody can come before it.  (Somebody who
 * closes the port with the bus's lock held, such as a driver of stacked vdevs,
 * waits for nothing.) */
static void
start_respawn(struct nicsim_vdev *vdev, const struct nicsim_port *port)
{
    struct respawn *respawn;
    struct timespec until;

    join_respawner(vdev);
    respawn = nicsim_zalloc(sizeof *respawn);
    if (!respawn) {
        return;
    }
    respawn->vdev = vdev;
    respawn->old = *port;
    respawn->old_id = port->dev->data->port_id;
    respawn->refs = 2;
    sem_init(&respawn->locked, 0, 0);
    if (pthread_create(&vdev->respawner, NULL, respawn_main, respawn)) {
        sem_destroy(&respawn->locked);
        free(respawn);
        return;
    }
    vdev->respawning = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    sem_timedwait(&respawn->locked, &until);
    respawn_unref(respawn);
}

void
nicsim_vdev_forget(struct nicsim_vdev *vdev, struct nicsim_port *port)
{
    bool others = false;

    pthread_mutex_lock(&vdevs_mutex);
    for (unsigned int i = 0; i <= NICSIM_MAX_VFS; i++) {
        if (vdev->ports[i] == port) {
            vdev->ports[i] = NULL;
        } else if (vdev->ports[i]) {
            others = true;
        }
    }
    pthread_mutex_unlock(&vdevs_mutex);
    nicsim_personality_remove_port(vdev->personality,
                                   port->dev->data->port_id);
    if (nicsim_port_kind(port) == NICSIM_FN_PF) {
        set_backers(vdev);
        if (others && !vdev->removing) {
            start_respawn(vdev, port);
        }
    }
}

static void
remove_ports(struct nicsim_vdev *vdev)
{
    join_respawner(vdev);
    vdev->removing = true;
    /* The representors first: the PF takes the rules with it. */
    for (int i = NICSIM_MAX_VFS; i >= 0; i--) {
        if (vdev->ports[i]) {
            const struct rte_eth_dev_data *data = vdev->ports[i]->dev->data;
            uint16_t id = data->port_id;

            if (data->dev_started) {
                rte_eth_dev_stop(id);
            }
            rte_eth_dev_close(id);
        }
    }
}

/* Makes of the VF 'vdev' what 'request' wants.  Returns 0, or a positive errno
 * after logging why. */
static int
fill_vf(struct nicsim_vdev *vdev, const struct request *request)
{
    const char *name = rte_vdev_device_name(vdev->dev);

    if (request->vdpa ? vdev->ports[0] != NULL : vdev->vdpa != NULL) {
        NICSIM_LOG(ERR, "%s: is plugged as %s already, and must be removed "
                   "before it can be %s", name,
                   request->vdpa ? "ethdev" : "vDPA device",
                   request->vdpa ? "a vDPA device" : "an ethdev");
        return EBUSY;
    }
    if (request->vdpa) {
        return (vdev->vdpa ? 0
                : nicsim_vdpa_create(&vdev->dev->device, vdev->path, vdev->vf,
                                     &vdev->vdpa));
    }
    return (vdev->ports[0] ? 0
            : add_port(vdev, 0, NICSIM_FN(NICSIM_FN_VF, vdev->vf)));
}

/* Gives the PF 'vdev', which has no ports yet, the personality that 'request'
 * or else the NIC wants. */
static int
choose_personality(struct nicsim_vdev *vdev, const struct nicsim_host *host,
                   const struct request *request)
{
    const char *name = rte_vdev_device_name(vdev->dev);
    const char *spec = (request->personality[0] ? request->personality
                        : host->personality);

    if (vdev->spec) {
        /* Other devargs may come later, and need not say it again. */
        if (request->personality[0]
            && strcmp(request->personality, vdev->spec)) {
            NICSIM_LOG(ERR, "%s: has the personality %s already", name,
                       vdev->spec);
            return EBUSY;
        }
        return 0;
    }
    vdev->spec = nicsim_strdup(spec);
    return (vdev->spec
            ? nicsim_personality_create(name, spec, &vdev->personality)
            : ENOMEM);
}

/* Frees 'vdev', which has no ports any more. */
static void
free_vdev(struct nicsim_vdev *vdev)
{
    nicsim_personality_destroy(vdev->personality);
    free(vdev->spec);
    free(vdev->path);
    free(vdev);
}

/* Creates the ports of 'vdev' that 'args' ask for and that are missing.
 * Returns 0, or a positive errno after logging why; the ports that could be
 * created are there even so. */
static int
fill_vdev(struct nicsim_vdev *vdev, const char *args, struct request *request)
{
    const char *name = rte_vdev_device_name(vdev->dev);
    struct nicsim_host *host;
    unsigned int n_reps = 0;
    unsigned int n_out = 0;
    int error;

    error = nicsim_host_get(vdev->path, &host);
    if (error) {
        return error;
    }
    if (vdev->is_vf) {
        if (vdev->vf >= host->n_vfs) {
            NICSIM_LOG(ERR, "%s: the NIC has %u VFs only", name, host->n_vfs);
            error = ENODEV;
        } else {
            error = fill_vf(vdev, request);
        }
        goto out;
    }

    if (!parse_representors(args, host->n_vfs, request)) {
        NICSIM_LOG(ERR, "%s: \"%s\": %s (the NIC has %u VFs)",
                   name, args, request->bad, host->n_vfs);
        error = ENODEV;
        goto out;
    }
    error = choose_personality(vdev, host, request);
    if (error) {
        goto out;
    }
    if (!vdev->ports[0]) {
        error = add_port(vdev, 0, NICSIM_FN(NICSIM_FN_PF, 0));
        if (error) {
            goto out;
        }
    } else if (vdev->unannounced) {
        vdev->unannounced = false;
        rte_eth_dev_probing_finish(vdev->ports[0]->dev);
    }
    /* Those that were asked for, then the others. */
    for (unsigned int i = 0; i < host->n_vfs && !error; i++) {
        if (request->representors[i] && !vdev->ports[1 + i]) {
            error = add_port(vdev, 1 + i, NICSIM_FN(NICSIM_FN_REP, i));
        }
        n_reps += vdev->ports[1 + i] != NULL;
    }
    for (unsigned int i = 0; i < host->n_vfs && !error; i++) {
        if (vdev->ports[1 + i]) {
            continue;
        }
        if (count_free_ports() <= n_reps + 1) {
            n_out++;
            continue;
        }
        error = add_port(vdev, 1 + i, NICSIM_FN(NICSIM_FN_REP, i));
        n_reps += !error;
        if (error == EBUSY) {
            /* Another process has it, and nobody asked us for it. */
            error = 0;
        }
    }
    if (n_out) {
        NICSIM_LOG(NOTICE, "%s: %u of %u VFs have no representor yet, since "
                   "DPDK has room for %d ports only; name them in "
                   "representor=", name, n_out, host->n_vfs,
                   RTE_MAX_ETHPORTS);
    }

out:
    nicsim_host_put(host);
    return error;
}

static const char *
vdev_args(const struct rte_vdev_device *dev)
{
    const char *args = rte_vdev_device_args(dev);

    return args ? args : "";
}

static int
nicsim_probe(struct rte_vdev_device *dev)
{
    const char *name = rte_vdev_device_name(dev);
    const char *args = vdev_args(dev);
    struct nicsim_vdev *vdev;
    struct request request;
    unsigned int nic = 0;
    unsigned int vf = 0;
    bool is_vf = false;
    int error;

    if (rte_eal_process_type() != RTE_PROC_PRIMARY) {
        NICSIM_LOG(ERR, "%s: a secondary process can not drive the NIC",
                   name);
        return -ENOTSUP;
    }
    if (!parse_name(name, &nic, &is_vf, &vf)) {
        NICSIM_LOG(ERR, "%s: not a device's name: these are %s<N> and "
                   "%s<N>_vf<I>, with I below %d", name, DRIVER_NAME,
                   DRIVER_NAME, NICSIM_MAX_VFS);
        return -EINVAL;
    }
    error = parse_args(name, args, is_vf, &request);
    if (error) {
        return -error;
    }

    vdev = nicsim_zalloc(sizeof *vdev);
    if (vdev) {
        vdev->path = request.path ? request.path : default_path(nic);
    } else {
        free(request.path);
    }
    if (!vdev || !vdev->path) {
        free(vdev);
        return -ENOMEM;
    }
    vdev->dev = dev;
    vdev->is_vf = is_vf;
    vdev->vf = vf;
    vdev->args_seen = args;

    error = fill_vdev(vdev, args, &request);
    if (error) {
        remove_ports(vdev);
        free_vdev(vdev);
        return -error;
    }
    pthread_mutex_lock(&vdevs_mutex);
    LIST_INSERT_HEAD(&vdevs, vdev, node);
    pthread_mutex_unlock(&vdevs_mutex);
    return 0;
}

static struct nicsim_vdev *
find_vdev(const struct rte_vdev_device *dev)
{
    struct nicsim_vdev *vdev;

    pthread_mutex_lock(&vdevs_mutex);
    LIST_FOREACH (vdev, &vdevs, node) {
        if (vdev->dev == dev) {
            break;
        }
    }
    pthread_mutex_unlock(&vdevs_mutex);
    return vdev;
}

static int
nicsim_remove(struct rte_vdev_device *dev)
{
    struct nicsim_vdev *vdev = find_vdev(dev);
    int error;

    if (!vdev) {
        return -ENODEV;
    }
    error = nicsim_vdpa_destroy(vdev->vdpa);
    if (error) {
        return -error;
    }
    remove_ports(vdev);
    pthread_mutex_lock(&vdevs_mutex);
    LIST_REMOVE(vdev, node);
    pthread_mutex_unlock(&vdevs_mutex);
    free_vdev(vdev);
    return 0;
}

/* The vdev bus is being scanned: if that is because one of our vdevs is probed
 * again, bring back its missing ports. */
static void
scan_hook(void *arg __rte_unused)
{
    struct nicsim_vdev *vdev;
    struct nicsim_vdev *next;

    pthread_mutex_lock(&vdevs_mutex);
    vdev = LIST_FIRST(&vdevs);
    pthread_mutex_unlock(&vdevs_mutex);

    for (; vdev; vdev = next) {
        const char *args = vdev_args(vdev->dev);
        struct request request;

        if (args != vdev->args_seen) {
            const char *name = rte_vdev_device_name(vdev->dev);

            vdev->args_seen = args;
            join_respawner(vdev);
            if (!parse_args(name, args, vdev->is_vf, &request)) {
                if (request.path && strcmp(request.path, vdev->path)) {
                    NICSIM_LOG(ERR, "%s: plugged with another NIC already: "
                               "%s", name, vdev->path);
                } else {
                    fill_vdev(vdev, args, &request);
                }
                free(request.path);
            }
        }
        pthread_mutex_lock(&vdevs_mutex);
        next = LIST_NEXT(vdev, node);
        pthread_mutex_unlock(&vdevs_mutex);
    }
}

static struct rte_vdev_driver nicsim_driver = {
    .probe = nicsim_probe,
    .remove = nicsim_remove,
};

RTE_PMD_REGISTER_VDEV(net_nicsim, nicsim_driver);
RTE_PMD_REGISTER_PARAM_STRING(net_nicsim,
                              ARG_NIC "=<path> "
                              ARG_CLASS "=<eth|vdpa> "
                              ARG_REPRESENTOR "=<list of VFs> "
                              ARG_PERSONALITY "=<name>");

RTE_INIT(nicsim_hook_into_scan)
{
    rte_vdev_add_custom_scan(scan_hook, NULL);
}
