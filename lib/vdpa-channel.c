/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "util.h"

/* Keeps the files that came with 'msg'.  Returns 0, or EMFILE if there are
 * more than any message has, or than this process may have. */
static int
channel_keep_files(struct vdpa_channel *channel, struct msghdr *msg)
{
    int error = msg->msg_flags & MSG_CTRUNC ? EMFILE : 0;
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            ovs_assert(n <= ARRAY_SIZE(channel->files) - channel->n_files);
            memcpy(&channel->files[channel->n_files], CMSG_DATA(c),
                   n * sizeof(int));
            channel->n_files += n;
        }
    }
    return error;
}

/* Reads on.  Returns 0 when 'channel->in' is whole, EAGAIN if the rest has not
 * come, EPIPE if the other end is closed, EMSGSIZE if the message is larger
 * than any, EMFILE if its files are more than any message has, or another
 * positive errno value. */
int
vdpa_channel_receive(struct vdpa_channel *channel)
{
    for (;;) {
        unsigned int n_free = ARRAY_SIZE(channel->files) - channel->n_files;
        size_t len = VDPA_MESSAGE_HEADER_LEN;
        union {
            struct cmsghdr align;
            char buf[CMSG_SPACE(sizeof channel->files)];
        } control;
        struct msghdr msg;
        struct iovec iov;
        ssize_t n;
        int error;

        if (vdpa_channel_has_header(channel)) {
            if (channel->in.size > sizeof channel->in.payload) {
                return EMSGSIZE;
            }
            len += channel->in.size;
            if (channel->in_len == len) {
                return 0;
            }
        }

        iov.iov_base = (char *) &channel->in + channel->in_len;
        iov.iov_len = len - channel->in_len;
        memset(&msg, 0, sizeof msg);
        msg.msg_iov = &iov;
        msg.msg_iovlen = 1;
        if (n_free) {
            /* Not CMSG_SPACE(), whose padding the kernel takes for room for
             * one more file. */
            msg.msg_control = control.buf;
            msg.msg_controllen = CMSG_LEN(n_free * sizeof(int));
        }
        n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        if (!n) {
            return EPIPE;
        }
        channel->in_len += n;
        error = channel_keep_files(channel, &msg);
        if (error) {
            return error;
        }
    }
}

/* Moves what files there are into 'files', which has room for
 * VDPA_MESSAGE_MAX_FILES.  Returns their number. */
unsigned int
vdpa_channel_take_files(struct vdpa_channel *channel, int files[])
{
    unsigned int n = channel->n_files;

    memcpy(files, channel->files, n * sizeof *files);
    channel->n_files = 0;
    return n;
}

/* Sends 'msg' and the 'n_files' 'files', that stay the caller's.  Returns 0 if
 * successful; what of the message does not fit is kept for
 * vdpa_channel_flush().  Returns EAGAIN if nothing fits and the files would
 * have to be kept, or EBUSY if there is a message still to be written, or
 * another positive errno value. */
int
vdpa_channel_send(struct vdpa_channel *channel, const struct vdpa_message *m,
                  const int files[], unsigned int n_files)
{
    size_t len = VDPA_MESSAGE_HEADER_LEN + m->size;
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof channel->files)];
    } control;
    struct msghdr msg;
    struct iovec iov;
    ssize_t n;

    if (channel->out_len) {
        return EBUSY;
    }
    memset(&msg, 0, sizeof msg);
    iov.iov_base = CONST_CAST(struct vdpa_message *, m);
    iov.iov_len = len;
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    if (n_files) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof control);
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(n_files * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_files * sizeof(int));
        memcpy(CMSG_DATA(c), files, n_files * sizeof(int));
    }
    do {
        n = sendmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno != EAGAIN || n_files) {
            return errno;
        }
        n = 0;
    }
    if ((size_t) n < len) {
        memcpy(&channel->out, m, len);
        channel->out_ofs = n;
        channel->out_len = len;
    }
    return 0;
}

/* Writes what is left.  Returns 0 if nothing is left any more, EAGAIN if
 * something is, or another positive errno value. */
int
vdpa_channel_flush(struct vdpa_channel *channel)
{
    while (channel->out_len) {
        ssize_t n = send(channel->fd,
                         (char *) &channel->out + channel->out_ofs,
                         channel->out_len - channel->out_ofs,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        channel->out_ofs += n;
        if (channel->out_ofs == channel->out_len) {
            channel->out_len = 0;
        }
    }
    return 0;
}
