/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_FILE_H
#define VDPA_FILE_H 1

/* Files that come with a hypervisor's messages
 * ============================================
 *
 * What vdpa-message.h wants to know of them, found out without ever waiting
 * for the hypervisor, whatever it sent.
 *
 * The functions may be called from any thread. */

#include "vdpa-message.h"

void vdpa_file_examine(int fd, struct vdpa_message_file *);
int vdpa_file_try_mappings(const struct vdpa_message *, const int fds[],
                           const struct vdpa_message_file files[],
                           unsigned int n);

#endif /* vdpa-file.h */
