/*
 * SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#define _GNU_SOURCE 1

#include "dpdkvdpa-guest-vhost.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "dpdkvdpa-guest-virtq.h"

/* A switch that is busy with other ports may take its time. */
#define REPLY_TIMEOUT_MS 10000

enum request {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_LOG_BASE = 6,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
};

#define PROTOCOL_F_MQ 0
#define PROTOCOL_F_LOG_SHMFD 1
#define PROTOCOL_F_REPLY_ACK 3

/* Of <linux/vhost_types.h>, which has a struct vhost_memory of its own. */
#define VHOST_F_LOG_ALL 26
#define VHOST_VRING_F_LOG 0

#define FLAGS_VERSION 0x1u
#define FLAGS_REPLY 0x4u
#define FLAGS_NEED_REPLY 0x8u

struct vring_state {
    uint32_t index;
    uint32_t num;
};

struct vring_addr {
    uint32_t index;
    uint32_t flags;
    uint64_t desc;
    uint64_t used;
    uint64_t avail;
    uint64_t log;
};

struct mem_table {
    uint32_t n_regions;
    uint32_t padding;
    struct {
        uint64_t gpa;
        uint64_t size;
        uint64_t user_addr;
        uint64_t mmap_offset;
    } regions[1];
};

struct log {
    uint64_t mmap_size;
    uint64_t mmap_offset;
};

struct msg {
    uint32_t request;
    uint32_t flags;
    uint32_t size;              /* Of the payload. */
    union {
        uint64_t u64;
        struct vring_state state;
        struct vring_addr addr;
        struct mem_table mem;
        struct log log;
    } __attribute__((packed)) payload;
} __attribute__((packed));

#define HEADER_LEN 12

/* Sends 'msg', and with it 'fd' unless that is -1. */
static int
send_msg(struct vhost *vh, struct msg *msg, int fd)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { msg, HEADER_LEN + msg->size };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (fd >= 0) {
        struct cmsghdr *cmsg;

        memset(&control, 0, sizeof control);
        mh.msg_control = control.buf;
        mh.msg_controllen = sizeof control.buf;
        cmsg = CMSG_FIRSTHDR(&mh);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    }
    msg->flags = (msg->flags & FLAGS_NEED_REPLY) | FLAGS_VERSION;
    do {
        n = sendmsg(vh->conn_fd, &mh, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);

    /* Messages are far smaller than the socket's buffer: one that does not
     * fit means a back end that reads nothing. */
    return n == (ssize_t) iov.iov_len ? 0 : n < 0 ? errno : EPROTO;
}

