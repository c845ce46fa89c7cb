/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "nicsim-host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <ethdev_driver.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_interrupts.h>

#include "nicsim-log.h"
#include "nicsim-mem.h"
#include "nicsim-port.h"
#include "nicsim-util.h"
#include "nicsim-vdpa.h"

static pthread_mutex_t hosts_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, nicsim_host) hosts = LIST_HEAD_INITIALIZER(hosts);

bool
nicsim_host_is_dead(const struct nicsim_host *host)
{
    return __atomic_load_n(&host->dead, __ATOMIC_ACQUIRE) != 0;
}

static void
host_free(struct nicsim_host *host)
{
    if (host->ctl_fd >= 0) {
        close(host->ctl_fd);
    }
    if (host->event_fd >= 0) {
        close(host->event_fd);
    }
    rte_intr_instance_free(host->intr);
    pthread_mutex_destroy(&host->mutex);
    pthread_mutex_destroy(&host->ports_mutex);
    free(host->path);
    free(host);
}

static void
host_unref(struct nicsim_host *host)
{
    if (__atomic_sub_fetch(&host->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        host_free(host);
    }
}

/* Declares 'host' dead.  Shutting the event socket down wakes the interrupt
 * thread, which then tells the ports: there is one way to them only. */
static void
host_kill(struct nicsim_host *host, const char *why)
{
    if (!__atomic_exchange_n(&host->dead, 1, __ATOMIC_ACQ_REL)) {
        NICSIM_LOG(ERR, "%s: the NIC is gone: %s", host->path, why);
        shutdown(host->ctl_fd, SHUT_RDWR);
        if (host->event_fd >= 0) {
            shutdown(host->event_fd, SHUT_RDWR);
        }
    }
}

/* Requests. */

static void
close_fds(const int *fds, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        close(fds[i]);
    }
}

/* Receives one message.  Returns 0 or a positive errno. */
static int
receive_msg(int sock, struct nicsim_msg *msg, int *fds, unsigned int *n_fds)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(NICSIM_MAX_MSG_FDS * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = msg, .iov_len = sizeof *msg };
    struct msghdr hdr = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof control.buf,
    };
    struct cmsghdr *c;
    ssize_t n;

    do {
        n = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);

    *n_fds = 0;
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno;
    }
    for (c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            unsigned int k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            memcpy(fds, CMSG_DATA(c), k * sizeof(int));
            *n_fds = k;
        }
    }
    if (!n) {
        return ECONNRESET;
    }
    return (size_t) n < offsetof(struct nicsim_msg, hello) ? EPROTO : 0;
}

static int
send_msg(int sock, const struct nicsim_msg *msg, const int *fds,
         unsigned int n_fds)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(NICSIM_MAX_MSG_FDS * sizeof(int))];
    } control;
    struct iovec iov = {
        .iov_base = (void *) (uintptr_t) msg,
        .iov_len = sizeof *msg,
    };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (n_fds) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof control);
        hdr.msg_control = control.buf;
        hdr.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&hdr);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    do {
        n = sendmsg(sock, &hdr, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno;
    }
    return 0;
}

/* Does one request with 'host->mutex' held.  Returns 0 if the device answered,
 * whatever it said. */
static int
exchange(struct nicsim_host *host, struct nicsim_msg *msg, const int *fds,
         unsigned int n_fds, int *rfds, unsigned int *n_rfds)
{
    uint32_t type = msg->type;
    uint32_t seq = ++host->seq;
    int error;

    msg->seq = seq;
    msg->status = 0;
    msg->len = sizeof *msg;
    msg->text[0] = '\0';

    error = send_msg(host->ctl_fd, msg, fds, n_fds);
    while (!error) {
        error = receive_msg(host->ctl_fd, msg, rfds, n_rfds);
        if (!error && msg->type == type && msg->seq == seq) {
            msg->text[sizeof msg->text - 1] = '\0';
            return 0;
        }
        close_fds(rfds, *n_rfds);
    }
    return error;
}

