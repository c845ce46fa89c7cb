/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#define _GNU_SOURCE 1

#include "dpdkvdpa-guest-tap.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_tun.h>

#define TUN_DEVICE "/dev/net/tun"

/* Enters the network namespace 'netns', a name below /run/netns or a path.
 * Stores into '*home' a descriptor of the namespace that was left.  Returns 0
 * or a positive errno. */
static int
netns_enter(const char *netns, int *home)
{
    char path[4096];
    int fd, error;

    snprintf(path, sizeof path, "%s%s",
             strchr(netns, '/') ? "" : "/run/netns/", netns);
    *home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*home < 0) {
        return errno;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    error = fd < 0 || setns(fd, CLONE_NEWNET) ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    if (error) {
        close(*home);
    }
    return error;
}

static int
open_queue(const char *name, bool multi_queue, int *fdp)
{
    struct ifreq ifr;
    int fd, error;

    fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno;
    }
    memset(&ifr, 0, sizeof ifr);
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (multi_queue) {
        ifr.ifr_flags |= IFF_MULTI_QUEUE;
    }
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &ifr)) {
        error = errno;
        close(fd);
        return error;
    }
    *fdp = fd;
    return 0;
}

static int
configure(struct tap *tap, const uint8_t mac[6], int mtu)
{
    int hdr_len = VNET_HDR_LEN;
    int little_endian = 1;
    struct ifreq ifr;
    int error = 0;
    int sock;

    if (ioctl(tap->fds[0], TUNSETVNETHDRSZ, &hdr_len)
        || ioctl(tap->fds[0], TUNSETVNETLE, &little_endian)) {
        return errno;
    }

    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0) {
        return errno;
    }
    memset(&ifr, 0, sizeof ifr);
    memcpy(ifr.ifr_name, tap->name, sizeof ifr.ifr_name);
    if (mac) {
        ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
        error = ioctl(sock, SIOCSIFHWADDR, &ifr) ? errno : 0;
    }
    if (!error && mtu) {
        ifr.ifr_mtu = mtu;
        error = ioctl(sock, SIOCSIFMTU, &ifr) ? errno : 0;
    }
    close(sock);
    return error;
}

/* Creates the tap 'name' with 'n_queues' (1 to TAP_MAX_QUEUES) queues in the
 * network namespace 'netns' (NULL: the current one), with the given MAC
 * address (NULL: a random one) and MTU (0: the kernel's default), without
 * carrier. Only the calling thread's namespace changes meanwhile. Returns 0 or
 * a positive errno; EBUSY if the interface exists already. */
int
tap_open(struct tap *tap, const char *name, const char *netns, int n_queues,
         const uint8_t mac[6], int mtu)
{
    int home = -1;
    int error = 0;

    memset(tap, 0, sizeof *tap);
    snprintf(tap->name, sizeof tap->name, "%s", name);
    if (netns) {
        error = netns_enter(netns, &home);
        if (error) {
            return error;
        }
    }

    /* With several queues a second TUNSETIFF would join a tap that somebody
     * else made: do not. */
    if (if_nametoindex(name)) {
        error = EBUSY;
    }
    while (!error && tap->n_queues < n_queues) {
        error = open_queue(name, n_queues > 1, &tap->fds[tap->n_queues]);
        tap->n_queues += !error;
    }
    tap->active = tap->n_queues;
    error = error ? error : configure(tap, mac, mtu);
    error = error ? error : tap_set_carrier(tap, false);

    if (netns) {
        if (setns(home, CLONE_NEWNET)) {
            error = error ? error : errno;
        }
        close(home);
    }
    if (error) {
        tap_close(tap);
    }
    return error;
}

/* Closes 'tap', which removes the interface. */
void
tap_close(struct tap *tap)
{
    while (tap->n_queues > 0) {
        close(tap->fds[--tap->n_queues]);
    }
}

/* Attaches the queues below 'n_active' (at least 1), and detaches the others,
 * so that the kernel spreads its flows over the former.  Returns 0 or a
 * positive errno. */
int
tap_set_active(struct tap *tap, int n_active)
{
    while (tap->active != n_active) {
        bool attach = tap->active < n_active;
        int queue = attach ? tap->active : tap->active - 1;
        struct ifreq ifr;

        memset(&ifr, 0, sizeof ifr);
        ifr.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
        if (ioctl(tap->fds[queue], TUNSETQUEUE, &ifr)) {
            return errno;
        }
        tap->active += attach ? 1 : -1;
    }
    return 0;
}

/* Tells the kernel what it may ask for in frames that it transmits: checksums,
 * and segmentation of TCP over IPv4 and IPv6, with ECN.  Returns 0 or a
 * positive errno. */
int
tap_set_offloads(struct tap *tap, bool csum, bool tso4, bool tso6, bool ecn)
{
    unsigned int flags = 0;

    if (csum) {
        flags |= TUN_F_CSUM;
        flags |= tso4 ? TUN_F_TSO4 : 0;
        flags |= tso6 ? TUN_F_TSO6 : 0;
        flags |= ecn && (tso4 || tso6) ? TUN_F_TSO_ECN : 0;
    }
    return ioctl(tap->fds[0], TUNSETOFFLOAD, (unsigned long) flags) ? errno
                                                                    : 0;
}

/* Sets the interface's carrier.  Returns 0 or a positive errno. */
int
tap_set_carrier(struct tap *tap, bool up)
{
    int carrier = up;

    return ioctl(tap->fds[0], TUNSETCARRIER, &carrier) ? errno : 0;
}

/* Discards the frames that wait in the active queues, with 'scratch_len' bytes
 * of 'scratch' to read them into. */
void
tap_discard(struct tap *tap, void *scratch, unsigned int scratch_len)
{
    for (int i = 0; i < tap->active; i++) {
        while (read(tap->fds[i], scratch, scratch_len) >= 0) {
            continue;
        }
    }
}
