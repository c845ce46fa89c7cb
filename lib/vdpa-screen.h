/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_SCREEN_H
#define VDPA_SCREEN_H 1

/* Between hypervisors and librte_vhost
 * ====================================
 *
 * librte_vhost 22.11 reads messages in one thread for all sockets and waits
 * for the rest of each, allocates what a message names before anybody may look
 * at it, goes on after some failures, and has requests that take the process
 * down.  None of that can be mended from its callbacks.  So a hypervisor does
 * not talk to librte_vhost: for each port, a 'struct vdpa_screen' connects to
 * the hypervisor's socket, and to one on which librte_vhost listens and that
 * nobody else can reach.
 *
 *     hypervisor  <---->  screen  <---->  librte_vhost
 *
 * It passes on whole messages only, that vdpa-message.h likes and whose files
 * cannot make anybody wait, one at a time, and the next one when librte_vhost
 * has dealt with this one.  librte_vhost is never asked to acknowledge: it
 * would go on after a failure.  What it does not answer is followed by a
 * message of ours that it does answer (VDPA_SCREEN_FENCE), and the hypervisor
 * has its acknowledgement from the screen.
 *
 * RESET_OWNER is not passed on: librte_vhost 22.11 would lose what it has
 * allocated for rings.  It has its connection made anew instead, and the
 * hypervisor keeps its own.
 *
 * A message that is refused, by the screen or by librte_vhost, ends the
 * connection.  The next one is tried after 1 second, then 2, and so on up to
 * 60, but without delay when the socket at that path is another one: whoever
 * comes next is not to suffer for it.
 *
 * What librte_vhost or a vDPA driver wants from the hypervisor (host
 * notifiers) passes in the other direction, and is acknowledged at once:
 * nobody waits for a hypervisor.
 *
 * Bounds
 * ------
 *
 * Per port: one message in each direction and at most VDPA_MESSAGE_MAX_FILES
 * files of it; the files of the memory that the guest has now, and its log;
 * one thread while files are closed.  All of librte_vhost's time is shared as
 * vdpa-turn.h says.
 *
 * Thread-safety
 * -------------
 *
 * One thread serves all screens, and waits for nothing but messages.
 * vdpa_screen_create() and vdpa_screen_destroy() may be called from any
 * thread, vdpa_screen_attached() and vdpa_screen_detached() are for
 * librte_vhost's callbacks; all of them return soon.  After
 * vdpa_screen_destroy() there is no connection to librte_vhost, though that
 * may not have noticed yet. */

#include <stdint.h>

struct vdpa_screen_config {
    const char *name;           /* Of the port, for messages. */
    const char *path;           /* Of the hypervisor's socket. */
    int vhost_fd;               /* O_PATH, of librte_vhost's socket. */
    unsigned int n_pairs;       /* Queue pairs of the port. */
};

/* A request that librte_vhost's callback has to answer, with no payload.  No
 * hypervisor can send it. */
#define VDPA_SCREEN_FENCE UINT32_C(0x66656e63)

void vdpa_screen_create(const struct vdpa_screen_config *, uint64_t *idp);
void vdpa_screen_destroy(uint64_t id);
void vdpa_screen_attached(uint64_t id);
void vdpa_screen_detached(uint64_t id);

#endif /* vdpa-screen.h */
