/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors */

#include "host.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_errno.h>

#include "ctl.h"
#include "function.h"
#include "guest-file.h"
#include "log.h"
#include "meter.h"
#include "nic.h"
#include "rule-check.h"
#include "rule-table.h"
#include "util.h"
#include "vdpa.h"

/* File descriptors in one message, at most. */
#define MAX_FDS NICSIM_MAX_MAPS

/* A request as it is being served; 'msg' becomes the reply. */
struct request {
    struct nicsim_msg *msg;
    int fds[MAX_FDS];                   /* That came with it. */
    int n_fds;
    int out_fds[2];                     /* To go with the reply. */
    int n_out_fds;
    int close_fds[2];                   /* To close after that. */
    int n_close_fds;
};

/* Returns a socket that listens at 'path', or a negative errno.  A file that a
 * dead daemon left there is replaced; where somebody listens it is
 * -EADDRINUSE. */
int
host_listen(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd, error;

    if (strlen(path) >= sizeof sun.sun_path) {
        return -ENAMETOOLONG;
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    if (bind(fd, (struct sockaddr *) &sun, sizeof sun)) {
        int probe;

        if (errno != EADDRINUSE) {
            goto error;
        }
        probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (probe < 0) {
            goto error;
        }
        if (!connect(probe, (struct sockaddr *) &sun, sizeof sun)
            || errno != ECONNREFUSED) {
            close(probe);
            errno = EADDRINUSE;
            goto error;
        }
        close(probe);
        if (unlink(path) || bind(fd, (struct sockaddr *) &sun, sizeof sun)) {
            goto error;
        }
    }
    if (listen(fd, 64)) {
        goto error;
    }
    return fd;

error:
    error = errno;
    close(fd);
    return -error;
}

/* Takes the connections that wait at nic->listen_fd. */
void
host_accept(struct nic *nic)
{
    for (;;) {
        struct epoll_event event = { .events = EPOLLIN };
        struct ucred cred;
        socklen_t len = sizeof cred;
        struct host *host;
        int fd;

        fd = accept4(nic->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                LOG_LIMITED("accept failed: %s", rte_strerror(errno));
            }
            return;
        }
        host = zalloc(1, sizeof *host);
        if (!host) {
            close(fd);
            continue;
        }
        host->nic = nic;
        host->fd = fd;
        host->event_fd = -1;
        host->program[0] = '?';
        if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
            host->pid = cred.pid;
        }
        event.data.u64 = (uintptr_t) host;
        if (epoll_ctl(nic->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
            close(fd);
            free(host);
            continue;
        }
        dma_init(&host->dma, &host->sigbus);
        host->next = nic->hosts;
        nic->hosts = host;
    }
}

/* Ends the connection: the functions are reset, the memory is let go. */
static void
host_close(struct host *host)
{
    struct nic *nic = host->nic;
    struct host **hostp;

    while (host->functions) {
        function_close(host->functions);
    }
    for (hostp = &nic->hosts; *hostp != host; hostp = &(*hostp)->next) {
        continue;
    }
    *hostp = host->next;
    dma_unmap_all(&host->dma);
    close(host->fd);
    if (host->event_fd >= 0) {
        close(host->event_fd);
    }
    free(host->reply);
    free(host);
}

/* Closes all connections. */
void
host_close_all(struct nic *nic)
{
    while (nic->hosts) {
        host_close(nic->hosts);
    }
}

/* Sends 'msg' with 'n_fds' 'fds'.  A host that does not read its one reply is
 * not worth waiting for. */
static void
host_reply(struct host *host, struct nicsim_msg *msg, const int *fds,
           int n_fds)
{
    union {
        char buf[CMSG_SPACE(2 * sizeof *fds)];
        struct cmsghdr align;
    } control;
    struct iovec iov = { .iov_base = msg, .iov_len = sizeof *msg };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    msg->len = sizeof *msg;
    if (n_fds) {
        struct cmsghdr *cmsg;

        memset(&control, 0, sizeof control);
        mh.msg_control = control.buf;
        mh.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        cmsg = CMSG_FIRSTHDR(&mh);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof *fds);
    }
    do {
        n = sendmsg(host->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof *msg) {
        host->dead = true;
    }
}