int
nicsim_host_request(struct nicsim_host *host, struct nicsim_msg *msg,
                    const int *fds, unsigned int n_fds,
                    int *reply_fds, unsigned int n_reply_fds)
{
    int rfds[NICSIM_MAX_MSG_FDS];
    unsigned int n_rfds = 0;
    int error;

    pthread_mutex_lock(&host->mutex);
    error = nicsim_host_is_dead(host) ? EIO
        : exchange(host, msg, fds, n_fds, rfds, &n_rfds);
    if (error && !nicsim_host_is_dead(host)) {
        host_kill(host, error == ETIMEDOUT ? "it does not answer"
                  : rte_strerror(error));
    }
    pthread_mutex_unlock(&host->mutex);

    if (error) {
        snprintf(msg->text, sizeof msg->text, "the NIC is gone");
        return EIO;
    }
    if (msg->status) {
        close_fds(rfds, n_rfds);
        return msg->status;
    }
    if (n_rfds < n_reply_fds) {
        close_fds(rfds, n_rfds);
        snprintf(msg->text, sizeof msg->text,
                 "the NIC sent %u file descriptors, not %u",
                 n_rfds, n_reply_fds);
        return EPROTO;
    }
    if (n_reply_fds) {
        memcpy(reply_fds, rfds, n_reply_fds * sizeof rfds[0]);
    }
    close_fds(rfds + n_reply_fds, n_rfds - n_reply_fds);
    return 0;
}

int
nicsim_host_call(struct nicsim_host *host, struct nicsim_msg *msg)
{
    return nicsim_host_request(host, msg, NULL, 0, NULL, 0);
}

/* Events, in EAL's interrupt thread. */

void
nicsim_host_watch(struct nicsim_host *host, struct nicsim_port *port)
{
    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_INSERT_TAIL(&host->ports, port, host_node);
    port->dead = nicsim_host_is_dead(host);
    pthread_mutex_unlock(&host->ports_mutex);
}

void
nicsim_host_unwatch(struct nicsim_host *host, struct nicsim_port *port)
{
    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_REMOVE(&host->ports, port, host_node);
    pthread_mutex_unlock(&host->ports_mutex);
}

void
nicsim_host_watch_vdpa(struct nicsim_host *host, struct nicsim_vdpa *vdpa)
{
    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_INSERT_TAIL(&host->vdpas, vdpa, host_node);
    pthread_mutex_unlock(&host->ports_mutex);
}

void
nicsim_host_unwatch_vdpa(struct nicsim_host *host, struct nicsim_vdpa *vdpa)
{
    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_REMOVE(&host->vdpas, vdpa, host_node);
    pthread_mutex_unlock(&host->ports_mutex);
}

static void
tell_vdpas(struct nicsim_host *host, const struct nicsim_event *event)
{
    struct nicsim_vdpa *vdpa;

    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_FOREACH (vdpa, &host->vdpas, host_node) {
        if (vdpa->fn == event->fn) {
            nicsim_vdpa_handle_event(vdpa, event);
        }
    }
    pthread_mutex_unlock(&host->ports_mutex);
}

/* Tells the applications that the vDPA devices of 'host', which is dead, do
 * nothing any more. */
static void
tell_vdpas_removed(struct nicsim_host *host)
{
    char names[NICSIM_MAX_VFS][NICSIM_NAME_LEN];
    struct nicsim_vdpa *vdpa;
    unsigned int n = 0;

    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_FOREACH (vdpa, &host->vdpas, host_node) {
        if (n < NICSIM_MAX_VFS) {
            snprintf(names[n++], sizeof names[0], "%s", vdpa->name);
        }
    }
    pthread_mutex_unlock(&host->ports_mutex);

    for (unsigned int i = 0; i < n; i++) {
        rte_dev_event_callback_process(names[i], RTE_DEV_EVENT_REMOVE);
    }
}

/* Brings the link state of all ports of 'host' up to date, those of function
 * 'fn' only unless the host is dead, and tells the applications. */
