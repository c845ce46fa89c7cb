/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A NIC function that fails when told to
 * ======================================
 *
 *     net_fakevdpa<N>[,queues=N][,stats=N][,features=HEX][,offloads=1]
 *                    [,fail=STEP[+STEP]...][,class=vdpa]
 *     net_fakeifc<N>,vdpa=1[,...]
 *
 * A DPDK driver for tests of those who use vDPA devices.  With class=vdpa it
 * brings up a vDPA device, without that an Ethernet device that swallows all
 * packets and has none.  It moves nothing, but has all steps that a vDPA
 * device goes through, and 'fail' names those that go wrong:
 *
 *     probe      probing with class=vdpa fails
 *     class      class=vdpa is ignored: an Ethernet device comes up
 *     nothing    probing with class=vdpa succeeds, and nothing comes up
 *     queues     the number of queues is not told
 *     features   nor are the features
 *     protocol   nor are the protocol features
 *     version    VIRTIO_F_VERSION_1 is missing
 *     block      it is a block device
 *     conf       a guest is refused
 *     notify     nothing, but the hypervisor is asked to map doorbells
 *     vanish     the device is unplugged once it has served a guest, or its
 *                Ethernet device was started, and is not there any more
 *     reset      the Ethernet device asks to be reset when it was started
 *     close      somebody closes the Ethernet device when it has been started
 *     remove     the device does not let itself be removed, the first time
 *     ethdev     the Ethernet device fails to be probed
 *     hang       whoever asks for statistics waits for ever
 *     faulty     each time they are asked for, the guest has done worse
 *
 * Instead of steps there can be the path of a file that names them, if the
 * file is there: so a device can fail for a while.
 *
 * 'features' are those of virtio that the vDPA device offers beside
 * VIRTIO_F_VERSION_1.  With 'offloads' the Ethernet device has checksum and
 * TCP segmentation offload.
 *
 * 'stats' is what is answered when a queue's statistics are asked for, of the
 * six that there are: -1 is an error, 0 says that the queue is disabled.
 * Those of virtqueue q are 100 * q + 10, 100 * q + 11, and so on.
 *
 * net_fakeifc is the same for a driver that knows no class, as Intel's ifc:
 * it takes only a device with "vdpa=1" and no argument that is not its own. */

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_alarm.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>
#include <rte_vhost.h>
#include <vdpa_driver.h>

#define MAX_QUEUES 128

static const char *const steps[] = {
    "probe", "class", "nothing", "queues", "features", "protocol", "version",
    "block", "conf", "notify", "vanish", "remove", "ethdev", "hang", "faulty",
    "reset", "close",
};

static const char *const stat_names[] = {
    "received_descriptors", "completed_descriptors", "bad descriptor errors",
    "exceed max chain", "invalid buffer", "completion errors",
};

struct fake {
    TAILQ_ENTRY(fake) next;
    struct rte_vdev_device *vdev;
    struct rte_vdpa_device *vdpa;
    char fail[256];             /* 'steps' joined by '+', a path, or "". */
    uint64_t features;
    int n_queues;
    int n_stats;
    int offloads;
    int configured;
    int refused_removal;
    uint64_t faults;
};

/* The device that was unplugged last, and is to stay away. */
static char gone[RTE_DEV_NAME_MAX_LEN];

static TAILQ_HEAD(, fake) fakes = TAILQ_HEAD_INITIALIZER(fakes);

RTE_LOG_REGISTER(fake_logtype, pmd.net.fakevdpa, INFO);
#define LOG(DEV, ...) \
    rte_log(RTE_LOG_INFO, fake_logtype, "fake: %s: " \
            RTE_FMT(RTE_FMT_HEAD(__VA_ARGS__,) "\n", \
                    rte_dev_name(DEV), RTE_FMT_TAIL(__VA_ARGS__,)))

/* The vDPA side. */

static struct fake *
fake_find(const struct rte_vdpa_device *vdpa)
{
    struct fake *fake;

    TAILQ_FOREACH (fake, &fakes, next) {
        if (fake->vdpa == vdpa) {
            return fake;
        }
    }
    return NULL;
}