/* Sends 'event' to 'host'. */
void
host_post(struct host *host, const struct nicsim_event *event)
{
    /* If there is no room the host has events to read anyhow, after which it
     * looks at the BARs. */
    if (host->event_fd >= 0
        && send(host->event_fd, event, sizeof *event,
                MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
        LOG_LIMITED("%s (pid %"PRIu32") does not read its events",
                    host->program, host->pid);
    }
}

/* The name of a message's type, for the log. */
static const char *
type_name(uint32_t type)
{
    static const char *const names[] = {
        [NICSIM_HELLO] = "hello",
        [NICSIM_MEM_WINDOW] = "memory window",
        [NICSIM_MEM_MAP] = "memory map",
        [NICSIM_MEM_UNMAP] = "memory unmap",
        [NICSIM_FN_OPEN] = "function open",
        [NICSIM_FN_CLOSE] = "function close",
        [NICSIM_FN_CONFIG] = "function config",
        [NICSIM_RING_SETUP] = "ring setup",
        [NICSIM_FN_START] = "function start",
        [NICSIM_FN_STOP] = "function stop",
        [NICSIM_FN_STATS] = "function statistics",
        [NICSIM_FN_STATS_RESET] = "statistics reset",
        [NICSIM_RULE_VALIDATE] = "rule validate",
        [NICSIM_RULE_CREATE] = "rule create",
        [NICSIM_RULE_DESTROY] = "rule destroy",
        [NICSIM_RULE_QUERY] = "rule query",
        [NICSIM_RULE_FLUSH] = "rule flush",
        [NICSIM_METER_CREATE] = "meter create",
        [NICSIM_METER_UPDATE] = "meter update",
        [NICSIM_METER_DESTROY] = "meter destroy",
        [NICSIM_METER_QUERY] = "meter query",
        [NICSIM_VDPA_OPEN] = "vDPA open",
        [NICSIM_VDPA_CLOSE] = "vDPA close",
        [NICSIM_VDPA_MEM] = "vDPA memory",
        [NICSIM_VDPA_LOG] = "vDPA log",
        [NICSIM_VDPA_RING] = "vDPA ring",
        [NICSIM_VDPA_ENABLE] = "vDPA enable",
        [NICSIM_VDPA_START] = "vDPA start",
        [NICSIM_VDPA_STOP] = "vDPA stop",
        [NICSIM_VDPA_QUEUE] = "vDPA queue",
    };

    return (type < sizeof names / sizeof names[0] && names[type]
            ? names[type] : "request");
}

/* Requests.  Each function does one, turns the request into the reply, and
 * returns 0 or a positive errno with the reason in 'why'. */

static int
serve_hello(struct host *host, struct request *req, char *why)
{
    struct nicsim_hello *hello = &req->msg->hello;
    struct nic *nic = host->nic;
    int pair[2];

    if (hello->magic != NICSIM_MAGIC) {
        return refuse(EPROTO, why, "wrong magic number");
    }
    if (hello->version != NICSIM_HW_VERSION) {
        return refuse(EPROTONOSUPPORT, why, "the device is version %d of the "
                      "interface, the driver %"PRIu32, NICSIM_HW_VERSION,
                      hello->version);
    }
    if (host->greeted) {
        return refuse(EALREADY, why, "second hello");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair)) {
        return refuse(errno, why, "no event socket: %s", rte_strerror(errno));
    }
    host->event_fd = pair[0];
    req->out_fds[req->n_out_fds++] = pair[1];
    req->close_fds[req->n_close_fds++] = pair[1];
    host->greeted = true;
    snprintf(host->program, sizeof host->program, "%.*s",
             (int) sizeof hello->program - 1, hello->program);
    for (char *p = host->program; *p; p++) {
        if (*p < ' ' || *p > '~') {
            *p = '?';
        }
    }
    if (!host->pid) {
        host->pid = hello->pid;         /* In a foreign pid namespace. */
    }
    hello->n_vfs = nic->opts.n_vfs;
    hello->n_queues = nic->opts.n_queues;
    hello->switch_domain = nic->switch_domain;
    memcpy(hello->name, nic->name, sizeof hello->name);
    hello->counter_period = nic->opts.counter_period;
    snprintf(hello->personality, sizeof hello->personality, "%s",
             nic->opts.personality);
    return 0;
}

