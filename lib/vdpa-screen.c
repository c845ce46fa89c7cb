/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-screen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "coverage.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "vdpa-channel.h"
#include "vdpa-closer.h"
#include "vdpa-file.h"
#include "vdpa-message.h"
#include "vdpa-turn.h"

VLOG_DEFINE_THIS_MODULE(vdpa_screen);

COVERAGE_DEFINE(vdpa_hypervisor_connected);
COVERAGE_DEFINE(vdpa_message_passed);
COVERAGE_DEFINE(vdpa_message_refused);

/* When a connection is tried again, in milliseconds: if nobody listens; after
 * a refusal, which doubles up to a limit; and at the earliest. */
#define RETRY_INTERVAL 1000
#define MAX_RETRY_INTERVAL (60 * 1000)
#define MIN_RETRY_INTERVAL 20

/* A connection that lasted for so long makes up for earlier refusals. */
#define FORGIVE_AFTER (60 * 1000)

/* What librte_vhost or a driver may want from a hypervisor, and where the
 * message begins that does not wait for an answer. */
enum {
    BACKEND_CONFIG_CHANGE = 2,
    BACKEND_HOST_NOTIFIER = 3,
};

/* A hypervisor may have one in so many of the addresses that are left. */
#define ADDRESS_SHARE 16

/* What is under way at librte_vhost's. */
enum busy {
    IDLE,
    CONNECTING,
    PASSING,                    /* The message in 'hypervisor.in'. */
    CLOSING,
};

/* For how long the files of memory outlast a connection, in milliseconds:
 * librte_vhost unmaps them after it has told that the connection ended. */
#define LATE 100

/* Files to be closed: one message's, those that it replaces, and all that a
 * connection has. */
#define MAX_TRASH 64

struct vdpa_screen {
    struct hmap_node node;      /* In 'screens', by 'id'. */
    uint64_t id;
    char *name;
    char *path;
    int vhost_fd;
    struct vlog_rate_limit rl;          /* For what it should not do, */
    struct vlog_rate_limit info_rl;     /* and for what it may. */

    struct vdpa_channel hypervisor;
    struct vdpa_channel vhost;
    struct vdpa_channel from_backend;   /* Its other end has librte_vhost. */
    struct vdpa_channel to_backend;     /* The hypervisor's, for that. */
    struct vdpa_dialogue dialogue;

    bool ready;                 /* 'hypervisor.in' may be passed on. */
    bool ending;                /* Until librte_vhost has let go. */
    bool hung_up;               /* There may be a last message to read. */
    uint32_t events;            /* That are waited for from 'hypervisor'. */
    enum busy busy;
    bool attached;              /* librte_vhost has a connection. */
    bool resetting;             /* By making that anew: RESET_OWNER. */
    struct vdpa_account account;

    /* Files.  Those of memory and log are kept as long as librte_vhost maps
     * them, so that its thread is not the one to free them. */
    int passing[VDPA_MESSAGE_MAX_FILES];
    unsigned int n_passing;
    int memory[VDPA_MESSAGE_MAX_FILES];
    unsigned int n_memory;
    struct vdpa_message table;  /* That 'memory' came with. */
    uint64_t mapped;            /* Bytes of memory that may be mapped. */
    int log;
    int late[VDPA_MESSAGE_MAX_FILES + 1];   /* Of the last connection. */
    unsigned int n_late;
    long long late_at;          /* When that lets go of them. */
    int new_backend;            /* Ours of a pair that is being passed. */
    int trash[MAX_TRASH];
    unsigned int n_trash;
    bool closing;               /* A thread closes what was in 'trash'. */

