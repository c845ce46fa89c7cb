/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_CHANNEL_H
#define VDPA_CHANNEL_H 1

/* Whole messages over a socket, without ever waiting
 * ==================================================
 *
 * A 'struct vdpa_channel' is one end of a vhost-user socket.  It reads one
 * message at a time, with its files, into a buffer of its own, however small
 * the pieces are in which it comes; the next one stays in the kernel until the
 * caller has done with this one.  It writes as much of a message as the other
 * end has room for and keeps the rest.  So what a peer can cost is one message
 * in each direction.
 *
 * Files that were read belong to the channel until vdpa_channel_take_files().
 *
 * Not thread-safe. */

#include <stdbool.h>
#include <stddef.h>

#include "vdpa-message.h"

struct vdpa_channel {
    int fd;                     /* Nonblocking, or -1. */

    struct vdpa_message in;
    size_t in_len;              /* Bytes of 'in' that have come. */
    int files[VDPA_MESSAGE_MAX_FILES];
    unsigned int n_files;

    struct vdpa_message out;
    size_t out_ofs;             /* Bytes of 'out' that have gone. */
    size_t out_len;             /* 0 if there is nothing to write. */
};

#define VDPA_CHANNEL_INITIALIZER { .fd = -1 }

int vdpa_channel_receive(struct vdpa_channel *);
unsigned int vdpa_channel_take_files(struct vdpa_channel *, int files[]);
int vdpa_channel_send(struct vdpa_channel *, const struct vdpa_message *,
                      const int files[], unsigned int n_files);
int vdpa_channel_flush(struct vdpa_channel *);

/* Returns true if all of the header of the message that comes is there. */
static inline bool
vdpa_channel_has_header(const struct vdpa_channel *channel)
{
    return channel->in_len >= VDPA_MESSAGE_HEADER_LEN;
}

/* Has 'channel' read the next message. */
static inline void
vdpa_channel_next(struct vdpa_channel *channel)
{
    channel->in_len = 0;
}

#endif /* vdpa-channel.h */