static int
serve_mem(struct host *host, struct request *req, char *why)
{
    struct nicsim_msg *msg = req->msg;
    int error;

    switch (msg->type) {
    case NICSIM_MEM_WINDOW:
        error = dma_window(&host->dma, &msg->window, why);
        break;

    case NICSIM_MEM_MAP:
        if ((uint32_t) req->n_fds != msg->map.n) {
            return refuse(EINVAL, why, "%"PRIu32" regions but %d files",
                          msg->map.n, req->n_fds);
        }
        error = dma_map(&host->dma, &msg->map, req->fds, why);
        break;

    case NICSIM_MEM_UNMAP:
    default:
        error = dma_unmap(&host->dma, &msg->map, why);
        break;
    }
    functions_check_rings(host);
    return error;
}

/* Sets '*fnp' to function 'id' if 'host' has it. */
static int
get_function(struct host *host, uint32_t id, struct function **fnp, char *why)
{
    struct function *fn = function_by_id(host->nic, id);

    if (!fn) {
        return refuse(ENODEV, why, "there is no function %#"PRIx32, id);
    }
    if (fn->host != host) {
        return refuse(EPERM, why, "%s is not open here", function_name(fn));
    }
    *fnp = fn;
    return 0;
}

static int
serve_open(struct host *host, struct request *req, char *why)
{
    struct nicsim_fn_info *info = &req->msg->fn_info;
    struct function *fn = function_by_id(host->nic, info->fn);
    int error;

    if (!fn) {
        return refuse(ENODEV, why, "there is no function %#"PRIx32
                      ": the NIC has %"PRIu32" VFs", info->fn,
                      host->nic->opts.n_vfs);
    }
    error = function_open(fn, host, req->out_fds, why);
    if (!error) {
        req->n_out_fds = 2;
        req->close_fds[req->n_close_fds++] = req->out_fds[0];
        info->n_queues = host->nic->opts.n_queues;
        info->max_mtu = NICSIM_MAX_MTU;
        info->bar_len = sizeof(struct nicsim_bar);
        info->keeps_rules = host->nic->opts.keep_rules;
        memcpy(info->mac, fn->permanent_mac, sizeof info->mac);
    }
    return error;
}

static int
serve_function(struct host *host, struct request *req, char *why)
{
    struct nicsim_msg *msg = req->msg;
    struct function *fn;
    int error;

    /* All these messages have the function's number first. */
    error = get_function(host, msg->fn_info.fn, &fn, why);
    if (error) {
        return error;
    }
    if (is_vdpa(fn)) {
        return refuse(EPERM, why, "%s is open as vDPA device",
                      function_name(fn));
    }
    switch (msg->type) {
    case NICSIM_FN_CLOSE:
        function_close(fn);
        return 0;

    case NICSIM_FN_CONFIG:
        return function_configure(fn, &msg->config, why);

    case NICSIM_RING_SETUP:
        return function_setup_ring(fn, &msg->ring, why);

    case NICSIM_FN_START:
        return function_start(fn, why);

    case NICSIM_FN_STOP:
        function_stop(fn);
        return 0;

    case NICSIM_FN_STATS:
        msg->stats.stats = fn->stats;
        function_get_vport_stats(fn, &msg->stats.vport);
        return 0;

    case NICSIM_FN_STATS_RESET:
    default:
        function_reset_stats(fn);
        return 0;
    }
}

static int
serve_vdpa(struct host *host, struct request *req, char *why)
{
    struct nicsim_msg *msg = req->msg;
    struct function *fn;
    int error;

    if (msg->type == NICSIM_VDPA_OPEN) {
        fn = function_by_id(host->nic, msg->vdpa_info.fn);
        if (!fn) {
            return refuse(ENODEV, why, "there is no function %#"PRIx32
                          ": the NIC has %"PRIu32" VFs", msg->vdpa_info.fn,
                          host->nic->opts.n_vfs);
        }
        return vdpa_open(fn, host, &msg->vdpa_info, why);
    }

    /* All these messages have the function's number first. */
    error = get_function(host, msg->vdpa_info.fn, &fn, why);
    if (error) {
        return error;
    }
    if (!is_vdpa(fn)) {
        return refuse(EPERM, why, "%s is open as ethdev", function_name(fn));
    }
    return vdpa_serve(fn, msg, req->fds, req->n_fds, why);
}

