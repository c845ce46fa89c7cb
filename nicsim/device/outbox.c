/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "outbox.h"

#include "segment.h"

/* Cuts 'frame' and puts the segments into 'box'.  Returns false if that can't
 * be done; some segments may have been sent then. */
bool
outbox_send_segments(struct outbox *box, const struct packet *frame)
{
    struct segmenter s;

    if (!segment_start(&s, frame)) {
        return false;
    }
    for (;;) {
        struct packet *p = &box->fn->nic->segments[box->n_segments];

        if (!segment_next(&s, p)) {
            return true;
        }
        if (!outbox_finish(p)) {
            return false;
        }
        box->n_segments++;
        outbox_put(box, p);
    }
}