/* Returns true if 'step' is one of those that 'list', joined by '+', has. */
static int
has_step(const char *list, const char *step)
{
    size_t len = strlen(step);

    while (*list) {
        size_t n = strcspn(list, "+");

        if (n == len && !strncmp(list, step, n)) {
            return 1;
        }
        list += list[n] ? n + 1 : n;
    }
    return 0;
}

static int
fails(const struct fake *fake, const char *step)
{
    char line[64] = "";
    FILE *file;

    if (fake->fail[0] != '/') {
        return has_step(fake->fail, step);
    }
    file = fopen(fake->fail, "re");
    if (file) {
        if (fgets(line, sizeof line, file)) {
            line[strcspn(line, "\n")] = '\0';
        }
        fclose(file);
    }
    return has_step(line, step);
}

static int
fake_get_queue_num(struct rte_vdpa_device *vdpa, uint32_t *n)
{
    const struct fake *fake = fake_find(vdpa);

    *n = fake->n_queues;
    return fails(fake, "queues") ? -1 : 0;
}

static int
fake_get_features(struct rte_vdpa_device *vdpa, uint64_t *features)
{
    const struct fake *fake = fake_find(vdpa);

    *features = fake->features;
    if (!fails(fake, "version")) {
        *features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
    }
    return fails(fake, "features") ? -1 : 0;
}

static int
fake_get_protocol_features(struct rte_vdpa_device *vdpa, uint64_t *features)
{
    *features = (UINT64_C(1) << VHOST_USER_PROTOCOL_F_MQ
                 | UINT64_C(1) << VHOST_USER_PROTOCOL_F_NET_MTU
                 | UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK);
    if (fails(fake_find(vdpa), "notify")) {
        *features |= (UINT64_C(1) << VHOST_USER_PROTOCOL_F_SLAVE_REQ
                      | UINT64_C(1) << VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD
                      | UINT64_C(1) << VHOST_USER_PROTOCOL_F_HOST_NOTIFIER);
    }
    return fails(fake_find(vdpa), "protocol") ? -1 : 0;
}

static int
fake_get_dev_type(struct rte_vdpa_device *vdpa, uint32_t *type)
{
    const struct fake *fake = fake_find(vdpa);

    /* While one is being registered, it is the first without vDPA device. */
    fake = fake ? fake : fake_find(NULL);
    *type = (fails(fake, "block") ? RTE_VHOST_VDPA_DEVICE_TYPE_BLK
             : RTE_VHOST_VDPA_DEVICE_TYPE_NET);
    return 0;
}

static void
fake_vanish(void *fake_)
{
    struct fake *fake = fake_;
    const char *name = rte_vdev_device_name(fake->vdev);
    struct rte_eth_dev *dev = rte_eth_dev_allocated(name);

    snprintf(gone, sizeof gone, "%s", name);
    if (dev) {
        rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RMV, NULL);
    } else {
        rte_dev_event_callback_process(name, RTE_DEV_EVENT_REMOVE);
    }
}

static int
fake_dev_conf(int vid)
{
    struct fake *fake = fake_find(rte_vhost_get_vdpa_device(vid));

    LOG(&fake->vdev->device, "configured for guest %d", vid);
    if (fails(fake, "conf")) {
        return -1;
    }
    fake->configured = 1;
    if (fails(fake, "notify")) {
        LOG(&fake->vdev->device, "doorbells: %d",
            rte_vhost_host_notifier_ctrl(vid, RTE_VHOST_QUEUE_ALL, true));
    }
    if (fails(fake, "vanish")) {
        rte_eal_alarm_set(1000, fake_vanish, fake);
    }
    return 0;
}

static int
fake_dev_close(int vid)
{
    struct fake *fake = fake_find(rte_vhost_get_vdpa_device(vid));

    LOG(&fake->vdev->device, "closed for guest %d", vid);
    fake->configured = 0;
    return 0;
}

static int
fake_set_vring_state(int vid, int vring, int state)
{
    struct fake *fake = fake_find(rte_vhost_get_vdpa_device(vid));

    LOG(&fake->vdev->device, "ring %d %s", vring, state ? "on" : "off");
    return 0;
}

static int
fake_set_features(int vid __rte_unused)
{
    return 0;
}