/* Finds the rule that 'op' names, if it is of the host's own. */
static int
get_rule(struct host *host, const struct nicsim_rule_op *op,
         struct rule **rulep, char *why)
{
    struct rule *rule = rule_table_find(host->nic->rules, op->id);

    if (!rule || function_by_id(host->nic, rule->fn)->host != host) {
        return refuse(ENOENT, why, "there is no rule %"PRIu64, op->id);
    }
    *rulep = rule;
    return 0;
}

static int
serve_create(struct host *host, struct nicsim_rule_op *op, bool validate,
             char *why)
{
    struct nic *nic = host->nic;
    int error;

    op->culprit = NICSIM_CULPRIT_NONE;
    op->culprit_arg = 0;
    error = rule_check(nic, op, why);
    if (!error) {
        error = trouble_refuses(nic, op, why);
        if (!error && !validate) {
            error = trouble_fails(nic, true, why);
        }
    }
    if (!error) {
        error = (validate ? rule_table_check(nic->rules, &op->rule)
                 : rule_table_insert(nic->rules, &op->rule, op->fn, &op->id));
        if (error == EEXIST) {
            refuse(error, why, "a rule with this match, group and priority "
                   "exists");
        } else if (error == ENOSPC) {
            refuse(error, why, "all %"PRIu32" rules are in use",
                   rule_table_max(nic->rules));
        } else if (error == ENOTSUP) {
            refuse(error, why, "the parser takes UDP port %u for another "
                   "tunnel's, or knows %d others already",
                   rte_be_to_cpu_16(op->rule.key.outer.l4_dst), PARSER_PORTS);
            op->culprit = NICSIM_CULPRIT_ITEM;
            op->culprit_arg = NICSIM_ITEM_UDP;
        } else if (error) {
            refuse(error, why, "out of memory");
        }
    }
    if (error) {
        nic->rules_refused++;
    } else if (!validate) {
        nic->rule_ops++;
    }
    return error;
}

/* As get_function(), for what is of the switch only, which is named 'what'. */
static int
get_switch_function(struct host *host, uint32_t id, const char *what,
                    char *why)
{
    struct function *fn = NULL;
    int error;

    error = get_function(host, id, &fn, why);
    if (error) {
        return error;
    }
    return (NICSIM_FN_KIND(id) == NICSIM_FN_VF
            ? refuse(EPERM, why, "%s is not of the switch: it can have no %s",
                     function_name(fn), what)
            : 0);
}

static int
serve_rule(struct host *host, struct request *req, char *why)
{
    struct nicsim_rule_op *op = &req->msg->rule;
    struct nic *nic = host->nic;
    struct rule *rule;
    int error;

    error = get_switch_function(host, op->fn, "rules", why);
    if (error) {
        return error;
    }
    switch (req->msg->type) {
    case NICSIM_RULE_VALIDATE:
        return serve_create(host, op, true, why);

    case NICSIM_RULE_CREATE:
        return serve_create(host, op, false, why);

    case NICSIM_RULE_DESTROY:
        error = get_rule(host, op, &rule, why);
        if (!error) {
            error = trouble_fails(nic, false, why);
        }
        if (!error) {
            op->counter = rule->counter;
            rule_table_remove(nic->rules, rule);
            nic->rule_ops++;
        }
        return error;

    case NICSIM_RULE_QUERY:
        error = get_rule(host, op, &rule, why);
        if (!error) {
            op->counter = rule->counter;
            if (op->reset) {
                memset(&rule->counter, 0, sizeof rule->counter);
            }
        }
        return error;

    case NICSIM_RULE_FLUSH:
    default:
        nic->rule_ops += rule_table_count(nic->rules);
        rule_table_flush(nic->rules, op->fn);
        nic->rule_ops -= rule_table_count(nic->rules);
        return 0;
    }
}

static int
serve_meter(struct host *host, struct request *req, char *why)
{
    struct nicsim_meter_op *op = &req->msg->meter;
    struct meters *meters = host->nic->meters;
    int error;

    error = get_switch_function(host, op->fn, "meters", why);
    if (error) {
        return error;
    }
    switch (req->msg->type) {
    case NICSIM_METER_CREATE:
        return meter_create(meters, op, why);

    case NICSIM_METER_UPDATE:
        return meter_update(meters, op, why);

    case NICSIM_METER_DESTROY:
        return meter_delete(meters, op, why);

    case NICSIM_METER_QUERY:
    default:
        return meter_query(meters, op, why);
    }
}

