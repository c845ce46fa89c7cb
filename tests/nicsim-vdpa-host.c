/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * A host of vDPA devices
 * ======================
 *
 *     nicsim-vdpa-host EAL-ARGUMENTS
 *
 * What a switch does with an rte_vdpa device, and nothing else: commands on
 * standard input join a device and a vhost-user socket, and librte_vhost does
 * the rest.  Each command is answered by its output and a line "ok" or
 * "error: ..." on standard output.
 *
 *     probe DEVARGS
 *     remove NAME           unplugs the device
 *     show NAME             queue pairs, features, protocol features
 *     attach NAME SOCKET [server]
 *                           serves the guest on SOCKET, as vhost-user client
 *     detach SOCKET
 *     stats NAME QUEUE      of a virtqueue or of all on the guest's receive
 *                           (rx) or transmit (tx) side, those that are not 0
 *     reset NAME QUEUE
 *     wait up|down N        until N guests are there, or N at most */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_vdpa.h>
#include <rte_vhost.h>

#define MAX_STATS 64
#define WAIT_MS 30000

static unsigned int n_guests;           /* Atomic. */

static int
guest_came(int vid)
{
    (void) vid;
    __atomic_add_fetch(&n_guests, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void
guest_went(int vid)
{
    (void) vid;
    __atomic_sub_fetch(&n_guests, 1, __ATOMIC_SEQ_CST);
}

static const struct rte_vhost_device_ops guest_ops = {
    .new_device = guest_came,
    .destroy_device = guest_went,
};

static void
device_event(const char *name, enum rte_dev_event_type event, void *aux)
{
    (void) aux;
    fprintf(stderr, "event: %s %s\n", name,
            event == RTE_DEV_EVENT_REMOVE ? "removed" : "added");
}

/* Commands.  Each returns 0 or a positive errno. */

static int
do_probe(const char *devargs)
{
    int error = -rte_dev_probe(devargs);

    if (!error) {
        char name[64];

        snprintf(name, sizeof name, "%.*s", (int) strcspn(devargs, ","),
                 devargs);
        if (!rte_vdpa_find_device_by_name(name)) {
            return ENODEV;
        }
        rte_dev_event_callback_register(name, device_event, NULL);
    }
    return error;
}

static int
do_remove(const char *name)
{
    struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(name);

    return vdpa ? -rte_dev_remove(rte_vdpa_get_rte_device(vdpa)) : ENODEV;
}

static int
do_show(const char *name)
{
    struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(name);
    uint64_t features = 0;
    uint64_t protocol = 0;
    uint32_t n = 0;

    if (!vdpa) {
        return ENODEV;
    }
    if (rte_vdpa_get_queue_num(vdpa, &n)
        || rte_vdpa_get_features(vdpa, &features)
        || rte_vdpa_get_protocol_features(vdpa, &protocol)) {
        return EIO;
    }
    printf("%"PRIu32" queue pairs, features %#"PRIx64", "
           "protocol features %#"PRIx64"\n", n, features, protocol);
    return 0;
}

static int
do_attach(const char *name, const char *path, bool server)
{
    struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(name);

    if (!vdpa) {
        return ENODEV;
    }
    if (rte_vhost_driver_register(path, server ? 0 : RTE_VHOST_USER_CLIENT)) {
        return EEXIST;
    }
    if (rte_vhost_driver_callback_register(path, &guest_ops)
        || rte_vhost_driver_attach_vdpa_device(path, vdpa)
        || rte_vhost_driver_start(path)) {
        rte_vhost_driver_unregister(path);
        return EIO;
    }
    return 0;
}

static int
do_stats(const char *name, const char *queue, bool reset)
{
    struct rte_vdpa_device *vdpa = rte_vdpa_find_device_by_name(name);
    struct rte_vdpa_stat_name names[MAX_STATS];
    uint64_t sums[MAX_STATS] = { 0 };
    unsigned int first, last, step;
    uint32_t n_pairs = 0;
    int n_names;

    if (!vdpa) {
        return ENODEV;
    }
    n_names = rte_vdpa_get_stats_names(vdpa, NULL, 0);
    if (n_names < 1 || n_names > MAX_STATS
        || rte_vdpa_get_stats_names(vdpa, names, n_names) != n_names
        || rte_vdpa_get_queue_num(vdpa, &n_pairs) || !n_pairs) {
        return EPROTO;
    }
    if (!strcmp(queue, "rx") || !strcmp(queue, "tx")) {
        first = queue[0] == 't';
        last = 2 * n_pairs - 1;
        step = 2;
    } else {
        first = last = atoi(queue);
        step = 1;
    }
    for (unsigned int i = first; i <= last; i += step) {
        struct rte_vdpa_stat stats[MAX_STATS];
        int n;

        n = (reset ? rte_vdpa_reset_stats(vdpa, i)
             : rte_vdpa_get_stats(vdpa, i, stats, n_names));
        if (n < 0) {
            return -n;
        }
        for (int j = 0; j < n; j++) {
            sums[stats[j].id] += stats[j].value;
        }
    }
    for (int i = 0; i < n_names; i++) {
        if (sums[i]) {
            printf("%s=%"PRIu64"\n", names[i].name, sums[i]);
        }
    }
    return 0;
}

static int
do_wait(bool up, unsigned int n)
{
    for (int ms = 0; ms < WAIT_MS; ms += 10) {
        unsigned int now = __atomic_load_n(&n_guests, __ATOMIC_SEQ_CST);

        if (up ? now >= n : now <= n) {
            return 0;
        }
        poll(NULL, 0, 10);
    }
    return ETIMEDOUT;
}

static int
do_command(char *words[], int n)
{
    const char *command = words[0];

    if (!strcmp(command, "probe") && n == 2) {
        return do_probe(words[1]);
    } else if (!strcmp(command, "remove") && n == 2) {
        return do_remove(words[1]);
    } else if (!strcmp(command, "show") && n == 2) {
        return do_show(words[1]);
    } else if (!strcmp(command, "attach") && n >= 3) {
        return do_attach(words[1], words[2], n > 3);
    } else if (!strcmp(command, "detach") && n == 2) {
        return rte_vhost_driver_unregister(words[1]) ? ENOENT : 0;
    } else if (!strcmp(command, "stats") && n == 3) {
        return do_stats(words[1], words[2], false);
    } else if (!strcmp(command, "reset") && n == 3) {
        return do_stats(words[1], words[2], true);
    } else if (!strcmp(command, "wait") && n == 3) {
        return do_wait(!strcmp(words[1], "up"), atoi(words[2]));
    }
    return EINVAL;
}

int
main(int argc, char *argv[])
{
    char line[512];

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (rte_eal_init(argc, argv) < 0) {
        fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
        return EXIT_FAILURE;
    }
    puts("ok");
    while (fgets(line, sizeof line, stdin)) {
        char *words[8];
        char *save = NULL;
        int n = 0;
        int error;

        for (char *word = strtok_r(line, " \n", &save); word && n < 8;
             word = strtok_r(NULL, " \n", &save)) {
            words[n++] = word;
        }
        if (n) {
            error = do_command(words, n);
            if (error) {
                printf("error: %s\n", rte_strerror(error));
            } else {
                puts("ok");
            }
        }
    }
    rte_eal_cleanup();
    return EXIT_SUCCESS;
}