/* Where the doorbells are: in any file. */
static int
fake_get_vfio_device_fd(int vid __rte_unused)
{
    return STDIN_FILENO;
}

static int
fake_get_notify_area(int vid __rte_unused, int ring, uint64_t *offset,
                     uint64_t *size)
{
    *offset = ring * 4096;
    *size = 4096;
    return 0;
}

static int
fake_get_stats_names(struct rte_vdpa_device *vdpa __rte_unused,
                     struct rte_vdpa_stat_name *names, unsigned int n)
{
    if (!names) {
        return RTE_DIM(stat_names);
    }
    n = RTE_MIN(n, RTE_DIM(stat_names));
    for (unsigned int i = 0; i < n; i++) {
        snprintf(names[i].name, sizeof names[i].name, "%s", stat_names[i]);
    }
    return n;
}

static int
fake_get_stats(struct rte_vdpa_device *vdpa, int qid,
               struct rte_vdpa_stat *stats, unsigned int n)
{
    struct fake *fake = fake_find(vdpa);

    if (!fake->configured || fake->n_stats < 0) {
        return -EINVAL;
    }
    while (fails(fake, "hang")) {
        rte_delay_us_sleep(10000);
    }
    fake->faults += fails(fake, "faulty");
    n = RTE_MIN(n, (unsigned int) fake->n_stats);
    for (unsigned int i = 0; i < n; i++) {
        stats[i].id = i;
        stats[i].value = 100 * qid + 10 + i + fake->faults;
    }
    return n;
}

static struct rte_vdpa_dev_ops fake_ops = {
    .get_queue_num = fake_get_queue_num,
    .get_features = fake_get_features,
    .get_protocol_features = fake_get_protocol_features,
    .dev_conf = fake_dev_conf,
    .dev_close = fake_dev_close,
    .set_vring_state = fake_set_vring_state,
    .set_features = fake_set_features,
    .get_vfio_device_fd = fake_get_vfio_device_fd,
    .get_notify_area = fake_get_notify_area,
    .get_stats_names = fake_get_stats_names,
    .get_stats = fake_get_stats,
    .get_dev_type = fake_get_dev_type,
};

/* The Ethernet side. */

static struct rte_ether_addr fake_mac = {
    .addr_bytes = { 0x02, 0, 0, 0, 0, 0xfa },
};

static uint16_t
fake_rx(void *queue __rte_unused, struct rte_mbuf **pkts __rte_unused,
        uint16_t n __rte_unused)
{
    return 0;
}

static uint16_t
fake_tx(void *queue __rte_unused, struct rte_mbuf **pkts, uint16_t n)
{
    rte_pktmbuf_free_bulk(pkts, n);
    return n;
}

static int
fake_infos_get(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
    const struct fake *fake = *(struct fake **) dev->data->dev_private;

    info->max_mac_addrs = 1;
    info->max_mtu = 9000;
    info->max_rx_pktlen = 9018;
    info->max_rx_queues = info->max_tx_queues = fake->n_queues;
    info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
    info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (fake->offloads) {
        info->tx_offload_capa |= (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM
                                  | RTE_ETH_TX_OFFLOAD_TCP_CKSUM
                                  | RTE_ETH_TX_OFFLOAD_UDP_CKSUM
                                  | RTE_ETH_TX_OFFLOAD_TCP_TSO);
    }
    return 0;
}

static int
fake_ok(struct rte_eth_dev *dev __rte_unused)
{
    return 0;
}

static void
fake_close_port(void *dev_)
{
    struct rte_eth_dev *dev = dev_;

    rte_eth_dev_stop(dev->data->port_id);
    rte_eth_dev_close(dev->data->port_id);
}

static void
fake_ask_for_reset(void *dev)
{
    rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RESET, NULL);
}

static int
fake_start(struct rte_eth_dev *dev)
{
    struct fake *fake = *(struct fake **) dev->data->dev_private;

    if (fails(fake, "vanish")) {
        rte_eal_alarm_set(1000, fake_vanish, fake);
    }
    if (fails(fake, "reset")) {
        rte_eal_alarm_set(1000, fake_ask_for_reset, dev);
    }
    if (fails(fake, "close")) {
        rte_eal_alarm_set(1000, fake_close_port, dev);
    }
    dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
    return 0;
}

