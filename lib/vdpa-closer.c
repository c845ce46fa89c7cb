/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-closer.h"

#include <pthread.h>
#include <unistd.h>

#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

struct closing {
    void (*done_cb)(uint64_t aux);
    uint64_t aux;
    unsigned int n;
    int fds[];
};

static void *
closer_main(void *closing_)
{
    struct closing *closing = closing_;

    /* Whoever waits for all threads is not to wait for this one. */
    ovsrcu_quiesce_start();
    for (unsigned int i = 0; i < closing->n; i++) {
        close(closing->fds[i]);
    }
    if (closing->done_cb) {
        closing->done_cb(closing->aux);
    }
    free(closing);
    return NULL;
}

/* Closes the 'n' 'fds', and calls 'done_cb', if nonnull, with 'aux' then. */
void
vdpa_close(const int fds[], unsigned int n, void (*done_cb)(uint64_t aux),
           uint64_t aux)
{
    struct closing *closing = xmalloc(sizeof *closing + n * sizeof *fds);

    closing->done_cb = done_cb;
    closing->aux = aux;
    closing->n = n;
    memcpy(closing->fds, fds, n * sizeof *fds);
    pthread_detach(ovs_thread_create("vdpa_closer", closer_main, closing));
}