    /* Connecting. */
    long long next_try;
    long long connected_at;
    bool told_waiting;          /* In the log. */
    unsigned int n_refused;     /* In succession. */
    struct stat socket;         /* That was connected to last. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct hmap screens OVS_GUARDED_BY(mutex) = HMAP_INITIALIZER(&screens);
static uint64_t last_id OVS_GUARDED_BY(mutex);

/* Who has something under way at librte_vhost's, or NULL, and since when. */
static struct vdpa_screen *turn_of OVS_GUARDED_BY(mutex);
static long long turn_began OVS_GUARDED_BY(mutex);
static struct vdpa_turns turns OVS_GUARDED_BY(mutex);

/* What the thread waits for.  An event's data is a screen's 'id' and which of
 * its sockets it is, or 0 for 'wake_fd'. */
static int epoll_fd;
static int wake_fd;

enum which {
    WHICH_HYPERVISOR,
    WHICH_VHOST,
    WHICH_BACKEND,
    N_WHICH = 4
};

static void
wake(void)
{
    uint64_t one = 1;

    ignore(write(wake_fd, &one, sizeof one));
}

static struct vdpa_screen *
screen_lookup(uint64_t id)
    OVS_REQUIRES(mutex)
{
    struct vdpa_screen *s;

    HMAP_FOR_EACH_WITH_HASH (s, node, hash_uint64(id), &screens) {
        if (s->id == id) {
            return s;
        }
    }
    return NULL;
}

static void
screen_watch(struct vdpa_screen *s, int fd, enum which which, uint32_t events,
             int op)
{
    struct epoll_event event = {
        .events = events,
        .data.u64 = s->id * N_WHICH + which,
    };

    if (epoll_ctl(epoll_fd, op, fd, &event)) {
        VLOG_WARN_RL(&s->rl, "%s: epoll: %s", s->name, ovs_strerror(errno));
    }
}

/* Files. */

static void
screen_throw(struct vdpa_screen *s, const int fds[], unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            ovs_assert(s->n_trash < MAX_TRASH);
            s->trash[s->n_trash++] = fds[i];
        }
    }
}

static void
screen_throw_one(struct vdpa_screen *s, int *fd)
{
    screen_throw(s, fd, 1);
    *fd = -1;
}

static void
screen_closed_cb(uint64_t id)
{
    struct vdpa_screen *s;

    ovs_mutex_lock(&mutex);
    s = screen_lookup(id);
    if (s) {
        s->closing = false;
    }
    ovs_mutex_unlock(&mutex);
    wake();
}

/* The end of a connection. */

/* Ends the connection to the hypervisor, if there is one.  What librte_vhost
 * has of it ends when it is the port's turn. */
static void
screen_end(struct vdpa_screen *s)
{
    if (s->hypervisor.fd < 0) {
        return;
    }
    if (!s->hung_up) {
        screen_watch(s, s->hypervisor.fd, WHICH_HYPERVISOR, 0, EPOLL_CTL_DEL);
    }
    if (s->from_backend.fd >= 0) {
        screen_watch(s, s->from_backend.fd, WHICH_BACKEND, 0, EPOLL_CTL_DEL);
        close(s->from_backend.fd);
        s->from_backend.fd = -1;
    }
    screen_throw_one(s, &s->to_backend.fd);
    screen_throw_one(s, &s->hypervisor.fd);
    screen_throw(s, s->hypervisor.files, s->hypervisor.n_files);
    s->hypervisor.n_files = 0;
    s->hypervisor.out_len = 0;
    s->hung_up = false;
    s->ending = true;
    s->events = 0;
    if (s->busy != PASSING) {
        s->ready = false;
    }
    s->next_try = MAX(time_msec(), s->connected_at + MIN_RETRY_INTERVAL);
}

/* The same, for a hypervisor that did what it should not: 'why' says what, of
 * the message that has come. */
static void
screen_refuse(struct vdpa_screen *s, const char *by, const char *why)
{
    long long now = time_msec();
    long long interval;

    if (now - s->connected_at > FORGIVE_AFTER) {
        s->n_refused = 0;
    }
    interval = MIN((long long) RETRY_INTERVAL << MIN(s->n_refused, 10),
                   MAX_RETRY_INTERVAL);
    s->n_refused++;
    COVERAGE_INC(vdpa_message_refused);
    VLOG_WARN_RL(&s->rl, "%s: the hypervisor on options:vdpa-socket-path=%s "
                 "is parted from the port, since %s refuses its message%s%s: "
                 "%s.  It is tried again in %lld s; if that happens again, "
                 "update the hypervisor: it is faulty or malicious",
                 s->name, s->path, by,
                 vdpa_channel_has_header(&s->hypervisor) ? " " : "",
                 (vdpa_channel_has_header(&s->hypervisor)
                  ? vdpa_message_name(&s->hypervisor.in) : ""),
                 why, interval / 1000);
    screen_end(s);
    s->next_try = now + interval;
}

static void
screen_throw_late(struct vdpa_screen *s)
{
    screen_throw(s, s->late, s->n_late);
    s->n_late = 0;
}