static long long int
now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int
recv_all(struct vhost *vh, void *buf, size_t len, long long int deadline)
{
    uint8_t *p = buf;

    while (len) {
        struct pollfd pfd = { .fd = vh->conn_fd, .events = POLLIN };
        long long int left = deadline - now_ms();
        struct timespec ts;
        ssize_t n;
        int ready;

        if (left <= 0) {
            return ETIMEDOUT;
        }
        ts.tv_sec = left / 1000;
        ts.tv_nsec = left % 1000 * 1000000;
        ready = ppoll(&pfd, 1, &ts, vh->wait_sigmask);
        if (ready < 0) {
            return errno;
        } else if (!ready) {
            continue;
        }
        n = recv(vh->conn_fd, p, len, 0);
        if (n == 0) {
            return ECONNRESET;
        } else if (n > 0) {
            p += n;
            len -= n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/* Receives the reply to 'request', which must have a payload of 'size'
 * bytes. */
static int
recv_reply(struct vhost *vh, enum request request, struct msg *msg,
           uint32_t size)
{
    long long int deadline = now_ms() + REPLY_TIMEOUT_MS;
    int error;

    error = recv_all(vh, msg, HEADER_LEN, deadline);
    if (error) {
        return error;
    }
    if (msg->request != (uint32_t) request || !(msg->flags & FLAGS_REPLY)
        || msg->size != size) {
        return EPROTO;
    }
    return recv_all(vh, &msg->payload, size, deadline);
}

static int
get_u64(struct vhost *vh, enum request request, uint64_t *value)
{
    struct msg msg = { .request = request };
    int error = send_msg(vh, &msg, -1);

    error = error ? error : recv_reply(vh, request, &msg, sizeof *value);
    if (!error) {
        *value = msg.payload.u64;
    }
    return error;
}

static int
set_u64(struct vhost *vh, enum request request, uint64_t value, int fd)
{
    struct msg msg = {
        .request = request,
        .size = sizeof value,
        .payload.u64 = value,
    };

    return send_msg(vh, &msg, fd);
}

static int
set_state(struct vhost *vh, enum request request, uint32_t index, uint32_t num)
{
    struct msg msg = {
        .request = request,
        .size = sizeof msg.payload.state,
        .payload.state = { index, num },
    };

    return send_msg(vh, &msg, -1);
}

/* Binds the socket of 'un', taking the place of one that a killed process left
 * behind, but never of one that is in use. */
static int
bind_socket(int fd, const struct sockaddr_un *un)
{
    struct stat st;
    int probe, error;

    if (!bind(fd, (const struct sockaddr *) un, sizeof *un)) {
        return 0;
    }
    if (errno != EADDRINUSE || lstat(un->sun_path, &st)
        || !S_ISSOCK(st.st_mode)) {
        return errno;
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return errno;
    }
    error = (connect(probe, (const struct sockaddr *) un, sizeof *un)
             ? errno : 0);
    close(probe);
    if (error != ECONNREFUSED) {
        return EADDRINUSE;
    }
    unlink(un->sun_path);
    return (bind(fd, (const struct sockaddr *) un, sizeof *un) ? errno : 0);
}

/* Listens on the Unix socket 'path', which must stay valid.  'wait_sigmask'
 * is the signal mask while a call waits.  Returns 0 or a positive errno. */
int
vhost_listen(struct vhost *vh, const char *path, const sigset_t *wait_sigmask)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int error;

    memset(vh, 0, sizeof *vh);
    vh->path = path;
    vh->wait_sigmask = wait_sigmask;
    vh->listen_fd = vh->conn_fd = -1;
    if (strlen(path) >= sizeof un.sun_path) {
        return ENAMETOOLONG;
    }
    memcpy(un.sun_path, path, strlen(path) + 1);

    vh->listen_fd = socket(AF_UNIX,
                           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (vh->listen_fd < 0) {
        return errno;
    }
    error = bind_socket(vh->listen_fd, &un);
    if (!error && listen(vh->listen_fd, 1)) {
        error = errno;
        unlink(path);
    }
    if (error) {
        close(vh->listen_fd);
        vh->listen_fd = -1;
    }
    return error;
}

/* Stops listening and removes the socket. */
void
vhost_unlisten(struct vhost *vh)
{
    vhost_disconnect(vh);
    if (vh->listen_fd >= 0) {
        close(vh->listen_fd);
        unlink(vh->path);
        vh->listen_fd = -1;
    }
}

/* Accepts a back end.  Returns 0, EAGAIN if none is waiting, or another
 * positive errno. */
int
vhost_accept(struct vhost *vh)
{
    vh->conn_fd = accept4(vh->listen_fd, NULL, NULL,
                          SOCK_CLOEXEC | SOCK_NONBLOCK);
    return vh->conn_fd < 0 ? errno : 0;
}

/* Drops the back end, without a word to it. */
void
vhost_disconnect(struct vhost *vh)
{
    if (vh->conn_fd >= 0) {
        close(vh->conn_fd);
        vh->conn_fd = -1;
    }
}

/* Negotiates features, of those 'wanted', into 'vh->features', and lowers
 * '*n_pairs' to the number of queue pairs that the back end can serve.
 * VIRTIO_F_VERSION_1 must be among the features 'wanted', and the back end's.
 * Returns 0 or a positive errno. */
int
vhost_negotiate(struct vhost *vh, uint64_t wanted, int *n_pairs)
{
    uint64_t offered, protocol = 0;
    struct msg owner = { .request = SET_OWNER };
    int max_pairs = 1;
    int error;

    error = get_u64(vh, GET_FEATURES, &offered);
    if (error) {
        return error;
    }
    vh->features = offered & (wanted | 1ULL << VHOST_USER_F_PROTOCOL_FEATURES);
    if (!(vh->features & 1ULL << VIRTIO_F_VERSION_1)) {
        return ENOTSUP;
    }

    if (vh->features & 1ULL << VHOST_USER_F_PROTOCOL_FEATURES) {
        error = get_u64(vh, GET_PROTOCOL_FEATURES, &protocol);
        if (error) {
            return error;
        }
        protocol &= (1ULL << PROTOCOL_F_MQ | 1ULL << PROTOCOL_F_REPLY_ACK
                     | 1ULL << PROTOCOL_F_LOG_SHMFD);
        error = set_u64(vh, SET_PROTOCOL_FEATURES, protocol, -1);
        if (error) {
            return error;
        }
    }
    vh->protocol_features = protocol;
    vh->can_log = (offered & 1ULL << VHOST_F_LOG_ALL
                   && protocol & 1ULL << PROTOCOL_F_LOG_SHMFD);

    if (protocol & 1ULL << PROTOCOL_F_MQ
        && vh->features & 1ULL << VIRTIO_NET_F_MQ) {
        uint64_t n;

        error = get_u64(vh, GET_QUEUE_NUM, &n);
        if (error) {
            return error;
        }
        max_pairs = n < 1 ? 1 : n > 1024 ? 1024 : n;
    }
    if (*n_pairs > max_pairs) {
        *n_pairs = max_pairs;
    }
    if (*n_pairs == 1) {
        vh->features &= ~(1ULL << VIRTIO_NET_F_MQ);
    }

    error = send_msg(vh, &owner, -1);
    return error ? error : set_u64(vh, SET_FEATURES, vh->features, -1);
}

/* Sends 'msg', with 'fd' unless that is -1, and waits until the back end has
 * done what it says, if it can tell. */
static int
send_acked(struct vhost *vh, struct msg *msg, int fd)
{
    bool ack = vh->protocol_features & 1ULL << PROTOCOL_F_REPLY_ACK;
    enum request request = msg->request;
    int error;

    msg->flags = ack ? FLAGS_NEED_REPLY : 0;
    error = send_msg(vh, msg, fd);
    if (!error && ack) {
        error = recv_reply(vh, request, msg, sizeof msg->payload.u64);
        if (!error && msg->payload.u64) {
            error = EIO;
        }
    }
    return error;
}

static int
set_memory(struct vhost *vh, const struct vhost_memory *mem)
{
    struct msg msg = {
        .request = SET_MEM_TABLE,
        .size = sizeof msg.payload.mem,
        .payload.mem = {
            .n_regions = 1,
            .regions[0] = {
                .gpa = mem->gpa,
                .size = mem->size,
                .user_addr = (uintptr_t) mem->addr,
            },
        },
    };

    return send_acked(vh, &msg, mem->fd);
}

static int
set_addr(struct vhost *vh, uint32_t index, const struct virtq *vq, bool log)
{
    struct msg msg = {
        .request = SET_VRING_ADDR,
        .size = sizeof msg.payload.addr,
        .payload.addr = {
            .index = index,
            .flags = log ? 1u << VHOST_VRING_F_LOG : 0,
            .desc = (uintptr_t) vq->desc,
            .avail = (uintptr_t) vq->avail,
            .used = (uintptr_t) vq->used,
            .log = log ? virtq_used_gpa(vq) : 0,
        },
    };

    return send_msg(vh, &msg, -1);
}

static int
set_vring(struct vhost *vh, uint32_t index, struct virtq *vq)
{
    int error;

    /* The kick file goes last: it starts the ring. */
    error = set_state(vh, SET_VRING_NUM, index, vq->size);
    error = error ? error : set_state(vh, SET_VRING_BASE, index,
                                      virtq_resume(vq));
    error = error ? error : set_addr(vh, index, vq, false);
    error = error ? error : set_u64(vh, SET_VRING_CALL, index, vq->call_fd);
    return error ? error : set_u64(vh, SET_VRING_KICK, index, vq->kick_fd);
}

/* Hands 'mem' and the 'n_rings' rings over to the back end, and enables them.
 * Ring 2 * i receives and ring 2 * i + 1 transmits, as seen from the guest.
 * Returns 0 or a positive errno. */
int
vhost_start(struct vhost *vh, const struct vhost_memory *mem,
            struct virtq *rings[], int n_rings)
{
    int error = set_memory(vh, mem);

    for (int i = 0; !error && i < n_rings; i++) {
        error = set_vring(vh, i, rings[i]);
    }
    if (vh->features & 1ULL << VHOST_USER_F_PROTOCOL_FEATURES) {
        for (int i = 0; !error && i < n_rings; i++) {
            error = set_state(vh, SET_VRING_ENABLE, i, 1);
        }
    }

    /* What is in the rings already waits for a kick. */
    for (int i = 0; !error && i < n_rings; i++) {
        uint64_t one = 1;

        (void) !write(rings[i]->kick_fd, &one, sizeof one);
    }
    return error;
}

/* Takes the 'n_rings' rings back.  When this returns 0 the back end does not
 * touch the guest's memory any more, and '*n_wrong' is the number of rings
 * whose position it had wrong.  Otherwise returns a positive errno. */
int
vhost_stop(struct vhost *vh, struct virtq *rings[], int n_rings, int *n_wrong)
{
    int error = 0;

    *n_wrong = 0;
    if (vh->features & 1ULL << VHOST_USER_F_PROTOCOL_FEATURES) {
        for (int i = 0; !error && i < n_rings; i++) {
            error = set_state(vh, SET_VRING_ENABLE, i, 0);
        }
    }
    for (int i = 0; !error && i < n_rings; i++) {
        struct msg msg;

        error = set_state(vh, GET_VRING_BASE, i, 0);
        error = error ? error : recv_reply(vh, GET_VRING_BASE, &msg,
                                           sizeof msg.payload.state);
        if (!error && msg.payload.state.num != virtq_resume(rings[i])) {
            *n_wrong += 1;
        }
    }
    return error;
}

/* Has the back end, which was started with the 'n_rings' rings, set the bits
 * of the pages that it writes from now on in the 'size' bytes of file 'fd', or
 * stop to do so if 'fd' is -1.  Only if 'vh->can_log'.  Returns 0 or a
 * positive errno. */
int
vhost_set_log(struct vhost *vh, struct virtq *rings[], int n_rings, int fd,
              uint64_t size)
{
    struct msg msg = { .request = SET_LOG_BASE };
    int error = 0;

    if (fd >= 0) {
        msg.size = sizeof msg.payload.log;
        msg.payload.log.mmap_size = size;
        error = send_msg(vh, &msg, fd);
        error = error ? error : recv_reply(vh, SET_LOG_BASE, &msg, 0);
    }
    if (!error) {
        msg.request = SET_FEATURES;
        msg.size = sizeof msg.payload.u64;
        msg.payload.u64 = vh->features;
        if (fd >= 0) {
            msg.payload.u64 |= 1ULL << VHOST_F_LOG_ALL;
        }
        error = send_acked(vh, &msg, -1);
    }
    for (int i = 0; !error && fd >= 0 && i < n_rings; i++) {
        error = set_addr(vh, i, rings[i], true);
    }
    return error;
}