static int
fake_stop(struct rte_eth_dev *dev)
{
    dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
    return 0;
}

static int
fake_close(struct rte_eth_dev *dev)
{
    dev->data->mac_addrs = NULL;
    return 0;
}

static int
fake_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
                    uint16_t n_desc __rte_unused,
                    unsigned int socket_id __rte_unused,
                    const struct rte_eth_rxconf *conf __rte_unused,
                    struct rte_mempool *pool __rte_unused)
{
    dev->data->rx_queues[queue] = dev;
    return 0;
}

static int
fake_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue,
                    uint16_t n_desc __rte_unused,
                    unsigned int socket_id __rte_unused,
                    const struct rte_eth_txconf *conf __rte_unused)
{
    dev->data->tx_queues[queue] = dev;
    return 0;
}

static int
fake_mtu_set(struct rte_eth_dev *dev __rte_unused, uint16_t mtu __rte_unused)
{
    return 0;
}

static int
fake_link_update(struct rte_eth_dev *dev __rte_unused,
                 int wait __rte_unused)
{
    return 0;
}

static int
fake_stats_get(struct rte_eth_dev *dev __rte_unused,
               struct rte_eth_stats *stats __rte_unused)
{
    return 0;
}

static const struct eth_dev_ops fake_eth_ops = {
    .dev_infos_get = fake_infos_get,
    .dev_configure = fake_ok,
    .dev_start = fake_start,
    .dev_stop = fake_stop,
    .dev_close = fake_close,
    .rx_queue_setup = fake_rx_queue_setup,
    .tx_queue_setup = fake_tx_queue_setup,
    .mtu_set = fake_mtu_set,
    .promiscuous_enable = fake_ok,
    .allmulticast_enable = fake_ok,
    .link_update = fake_link_update,
    .stats_get = fake_stats_get,
};

static int
probe_ethdev(struct fake *fake)
{
    struct rte_eth_dev *dev;

    if (fails(fake, "ethdev")) {
        return -EIO;
    }
    dev = rte_eth_vdev_allocate(fake->vdev, sizeof fake);
    if (!dev) {
        return -ENOMEM;
    }
    *(struct fake **) dev->data->dev_private = fake;
    dev->data->mac_addrs = &fake_mac;
    dev->data->dev_link.link_speed = RTE_ETH_SPEED_NUM_10G;
    dev->dev_ops = &fake_eth_ops;
    dev->rx_pkt_burst = fake_rx;
    dev->tx_pkt_burst = fake_tx;
    rte_eth_dev_probing_finish(dev);
    LOG(&fake->vdev->device, "Ethernet device up");
    return 0;
}

/* Plugging. */

static int
probe_vdpa(struct fake *fake)
{
    if (fails(fake, "probe")) {
        return -EIO;
    } else if (fails(fake, "nothing")) {
        LOG(&fake->vdev->device, "nothing up");
        return 0;
    } else if (fails(fake, "class")) {
        return probe_ethdev(fake);
    }
    fake->vdpa = rte_vdpa_register_device(&fake->vdev->device, &fake_ops);
    if (!fake->vdpa) {
        return -ENOMEM;
    }
    LOG(&fake->vdev->device, "vDPA device up");
    return 0;
}

static int
parse_number(const char *key __rte_unused, const char *value, void *number)
{
    *(int *) number = atoi(value);
    return 0;
}

static int
parse_features(const char *key __rte_unused, const char *value, void *features)
{
    *(uint64_t *) features = (strtoull(value, NULL, 16)
                              | UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES);
    return 0;
}

static int
parse_step(const char *key __rte_unused, const char *value, void *fake_)
{
    struct fake *fake = fake_;
    int known = value[0] == '/' || strchr(value, '+');

    for (unsigned int i = 0; i < RTE_DIM(steps); i++) {
        known |= !strcmp(value, steps[i]);
    }
    known &= strlen(value) < sizeof fake->fail;
    if (known) {
        snprintf(fake->fail, sizeof fake->fail, "%s", value);
    }
    return known ? 0 : -EINVAL;
}