/* Is called when librte_vhost has told that the last connection has ended. */
static void
screen_rest(struct vdpa_screen *s)
{
    screen_throw_late(s);
    memcpy(s->late, s->memory, sizeof s->memory);
    s->n_late = s->n_memory;
    s->n_memory = 0;
    s->mapped = 0;
    if (s->log >= 0) {
        s->late[s->n_late++] = s->log;
        s->log = -1;
    }
    s->late_at = time_msec() + LATE;
    s->ending = false;
    s->ready = false;
    s->resetting = false;
}

/* librte_vhost. */

static void
screen_end_turn(struct vdpa_screen *s)
    OVS_REQUIRES(mutex)
{
    if (turn_of == s) {
        vdpa_turns_charge(&turns, &s->account, turn_began, time_usec());
        turn_of = NULL;
    }
    s->busy = IDLE;
}

/* Closes the connection to librte_vhost. */
static void
screen_close_vhost(struct vdpa_screen *s)
{
    screen_watch(s, s->vhost.fd, WHICH_VHOST, 0, EPOLL_CTL_DEL);
    close(s->vhost.fd);
    s->vhost.fd = -1;
    vdpa_channel_next(&s->vhost);
    s->busy = CLOSING;
}

/* Is called when librte_vhost has closed the connection.  That is how it says
 * that it failed to do what a message asks for. */
static void
screen_lost_vhost(struct vdpa_screen *s)
{
    if (s->busy == PASSING) {
        screen_throw(s, s->passing, s->n_passing);
        s->n_passing = 0;
        if (s->new_backend >= 0) {
            close(s->new_backend);
            s->new_backend = -1;
        }
    }
    if (s->hypervisor.fd >= 0) {
        screen_refuse(s, "librte_vhost", "its messages above say why");
    }
    s->ending = true;
    screen_close_vhost(s);
}

static int
screen_connect_vhost(struct vdpa_screen *s)
{
    struct vdpa_message fence = {
        .request = VDPA_SCREEN_FENCE,
        .flags = VDPA_MESSAGE_VERSION,
    };
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int error;

    /* The socket has no name any more. */
    snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d",
             s->vhost_fd);
    s->vhost.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
    if (s->vhost.fd < 0) {
        return errno;
    }
    error = (connect(s->vhost.fd, (struct sockaddr *) &sun, sizeof sun)
             ? errno
             : vdpa_channel_send(&s->vhost, &fence, NULL, 0));
    if (error) {
        close(s->vhost.fd);
        s->vhost.fd = -1;
        return error;
    }
    screen_watch(s, s->vhost.fd, WHICH_VHOST, EPOLLIN, EPOLL_CTL_ADD);
    return 0;
}

/* Passes the hypervisor's message on. */
static int
screen_pass(struct vdpa_screen *s)
{
    const struct vdpa_message *in = &s->hypervisor.in;
    struct vdpa_message msg;
    int files[VDPA_MESSAGE_MAX_FILES];
    int theirs = -1;
    int error;

    memcpy(&msg, in, VDPA_MESSAGE_HEADER_LEN + in->size);
    msg.flags = VDPA_MESSAGE_VERSION;
    memcpy(files, s->passing, sizeof files);
    if (msg.request == VDPA_REQUEST_SET_BACKEND_REQ_FD) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
            return errno;
        }
        s->new_backend = pair[0];
        files[0] = theirs = pair[1];
    }
    error = vdpa_channel_send(&s->vhost, &msg, files, s->n_passing);
    if (theirs >= 0) {
        close(theirs);
    }
    if (!error && !vdpa_message_has_answer(in)) {
        struct vdpa_message fence = {
            .request = VDPA_SCREEN_FENCE,
            .flags = VDPA_MESSAGE_VERSION,
        };

        /* What cannot be sent any more cannot be answered either. */
        vdpa_channel_send(&s->vhost, &fence, NULL, 0);
    }
    return error;
}