/* Does what 'req' asks. */
static int
serve(struct host *host, struct request *req, char *why)
{
    struct nicsim_msg *msg = req->msg;

    if (req->n_fds && msg->type != NICSIM_MEM_MAP
        && msg->type != NICSIM_VDPA_MEM && msg->type != NICSIM_VDPA_LOG
        && msg->type != NICSIM_VDPA_RING) {
        return refuse(EINVAL, why, "files came with a message of type "
                      "%"PRIu32, msg->type);
    }
    switch (msg->type) {
    case NICSIM_HELLO:
        return serve_hello(host, req, why);

    case NICSIM_CTL_INFO:
        return ctl_info(host->nic, &msg->ctl_info);

    case NICSIM_CTL_RULES:
        return ctl_rule(host->nic, &msg->ctl_rule);

    case NICSIM_CTL_VPORT:
        return ctl_vport(host->nic, &msg->ctl_vport);

    case NICSIM_CTL_VDPA:
        return ctl_vdpa(host->nic, &msg->ctl_vdpa);

    case NICSIM_CTL_VDPA_QUEUE:
        return ctl_vdpa_queue(host->nic, &msg->vdpa_queue, why);
    }
    if (!host->greeted) {
        return refuse(EPROTO, why, "no hello yet");
    }
    switch (msg->type) {
    case NICSIM_MEM_WINDOW:
    case NICSIM_MEM_MAP:
    case NICSIM_MEM_UNMAP:
        return serve_mem(host, req, why);

    case NICSIM_FN_OPEN:
        return serve_open(host, req, why);

    case NICSIM_FN_CLOSE:
    case NICSIM_FN_CONFIG:
    case NICSIM_RING_SETUP:
    case NICSIM_FN_START:
    case NICSIM_FN_STOP:
    case NICSIM_FN_STATS:
    case NICSIM_FN_STATS_RESET:
        return serve_function(host, req, why);

    case NICSIM_RULE_VALIDATE:
    case NICSIM_RULE_CREATE:
    case NICSIM_RULE_DESTROY:
    case NICSIM_RULE_QUERY:
    case NICSIM_RULE_FLUSH:
        return serve_rule(host, req, why);

    case NICSIM_METER_CREATE:
    case NICSIM_METER_UPDATE:
    case NICSIM_METER_DESTROY:
    case NICSIM_METER_QUERY:
        return serve_meter(host, req, why);

    case NICSIM_VDPA_OPEN:
    case NICSIM_VDPA_CLOSE:
    case NICSIM_VDPA_MEM:
    case NICSIM_VDPA_LOG:
    case NICSIM_VDPA_RING:
    case NICSIM_VDPA_ENABLE:
    case NICSIM_VDPA_START:
    case NICSIM_VDPA_STOP:
    case NICSIM_VDPA_QUEUE:
        return serve_vdpa(host, req, why);

    default:
        return refuse(ENOSYS, why, "unknown message type %"PRIu32, msg->type);
    }
}

/* Holds the reply 'msg' back for --rule-latency.  Returns false if it can't or
 * need not. */
static bool
hold_reply(struct host *host, const struct nicsim_msg *msg)
{
    uint32_t latency = host->nic->opts.rule_latency;
    struct epoll_event event = { .events = 0 };

    if (!latency || (msg->type != NICSIM_RULE_CREATE
                     && msg->type != NICSIM_RULE_DESTROY
                     && msg->type != NICSIM_RULE_FLUSH)) {
        return false;
    }
    host->reply = zalloc(1, sizeof *host->reply);
    if (!host->reply) {
        return false;
    }
    *host->reply = *msg;
    host->reply_at = rte_rdtsc() + latency * (rte_get_tsc_hz() / 1000000);

    /* Don't listen meanwhile. */
    event.data.u64 = (uintptr_t) host;
    epoll_ctl(host->nic->epoll_fd, EPOLL_CTL_MOD, host->fd, &event);
    return true;
}

/* Closes 'fd', which a host sent: perhaps its file system does not answer. */
static void
close_file(int fd)
{
    if (!guest_file_close(fd)) {
        LOG_LIMITED("file %d of a host's stays open: too many are waiting to "
                    "be closed", fd);
    }
}

/* Collects the file descriptors of 'mh'.  Returns false if there were too
 * many. */