/* Probes 'vdev', whose arguments may have 'keys', the first of which asks for
 * the vDPA side by its value 'vdpa'. */
static int
fake_probe__(struct rte_vdev_device *vdev, const char *const *keys,
             const char *vdpa)
{
    struct rte_kvargs *kvargs = rte_kvargs_parse(rte_vdev_device_args(vdev),
                                                 keys);
    struct fake *fake;
    const char *value;
    int error;

    if (!kvargs) {
        return -EINVAL;
    }
    fake = rte_zmalloc("fake", sizeof *fake, 0);
    fake->vdev = vdev;
    fake->n_queues = 4;
    fake->n_stats = RTE_DIM(stat_names);
    fake->features = (UINT64_C(1) << VIRTIO_NET_F_MQ
                      | UINT64_C(1) << VIRTIO_NET_F_CTRL_VQ
                      | UINT64_C(1) << VIRTIO_NET_F_MTU
                      | UINT64_C(1) << VHOST_USER_F_PROTOCOL_FEATURES);
    value = rte_kvargs_get(kvargs, keys[0]);
    error = rte_kvargs_process(kvargs, "fail", parse_step, fake);
    rte_kvargs_process(kvargs, "queues", parse_number, &fake->n_queues);
    rte_kvargs_process(kvargs, "stats", parse_number, &fake->n_stats);
    rte_kvargs_process(kvargs, "offloads", parse_number, &fake->offloads);
    rte_kvargs_process(kvargs, "features", parse_features, &fake->features);
    TAILQ_INSERT_HEAD(&fakes, fake, next);
    if (!error && !strcmp(rte_vdev_device_name(vdev), gone)) {
        if (fails(fake, "vanish")) {
            error = -ENODEV;
        } else {
            gone[0] = '\0';
        }
    }
    if (!error) {
        error = (value && !strcmp(value, vdpa) ? probe_vdpa(fake)
                 : !strcmp(keys[0], "class") ? probe_ethdev(fake)
                 : -ENODEV);
    }
    rte_kvargs_free(kvargs);
    if (error) {
        TAILQ_REMOVE(&fakes, fake, next);
        rte_free(fake);
    }
    return error;
}

static int
fakevdpa_probe(struct rte_vdev_device *vdev)
{
    static const char *const keys[] = {
        "class", "queues", "stats", "features", "offloads", "fail", NULL
    };

    return fake_probe__(vdev, keys, "vdpa");
}

static int
fakeifc_probe(struct rte_vdev_device *vdev)
{
    static const char *const keys[] = {
        "vdpa", "queues", "stats", "features", "offloads", "fail", NULL
    };

    return fake_probe__(vdev, keys, "1");
}

static int
fake_remove(struct rte_vdev_device *vdev)
{
    struct rte_eth_dev *dev
        = rte_eth_dev_allocated(rte_vdev_device_name(vdev));
    struct fake *fake;

    TAILQ_FOREACH (fake, &fakes, next) {
        if (fake->vdev == vdev) {
            break;
        }
    }
    if (!fake) {
        return -ENODEV;
    }
    if (fails(fake, "remove") && !fake->refused_removal++) {
        return -EBUSY;
    }
    rte_eal_alarm_cancel(fake_vanish, fake);
    rte_eal_alarm_cancel(fake_ask_for_reset, dev);
    rte_eal_alarm_cancel(fake_close_port, dev);
    if (fake->vdpa) {
        rte_vdpa_unregister_device(fake->vdpa);
    }
    if (dev) {
        fake_close(dev);
        rte_eth_dev_release_port(dev);
    }
    LOG(&vdev->device, "removed");
    TAILQ_REMOVE(&fakes, fake, next);
    rte_free(fake);
    return 0;
}

static struct rte_vdev_driver fakevdpa_driver = {
    .probe = fakevdpa_probe,
    .remove = fake_remove,
};

static struct rte_vdev_driver fakeifc_driver = {
    .probe = fakeifc_probe,
    .remove = fake_remove,
};

RTE_PMD_REGISTER_VDEV(net_fakevdpa, fakevdpa_driver);
RTE_PMD_REGISTER_VDEV(net_fakeifc, fakeifc_driver);