static void
screen_log_message(const struct vdpa_screen *s, const char *direction,
                   const struct vdpa_message *msg,
                   const struct vdpa_message_file files[], unsigned int n)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    if (VLOG_IS_DBG_ENABLED()) {
        for (unsigned int i = 0; i < n; i++) {
            ds_put_format(&text, " %s:%"PRIu64,
                          vdpa_file_kind_name(files[i].kind), files[i].size);
        }
        for (uint32_t i = 0; i < msg->size; i++) {
            ds_put_format(&text, "%s%02x", i ? "" : " ",
                          ((const uint8_t *) &msg->payload)[i]);
        }
        VLOG_DBG("%s: %s %s %#"PRIx32"%s", s->name, direction,
                 vdpa_message_name(msg), msg->flags, ds_cstr(&text));
        ds_destroy(&text);
    }
}

static void
screen_answer(struct vdpa_screen *s, const struct vdpa_message *answer)
{
    screen_log_message(s, "->", answer, NULL, 0);
    if (vdpa_channel_send(&s->hypervisor, answer, NULL, 0)) {
        screen_end(s);
    }
}

/* Does what is to be done when librte_vhost has dealt with the message that
 * was passed on, with the files that came with it. */
static void
screen_passed(struct vdpa_screen *s)
{
    switch (s->hypervisor.in.request) {
    case VDPA_REQUEST_SET_MEM_TABLE:
        if (s->n_memory
            && vdpa_message_same_memory(&s->table, &s->hypervisor.in)) {
            screen_throw(s, s->passing, s->n_passing);
            break;
        }
        screen_throw(s, s->memory, s->n_memory);
        memcpy(s->memory, s->passing, sizeof s->memory);
        s->n_memory = s->n_passing;
        s->table = s->hypervisor.in;
        s->mapped = vdpa_message_mapped(&s->table);
        break;

    case VDPA_REQUEST_RESET_OWNER:
        screen_throw(s, s->memory, s->n_memory);
        s->n_memory = 0;
        s->mapped = 0;
        break;

    case VDPA_REQUEST_SET_LOG_BASE:
        screen_throw_one(s, &s->log);
        s->log = s->passing[0];
        break;

    case VDPA_REQUEST_SET_BACKEND_REQ_FD:
        if (s->from_backend.fd >= 0) {
            screen_watch(s, s->from_backend.fd, WHICH_BACKEND, 0,
                         EPOLL_CTL_DEL);
            close(s->from_backend.fd);
        }
        screen_throw_one(s, &s->to_backend.fd);
        s->from_backend.fd = s->new_backend;
        vdpa_channel_next(&s->from_backend);
        s->new_backend = -1;
        s->to_backend.fd = s->passing[0];
        s->to_backend.out_len = 0;
        screen_watch(s, s->from_backend.fd, WHICH_BACKEND, EPOLLIN,
                     EPOLL_CTL_ADD);
        break;

    default:
        /* Eventfds, that do not make anybody wait. */
        for (unsigned int i = 0; i < s->n_passing; i++) {
            close(s->passing[i]);
        }
        break;
    }
    s->n_passing = 0;
    vdpa_message_done(&s->dialogue, &s->hypervisor.in);
    COVERAGE_INC(vdpa_message_passed);
}

/* Deals with librte_vhost's answer to the message that was passed on. */
static void
screen_answered(struct vdpa_screen *s, struct vdpa_message *answer)
{
    const struct vdpa_message *msg = &s->hypervisor.in;
    bool ending = s->ending;

    if (ending) {
        /* The hypervisor has gone meanwhile. */
        screen_throw(s, s->passing, s->n_passing);
        s->n_passing = 0;
        if (s->new_backend >= 0) {
            close(s->new_backend);
            s->new_backend = -1;
        }
    } else {
        screen_passed(s);
    }
    if (ending) {
        /* Nobody is there who would read it. */
    } else if (!vdpa_message_has_answer(msg)) {
        if (msg->flags & VDPA_MESSAGE_NEED_REPLY) {
            struct vdpa_message ack = {
                .request = msg->request,
                .flags = VDPA_MESSAGE_VERSION | VDPA_MESSAGE_REPLY,
                .size = sizeof ack.payload.u64,
            };

            screen_answer(s, &ack);
        }
    } else if (vdpa_message_answer(&s->dialogue, msg, answer)) {
        screen_answer(s, answer);
    } else {
        screen_refuse(s, "librte_vhost", "it gave another answer");
    }
    s->ready = false;
    vdpa_channel_next(&s->hypervisor);
}

/* Does what 's' has waited for its turn for.
 *
 * RESET_OWNER is not passed on: librte_vhost 22.11 would lose what it has
 * allocated for rings.  It is given another connection instead, which begins
 * with nothing. */