static void
tell_ports(struct nicsim_host *host, uint32_t fn)
{
    bool dead = nicsim_host_is_dead(host);
    uint16_t ids[RTE_MAX_ETHPORTS];
    bool lsc[RTE_MAX_ETHPORTS];
    struct nicsim_port *port;
    unsigned int n = 0;

    pthread_mutex_lock(&host->ports_mutex);
    TAILQ_FOREACH (port, &host->ports, host_node) {
        bool changed;

        if (!dead && port->fn != fn) {
            continue;
        }
        __atomic_store_n(&port->dead, dead, __ATOMIC_RELEASE);
        changed = nicsim_port_update_link(port);
        lsc[n] = changed && port->dev->data->dev_conf.intr_conf.lsc;
        ids[n++] = port->dev->data->port_id;
    }
    pthread_mutex_unlock(&host->ports_mutex);

    for (unsigned int i = 0; i < n; i++) {
        struct rte_eth_dev *dev = &rte_eth_devices[ids[i]];

        if (lsc[i]) {
            rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_LSC, NULL);
        }
        if (dead) {
            rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RMV, NULL);
        }
    }
}

/* EAL calls this with a spinlock of its own held, when the interrupt source
 * of 'host_' is gone. */
static void
intr_source_gone(struct rte_intr_handle *intr __rte_unused, void *host_)
{
    host_unref(host_);
}

static void
handle_event(void *host_)
{
    struct nicsim_host *host = host_;
    struct nicsim_event ev;
    ssize_t n;

    while ((n = recv(host->event_fd, &ev, sizeof ev, MSG_DONTWAIT)) > 0) {
        if (n == sizeof ev && ev.type == NICSIM_EV_LINK) {
            tell_ports(host, ev.fn);
        } else if (n == sizeof ev) {
            tell_vdpas(host, &ev);
        }
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        /* Nothing will ever come from this socket again, but it would stay
         * readable. */
        host_kill(host, n ? rte_strerror(errno) : "it hung up");
        rte_intr_callback_unregister_pending(host->intr, handle_event, host,
                                             intr_source_gone);
        tell_ports(host, 0);
        tell_vdpas_removed(host);
    }
}

/* The interrupt source has a reference to 'host' of its own.  If its handler
 * runs right now (perhaps it called us), that is given back when the handler
 * returns. */
static void
remove_intr_source(struct nicsim_host *host)
{
    int n;

    do {
        n = rte_intr_callback_unregister(host->intr, handle_event, host);
        if (n > 0) {
            host_unref(host);
        } else if (n == -EAGAIN) {
            n = rte_intr_callback_unregister_pending(host->intr, handle_event,
                                                     host, intr_source_gone);
        }
    } while (n == -EAGAIN);
}

/* Connecting. */

static int
connect_to(const char *path, int *fdp)
{
    struct timeval timeout = { .tv_sec = NICSIM_REPLY_TIMEOUT_S };
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int error;
    int fd;

    if (strlen(path) >= sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);

    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        error = errno;
        close(fd);
        return error;
    }
    *fdp = fd;
    return 0;
}

#define SELF_EXE "/proc/self/exe"