static bool
collect_fds(struct msghdr *mh, struct request *req)
{
    bool ok = !(mh->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(mh); cmsg;
         cmsg = CMSG_NXTHDR(mh, cmsg)) {
        size_t n;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof fd, sizeof fd);
            if (req->n_fds < MAX_FDS) {
                req->fds[req->n_fds++] = fd;
            } else {
                close_file(fd);
                ok = false;
            }
        }
    }
    return ok;
}

/* Logs that a request was refused.  A host has many guests: one that has its
 * own refused all the time does not hide another's. */
static void
log_refused(struct host *host, const struct nicsim_msg *msg)
{
    static struct log_limit others;
    struct function *fn = NULL;

    if (msg->type >= NICSIM_VDPA_OPEN) {
        /* Which function it is about comes first in all of these. */
        fn = function_by_id(host->nic, msg->vdpa_info.fn);
    }
    log_limited(fn ? &fn->log_limits[LOG_REFUSED] : &others,
                "%s (pid %"PRIu32"): %s refused: %s", host->program, host->pid,
                type_name(msg->type), msg->text);
}

/* Serves one message of 'host', or marks it as dead if the connection ended
 * or makes no sense.  'events' is what epoll said. */
void
host_serve(struct host *host, uint32_t events)
{
    union {
        char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct nicsim_msg msg;
    struct iovec iov = { .iov_base = &msg, .iov_len = sizeof msg };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control.buf, .msg_controllen = sizeof control.buf,
    };
    struct request req = { .msg = &msg };
    bool fds_ok;
    ssize_t n;

    if (host->dead || host->reply) {
        host->dead |= (events & (EPOLLHUP | EPOLLERR)) != 0;
        return;
    }
    n = recvmsg(host->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        host->dead = true;
        return;
    }
    fds_ok = collect_fds(&mh, &req);
    if (n < (ssize_t) offsetof(struct nicsim_msg, text)) {
        LOG_LIMITED("%s (pid %"PRIu32"): message of %zd bytes: disconnecting",
                    host->program, host->pid, n);
        host->dead = true;
    } else {
        msg.text[0] = '\0';
        msg.status = (n != sizeof msg || msg.len != sizeof msg
                      || mh.msg_flags & MSG_TRUNC
                      ? refuse(EMSGSIZE, msg.text, "message of %zd bytes that "
                               "says %"PRIu32", must be %zu", n, msg.len,
                               sizeof msg)
                      : !fds_ok ? refuse(EMFILE, msg.text, "too many files")
                      : serve(host, &req, msg.text));
        if (msg.status && (msg.type < NICSIM_CTL_INFO
                           || msg.type >= NICSIM_VDPA_OPEN)
            && msg.type != NICSIM_RULE_VALIDATE) {
            log_refused(host, &msg);
        }
        if (!hold_reply(host, &msg)) {
            host_reply(host, &msg, req.out_fds, req.n_out_fds);
        }
    }
    for (int i = 0; i < req.n_fds; i++) {
        if (req.fds[i] >= 0) {          /* Else it was kept. */
            close_file(req.fds[i]);
        }
    }
    for (int i = 0; i < req.n_close_fds; i++) {
        close(req.close_fds[i]);
    }
}

/* Sends replies whose time has come and closes what is dead or broken.
 * Returns the TSC when there is more to do, or UINT64_MAX. */
uint64_t
host_run(struct nic *nic, uint64_t now)
{
    uint64_t next_time = UINT64_MAX;
    struct host *host, *next;

    for (host = nic->hosts; host; host = next) {
        next = host->next;
        if (guest_sigbus_is_broken(&host->sigbus) && !host->dead) {
            log_line("%s (pid %"PRIu32") took away memory that it had mapped: "
                     "disconnecting", host->program, host->pid);
            host->dead = true;
        }
        if (host->reply && now >= host->reply_at) {
            struct epoll_event event = { .events = EPOLLIN };

            host_reply(host, host->reply, NULL, 0);
            free(host->reply);
            host->reply = NULL;
            event.data.u64 = (uintptr_t) host;
            epoll_ctl(nic->epoll_fd, EPOLL_CTL_MOD, host->fd, &event);
        }
        if (host->dead) {
            host_close(host);
        } else if (host->reply && host->reply_at < next_time) {
            next_time = host->reply_at;
        }
    }
    return next_time;
}