static void
screen_take_turn(struct vdpa_screen *s)
    OVS_REQUIRES(mutex)
{
    int error;

    turn_of = s;
    turn_began = time_usec();
    if (s->ending) {
        screen_close_vhost(s);
    } else if (s->vhost.fd < 0) {
        s->busy = CONNECTING;
        error = screen_connect_vhost(s);
        if (error) {
            VLOG_WARN_RL(&s->rl, "%s: librte_vhost cannot be reached: %s",
                         s->name, ovs_strerror(error));
            screen_end_turn(s);
            screen_end(s);
            s->next_try = time_msec() + RETRY_INTERVAL;
        }
    } else if (s->hypervisor.in.request == VDPA_REQUEST_RESET_OWNER
               && !s->resetting) {
        s->resetting = true;
        screen_close_vhost(s);
    } else if (s->resetting) {
        s->resetting = false;
        screen_end_turn(s);
        screen_answered(s, NULL);
    } else {
        s->busy = PASSING;
        s->n_passing = vdpa_channel_take_files(&s->hypervisor, s->passing);
        error = screen_pass(s);
        if (error) {
            screen_lost_vhost(s);
        }
    }
}

/* Returns true if 's' has something for librte_vhost. */
static bool
screen_wants_turn(const struct vdpa_screen *s)
{
    if (s->busy != IDLE) {
        return false;
    } else if (s->ending) {
        return s->vhost.fd >= 0;
    } else {
        return (s->ready && !s->closing && !s->n_trash
                && (s->vhost.fd >= 0 || !s->attached));
    }
}

/* The hypervisor. */

static bool
screen_may_read(const struct vdpa_screen *s)
{
    return (s->hypervisor.fd >= 0 && !s->ready && !s->hypervisor.out_len);
}

/* Returns how many bytes of memory may be mapped for 's'.  A file may be as
 * large as its owner says, without having any memory, but there is no end of
 * addresses: everybody may take a part of what is left, and some is left in
 * any case. */
static uint64_t
screen_max_memory(const struct vdpa_screen *s)
    OVS_REQUIRES(mutex)
{
    /* Stacks are at the end of all addresses. */
    uint64_t all = UINT64_C(1) << (log_2_floor((uintptr_t) &s) + 1);
    uint64_t left = all - all / 4;
    const struct vdpa_screen *other;

    HMAP_FOR_EACH (other, node, &screens) {
        if (other != s) {
            left -= MIN(left, other->mapped);
        }
    }
    return left / ADDRESS_SHARE;
}

/* Reads what has come from the hypervisor, and looks at it. */
static void
screen_read(struct vdpa_screen *s)
    OVS_REQUIRES(mutex)
{
    struct vdpa_channel *channel = &s->hypervisor;
    struct vdpa_message_file files[VDPA_MESSAGE_MAX_FILES];
    struct ds why = DS_EMPTY_INITIALIZER;
    int error = vdpa_channel_receive(channel);

    if (vdpa_channel_has_header(channel)
        && !vdpa_message_check_header(&s->dialogue, &channel->in, &why)) {
        screen_refuse(s, "ovs-vswitchd", ds_cstr(&why));
    } else if (error == EMFILE) {
        screen_refuse(s, "ovs-vswitchd", "it comes with too many files");
    } else if (error && error != EAGAIN) {
        screen_end(s);
    } else if (!error) {
        for (unsigned int i = 0; i < channel->n_files; i++) {
            vdpa_file_examine(channel->files[i], &files[i]);
        }
        screen_log_message(s, "<-", &channel->in, files, channel->n_files);
        if (channel->in.request == VDPA_REQUEST_SET_MEM_TABLE) {
            s->dialogue.max_memory = screen_max_memory(s);
        }
        if (!vdpa_message_check(&s->dialogue, &channel->in, files,
                                channel->n_files, &why)) {
            screen_refuse(s, "ovs-vswitchd", ds_cstr(&why));
            goto exit;
        }
        error = vdpa_file_try_mappings(&channel->in, channel->files, files,
                                       channel->n_files);
        if (error) {
            ds_put_format(&why, "its memory cannot be mapped (%s)",
                          ovs_strerror(error));
            screen_refuse(s, "ovs-vswitchd", ds_cstr(&why));
            goto exit;
        }
        if (channel->in.request == VDPA_REQUEST_SET_MEM_TABLE) {
            s->mapped = MAX(s->mapped, vdpa_message_mapped(&channel->in));
        }
        s->ready = true;
    }
exit:
    ds_destroy(&why);
}