/* The name of this process's program, for the NIC's messages. */
static void
get_program(char *name, size_t size)
{
    char path[256];
    const char *slash;
    ssize_t n;

    n = readlink(SELF_EXE, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    slash = strrchr(path, '/');
    snprintf(name, size, "%.*s", (int) size - 1, slash ? slash + 1 : path);
}

static int
say_hello(struct nicsim_host *host)
{
    struct nicsim_msg msg = { .type = NICSIM_HELLO };
    int error;

    msg.hello.magic = NICSIM_MAGIC;
    msg.hello.version = NICSIM_HW_VERSION;
    msg.hello.pid = getpid();
    get_program(msg.hello.program, sizeof msg.hello.program);
    error = nicsim_host_request(host, &msg, NULL, 0, &host->event_fd, 1);
    if (error) {
        NICSIM_LOG(ERR, "%s: the NIC refused this host: %s",
                   host->path, msg.text[0] ? msg.text : rte_strerror(error));
        return error;
    }
    if (msg.hello.magic != NICSIM_MAGIC
        || msg.hello.version != NICSIM_HW_VERSION
        || msg.hello.n_vfs > NICSIM_MAX_VFS
        || !msg.hello.n_queues || msg.hello.n_queues > NICSIM_MAX_QUEUES) {
        NICSIM_LOG(ERR, "%s: what answers is no nicsimd of version %d",
                   host->path, NICSIM_HW_VERSION);
        return EPROTO;
    }
    host->n_vfs = msg.hello.n_vfs;
    host->n_queues = msg.hello.n_queues;
    snprintf(host->name, sizeof host->name, "%.*s",
             NICSIM_NAME_LEN - 1, msg.hello.name);
    snprintf(host->personality, sizeof host->personality, "%.*s",
             NICSIM_TEXT_LEN - 1, msg.hello.personality);
    host->counter_period = msg.hello.counter_period;
    return 0;
}

static int
watch_events(struct nicsim_host *host)
{
    int error;

    host->intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
    if (!host->intr) {
        return ENOMEM;
    }
    if (rte_intr_fd_set(host->intr, host->event_fd)
        || rte_intr_type_set(host->intr, RTE_INTR_HANDLE_EXT)) {
        return EINVAL;
    }
    host->refs++;
    error = -rte_intr_callback_register(host->intr, handle_event, host);
    if (error) {
        host->refs--;
        NICSIM_LOG(ERR, "%s: no interrupts to be had (%s)",
                   host->path, rte_strerror(error));
    }
    return error;
}

static int
host_create(const char *path, struct nicsim_host **hostp)
{
    struct nicsim_host *host;
    int error;

    host = nicsim_zalloc(sizeof *host);
    if (!host) {
        return ENOMEM;
    }
    host->ctl_fd = host->event_fd = -1;
    host->refs = host->users = 1;
    pthread_mutex_init(&host->mutex, NULL);
    pthread_mutex_init(&host->ports_mutex, NULL);
    TAILQ_INIT(&host->ports);
    TAILQ_INIT(&host->vdpas);
    host->path = nicsim_strdup(path);
    if (!host->path) {
        error = ENOMEM;
        goto error;
    }

    error = connect_to(path, &host->ctl_fd);
    if (error) {
        NICSIM_LOG(ERR, "%s: no NIC there (%s): is nicsimd running?",
                   path, rte_strerror(error));
        goto error;
    }
    error = say_hello(host);
    if (error) {
        goto error;
    }
    error = -rte_eth_switch_domain_alloc(&host->domain_id);
    if (error) {
        NICSIM_LOG(ERR, "%s: no switch domain left (%s)",
                   path, rte_strerror(error));
        goto error;
    }
    error = nicsim_mem_register(host);
    if (error) {
        goto error_domain;
    }
    error = watch_events(host);
    if (error) {
        goto error_mem;
    }
    *hostp = host;
    return 0;

error_mem:
    nicsim_mem_unregister(host);
error_domain:
    rte_eth_switch_domain_free(host->domain_id);
error:
    host_free(host);
    return error;
}

int
nicsim_host_get(const char *path, struct nicsim_host **hostp)
{
    struct nicsim_host *host;
    int error = 0;

    pthread_mutex_lock(&hosts_mutex);
    LIST_FOREACH (host, &hosts, node) {
        if (!strcmp(host->path, path) && !nicsim_host_is_dead(host)) {
            host->users++;
            break;
        }
    }
    if (!host) {
        error = host_create(path, &host);
        if (!error) {
            LIST_INSERT_HEAD(&hosts, host, node);
        }
    }
    pthread_mutex_unlock(&hosts_mutex);

    *hostp = error ? NULL : host;
    return error;
}

void
nicsim_host_put(struct nicsim_host *host)
{
    bool last;

    if (!host) {
        return;
    }
    pthread_mutex_lock(&hosts_mutex);
    last = !--host->users;
    if (last) {
        LIST_REMOVE(host, node);
    }
    pthread_mutex_unlock(&hosts_mutex);

    if (last) {
        nicsim_mem_unregister(host);
        remove_intr_source(host);
        rte_eth_switch_domain_free(host->domain_id);
        /* The reference may not be the last one, but the connection ends. */
        shutdown(host->ctl_fd, SHUT_RDWR);
        host_unref(host);
    }
}
