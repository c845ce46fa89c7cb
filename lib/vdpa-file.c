/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-file.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "guest-file.h"
#include "util.h"

/* Finds out what 'fd' is, without asking anybody but the kernel. */
void
vdpa_file_examine(int fd, struct vdpa_message_file *file)
{
    socklen_t len = sizeof(int);
    struct guest_file memory;
    int domain, type;

    file->kind = VDPA_FILE_OTHER;
    file->size = 0;
    file->page_size = 0;
    if (guest_file_is_eventfd(fd)) {
        file->kind = VDPA_FILE_EVENTFD;
    } else if (!guest_file_examine(fd, &memory)) {
        file->kind = VDPA_FILE_MEMORY;
        file->size = memory.size;
        file->page_size = memory.page_size;
    } else if (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len)
               && domain == AF_UNIX
               && !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len)
               && type == SOCK_STREAM) {
        file->kind = VDPA_FILE_SOCKET;
    }
}

/* Finds out whether librte_vhost will be able to map the memory or the log
 * that has come, with the 'n' files 'fds', that are 'files': if it cannot, it
 * loses one.  What is mapped here is never touched.  Returns 0 or a positive
 * errno value. */
int
vdpa_file_try_mappings(const struct vdpa_message *msg, const int fds[],
                       const struct vdpa_message_file files[], unsigned int n)
{
    void *maps[VDPA_MESSAGE_MAX_FILES];
    size_t sizes[VDPA_MESSAGE_MAX_FILES];
    unsigned int n_maps = 0;
    int error = 0;

    if (msg->request != VDPA_REQUEST_SET_MEM_TABLE
        && msg->request != VDPA_REQUEST_SET_LOG_BASE) {
        return 0;
    }
    while (n_maps < n && !error) {
        const struct vdpa_message_region *r
            = &msg->payload.memory.regions[n_maps];

        /* mmap() takes a size that ends within a huge page, and munmap() does
         * not. */
        sizes[n_maps] = ROUND_UP(msg->request == VDPA_REQUEST_SET_LOG_BASE
                                 ? msg->payload.log.size
                                 : r->file_ofs + r->size,
                                 files[n_maps].page_size);
        maps[n_maps] = mmap(NULL, sizes[n_maps], PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_NORESERVE, fds[n_maps], 0);
        if (maps[n_maps] == MAP_FAILED) {
            error = errno;
        } else {
            n_maps++;
        }
    }
    while (n_maps) {
        n_maps--;
        munmap(maps[n_maps], sizes[n_maps]);
    }
    return error;
}