/* Reads what has come from librte_vhost. */
static void
screen_read_vhost(struct vdpa_screen *s)
    OVS_REQUIRES(mutex)
{
    int error = vdpa_channel_receive(&s->vhost);

    if (error == EAGAIN) {
        return;
    } else if (error) {
        screen_lost_vhost(s);
        return;
    }
    if (s->busy == PASSING) {
        screen_end_turn(s);
        screen_answered(s, &s->vhost.in);
    } else if (s->busy == CONNECTING) {
        screen_end_turn(s);
    }
    vdpa_channel_next(&s->vhost);
}

/* Passes on what librte_vhost or a driver wants from the hypervisor.  Whoever
 * waits for an answer has it at once. */
static void
screen_read_backend(struct vdpa_screen *s)
{
    struct vdpa_channel *channel = &s->from_backend;
    int error;

    while (!(error = vdpa_channel_receive(channel))) {
        struct vdpa_message msg = channel->in;
        int files[VDPA_MESSAGE_MAX_FILES];
        unsigned int n = vdpa_channel_take_files(channel, files);
        bool known = (msg.request == BACKEND_CONFIG_CHANGE
                      || msg.request == BACKEND_HOST_NOTIFIER);

        vdpa_channel_next(channel);
        if (msg.flags & VDPA_MESSAGE_NEED_REPLY) {
            struct vdpa_message ack = {
                .request = msg.request,
                .flags = VDPA_MESSAGE_VERSION | VDPA_MESSAGE_REPLY,
                .size = sizeof ack.payload.u64,
                .payload.u64 = !known,
            };

            vdpa_channel_send(channel, &ack, NULL, 0);
        }
        msg.flags &= ~VDPA_MESSAGE_NEED_REPLY;
        if (known) {
            int gone = vdpa_channel_send(&s->to_backend, &msg, files, n);

            if (gone && gone != EPIPE) {
                VLOG_WARN_RL(&s->rl, "%s: the hypervisor does not read what "
                             "the NIC wants of it (%s): interrupts and "
                             "doorbells take a longer way", s->name,
                             ovs_strerror(gone));
            }
        }
        for (unsigned int i = 0; i < n; i++) {
            close(files[i]);
        }
    }
    if (error != EAGAIN) {
        screen_watch(s, channel->fd, WHICH_BACKEND, 0, EPOLL_CTL_DEL);
        close(channel->fd);
        channel->fd = -1;
    }
}

/* Connecting to hypervisors. */

static bool
same_socket(const struct stat *a, const struct stat *b)
{
    return (a->st_dev == b->st_dev && a->st_ino == b->st_ino
            && a->st_ctim.tv_sec == b->st_ctim.tv_sec
            && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec);
}

static int
screen_connect(struct vdpa_screen *s)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(s->path) >= sizeof sun.sun_path) {
        return ENAMETOOLONG;
    }
    if (stat(s->path, &s->socket)) {
        return errno;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    ovs_strlcpy(sun.sun_path, s->path, sizeof sun.sun_path);
    if (connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        int error = errno;

        close(fd);
        return error;
    }
    s->hypervisor.fd = fd;
    vdpa_channel_next(&s->hypervisor);
    vdpa_dialogue_init(&s->dialogue, s->dialogue.n_pairs);
    s->ready = false;
    s->events = EPOLLIN;
    screen_watch(s, fd, WHICH_HYPERVISOR, EPOLLIN, EPOLL_CTL_ADD);
    return 0;
}

static void
screen_try(struct vdpa_screen *s, long long now)
{
    int error = screen_connect(s);

    s->connected_at = now;
    s->next_try = now + RETRY_INTERVAL;
    if (!error) {
        COVERAGE_INC(vdpa_hypervisor_connected);
        s->told_waiting = false;
    } else if (!s->told_waiting) {
        VLOG_INFO_RL(&s->info_rl, "%s: no hypervisor serves "
                     "options:vdpa-socket-path=%s now (%s): looking for one "
                     "once a second", s->name, s->path, ovs_strerror(error));
        s->told_waiting = true;
    }
}

/* Connects to the hypervisor if it is time to.  Returns when to look again, in
 * milliseconds. */
static long long
screen_run_connect(struct vdpa_screen *s, long long now)
{
    if (s->hypervisor.fd >= 0 || s->ending || s->attached || s->closing
        || s->n_trash) {
        return LLONG_MAX;
    }
    if (s->n_refused && now < s->next_try) {
        struct stat st;

        /* If it is another one, it is not to suffer for that one. */
        if (!stat(s->path, &st) && !same_socket(&st, &s->socket)) {
            s->n_refused = 0;
            s->next_try = now;
        }
    }
    if (now >= s->next_try) {
        screen_try(s, now);
    }
    return (s->hypervisor.fd >= 0 ? LLONG_MAX
            : s->n_refused ? MIN(s->next_try, now + MIN_RETRY_INTERVAL)
            : s->next_try);
}

/* Does what can be done for 's' alone.  Returns when to look again, in
 * milliseconds. */
static long long
screen_run(struct vdpa_screen *s, long long now)
    OVS_REQUIRES(mutex)
{
    if (s->busy == CLOSING && !s->attached) {
        screen_end_turn(s);
    }
    if (s->ending && s->busy == IDLE && s->vhost.fd < 0 && !s->attached) {
        screen_rest(s);
    }
    if (s->hung_up && screen_may_read(s)) {
        screen_read(s);
    }
    if (s->hypervisor.fd >= 0 && !s->hung_up) {
        uint32_t events = (s->hypervisor.out_len ? EPOLLOUT
                           : screen_may_read(s) ? EPOLLIN : 0);

        if (events != s->events) {
            s->events = events;
            screen_watch(s, s->hypervisor.fd, WHICH_HYPERVISOR, events,
                         EPOLL_CTL_MOD);
        }
    }
    if (s->n_late && now >= s->late_at) {
        screen_throw_late(s);
    }
    if (s->n_trash && !s->closing) {
        s->closing = true;
        vdpa_close(s->trash, s->n_trash, screen_closed_cb, s->id);
        s->n_trash = 0;
    }
    return MIN(screen_run_connect(s, now),
               s->n_late ? s->late_at : LLONG_MAX);
}

/* Gives the next one its turn, if there is one and nobody has it now.  Returns
 * when to look again, in milliseconds. */
static long long
screens_give_turn(void)
    OVS_REQUIRES(mutex)
{
    long long now = time_usec();
    long long least = LLONG_MAX;
    long long again = LLONG_MAX;
    struct vdpa_screen *s, *next = NULL;

    if (turn_of) {
        return LLONG_MAX;
    }
    HMAP_FOR_EACH (s, node, &screens) {
        long long at, used;

        if (!screen_wants_turn(s)) {
            continue;
        }
        at = vdpa_turns_next(&turns, &s->account, now);
        if (at > now) {
            again = MIN(again, time_msec() + (at - now) / 1000 + 1);
            continue;
        }
        used = vdpa_account_used(&s->account, now);
        if (used < least) {
            least = used;
            next = s;
        }
    }
    if (next) {
        screen_take_turn(next);
    }
    return again;
}

static void
screen_event(uint64_t data, uint32_t events)
    OVS_REQUIRES(mutex)
{
    struct vdpa_screen *s = screen_lookup(data / N_WHICH);

    if (!s) {
        return;
    }
    switch ((enum which) (data % N_WHICH)) {
    case WHICH_HYPERVISOR:
        if (s->hypervisor.fd < 0) {
            /* It ended by another event. */
        } else if (s->hypervisor.out_len) {
            int error = vdpa_channel_flush(&s->hypervisor);

            if (error && error != EAGAIN) {
                screen_end(s);
            }
        } else if (screen_may_read(s)) {
            screen_read(s);
        } else if (events & (EPOLLHUP | EPOLLERR) && !s->hung_up) {
            /* It would be told again and again. */
            screen_watch(s, s->hypervisor.fd, WHICH_HYPERVISOR, 0,
                         EPOLL_CTL_DEL);
            s->hung_up = true;
        }
        break;

    case WHICH_VHOST:
        if (s->vhost.fd >= 0) {
            screen_read_vhost(s);
        }
        break;

    case WHICH_BACKEND:
        if (s->from_backend.fd >= 0) {
            screen_read_backend(s);
        }
        break;

    case N_WHICH:
    default:
        break;
    }
}

static void *
screens_main(void *aux OVS_UNUSED)
{
    /* This thread uses nothing that RCU protects. */
    ovsrcu_quiesce_start();
    for (;;) {
        struct epoll_event events[64];
        long long now = time_msec();
        long long again = LLONG_MAX;
        struct vdpa_screen *s;
        int timeout, n;

        ovs_mutex_lock(&mutex);
        HMAP_FOR_EACH (s, node, &screens) {
            again = MIN(again, screen_run(s, now));
        }
        again = MIN(again, screens_give_turn());
        ovs_mutex_unlock(&mutex);
        coverage_try_clear();

        now = time_msec();
        timeout = again <= now ? 0 : MIN(again - now, 60 * 1000);
        n = epoll_wait(epoll_fd, events, ARRAY_SIZE(events), timeout);
        ovs_mutex_lock(&mutex);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64) {
                screen_event(events[i].data.u64, events[i].events);
            } else {
                uint64_t count;

                ignore(read(wake_fd, &count, sizeof count));
            }
        }
        ovs_mutex_unlock(&mutex);
    }
    return NULL;
}

static void
screens_init(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        struct epoll_event event = { .events = EPOLLIN };

        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (epoll_fd < 0 || wake_fd < 0
            || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event)) {
            VLOG_FATAL("cannot wait for hypervisors: %s",
                       ovs_strerror(errno));
        }
        ovs_thread_create("vdpa_screen", screens_main, NULL);
        ovsthread_once_done(&once);
    }
}

/* Makes a screen that 'config' describes, and stores its name for the other
 * functions into '*idp', before librte_vhost can hear of it.
 * 'config->vhost_fd' becomes the screen's. */
void
vdpa_screen_create(const struct vdpa_screen_config *config, uint64_t *idp)
{
    struct vdpa_screen *s = xzalloc(sizeof *s);

    screens_init();
    s->name = xstrdup(config->name);
    s->path = xstrdup(config->path);
    s->vhost_fd = config->vhost_fd;
    s->rl = (struct vlog_rate_limit) VLOG_RATE_LIMIT_INIT(10, 10);
    s->info_rl = (struct vlog_rate_limit) VLOG_RATE_LIMIT_INIT(10, 10);
    s->hypervisor.fd = s->vhost.fd = -1;
    s->from_backend.fd = s->to_backend.fd = -1;
    s->log = s->new_backend = -1;
    vdpa_dialogue_init(&s->dialogue, config->n_pairs);

    ovs_mutex_lock(&mutex);
    *idp = s->id = ++last_id;
    hmap_insert(&screens, &s->node, hash_uint64(s->id));
    ovs_mutex_unlock(&mutex);
    wake();
}

/* Destroys the screen 'id' and parts hypervisor and librte_vhost.  0 is none
 * and allowed. */
void
vdpa_screen_destroy(uint64_t id)
{
    struct vdpa_screen *s;

    ovs_mutex_lock(&mutex);
    s = id ? screen_lookup(id) : NULL;
    if (s) {
        hmap_remove(&screens, &s->node);
        if (turn_of == s) {
            turn_of = NULL;
        }
        if (s->vhost.fd >= 0) {
            screen_close_vhost(s);
        }
        screen_end(s);
        screen_rest(s);
        screen_throw_late(s);
        screen_throw(s, s->passing, s->n_passing);
        screen_throw_one(s, &s->new_backend);
    }
    ovs_mutex_unlock(&mutex);
    if (!s) {
        return;
    }
    if (s->n_trash) {
        vdpa_close(s->trash, s->n_trash, NULL, 0);
    }
    close(s->vhost_fd);
    wake();
    free(s->name);
    free(s->path);
    free(s);
}

static void
screen_set_attached(uint64_t id, bool attached)
{
    struct vdpa_screen *s;

    ovs_mutex_lock(&mutex);
    s = screen_lookup(id);
    if (s) {
        s->attached = attached;
    }
    ovs_mutex_unlock(&mutex);
    if (!attached) {
        wake();
    }
}

/* librte_vhost has taken a connection that the screen 'id' made. */
void
vdpa_screen_attached(uint64_t id)
{
    screen_set_attached(id, true);
}

/* librte_vhost has closed the connection, and will not touch the guest when
 * the callback that this is called from has returned. */
void
vdpa_screen_detached(uint64_t id)
{
    screen_set_attached(id, false);
}
