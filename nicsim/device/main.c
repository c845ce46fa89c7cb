/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsimd: start, the loop, and the end. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <paths.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_pause.h>

#include "function.h"
#include "guest-call.h"
#include "guest-sigbus.h"
#include "host.h"
#include "log.h"
#include "meter.h"
#include "nic.h"
#include "options.h"
#include "packet.h"
#include "rule-table.h"
#include "tx.h"
#include "util.h"
#include "vdpa.h"
#include "wire.h"

/* How often messages are looked for while packets keep coming. */
#define CONTROL_USEC 20

/* How often the wire's link state is looked at. */
#define LINK_USEC 200000

/* How long the loop sleeps if the wire or a guest can't wake it: the longer
 * nothing has come the longer, from ... to. */
#define MIN_NAP_USEC 50
#define MAX_NAP_USEC 1000

/* What stands for itself in epoll_event.data.  All others are pointers, and
 * what they are to is in EV_TYPE. */
#define EV_LISTEN 2
#define EV_WIRE   3             /* Used in wire.c. */
#define EV_SIGNAL 4

/* The file to remove at exit. */
static const char *socket_path;

/* The pipe's end on which a parent waits for us to be ready, or -1. */
static int parent_fd = -1;

/* Forks.  The parent ends when the child is ready or has failed. */
static void
detach(void)
{
    int fds[2];
    pid_t pid;
    char c;

    if (pipe2(fds, O_CLOEXEC)) {
        fatal("pipe failed: %s", rte_strerror(errno));
    }
    pid = fork();
    if (pid < 0) {
        fatal("fork failed: %s", rte_strerror(errno));
    }
    if (pid) {
        ssize_t n;

        close(fds[1]);
        do {
            n = read(fds[0], &c, 1);
        } while (n < 0 && errno == EINTR);
        if (n != 1) {
            int status;

            if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status)) {
                fprintf(stderr, "nicsimd: died of signal %d while starting\n",
                        WTERMSIG(status));
            }
            _exit(EXIT_FAILURE);
        }
        _exit(EXIT_SUCCESS);
    }
    close(fds[0]);
    parent_fd = fds[1];
    setsid();
}

/* Tells the parent that we are ready, and lets go of its terminal. */
static void
detach_complete(const struct options *opts)
{
    const char root[] = "/";
    int null;

    if (parent_fd < 0) {
        return;
    }
    if (chdir(root)) {
        log_line("chdir to / failed: %s", rte_strerror(errno));
    }
    null = open(_PATH_DEVNULL, O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        if (!opts->log_file) {
            dup2(null, STDERR_FILENO);
        }
        if (null > STDERR_FILENO) {
            close(null);
        }
    }
    if (write(parent_fd, "", 1) != 1) {
        log_line("the parent has gone");
    }
    close(parent_fd);
    parent_fd = -1;
}

/* Makes 'path' absolute, since detaching leaves the directory. */
static char *
absolute_path(char *path)
{
    char cwd[PATH_MAX];
    char *result;
    size_t size;

    if (!path || path[0] == '/' || !getcwd(cwd, sizeof cwd)) {
        return path;
    }
    size = strlen(cwd) + strlen(path) + 2;
    result = zalloc(1, size);
    if (!result) {
        fatal("out of memory");
    }
    snprintf(result, size, "%s/%s", cwd, path);
    return result;
}

static void
write_pidfile(const char *path)
{
    FILE *file = fopen(path, "we");

    if (!file || fprintf(file, "%ld\n", (long) getpid()) < 0
        || fclose(file)) {
        fatal("%s: can't write: %s", path, rte_strerror(errno));
    }
}

/* Starts DPDK.  It takes ordinary memory, leaves PCI devices and other DPDK
 * processes in peace, and does not pin us unless asked to.  (--in-memory does
 * not go with --no-huge; --no-shconf makes EAL leave no files, too.) */
static void
start_eal(const struct options *opts)
{
    char mem[16], lcores[1024], vdev[4096];
    char *argv[] = {
        "nicsimd", "--no-pci", "--no-huge", "--no-shconf", "--no-telemetry",
        "--file-prefix=nicsim", "--log-level=notice", "-m", mem,
        "--lcores", lcores, "--vdev", vdev, NULL
    };
    int argc = opts->wire ? 13 : 11;

    snprintf(mem, sizeof mem, "%u", opts->mem);
    if (opts->core >= 0) {
        snprintf(lcores, sizeof lcores, "0@%d", opts->core);
    } else {
        cpu_set_t cpus;
        size_t len;

        if (sched_getaffinity(0, sizeof cpus, &cpus)) {
            fatal("sched_getaffinity failed: %s", rte_strerror(errno));
        }
        len = snprintf(lcores, sizeof lcores, "0@(");
        for (int i = 0; i < CPU_SETSIZE && len < sizeof lcores - 8; i++) {
            if (CPU_ISSET(i, &cpus)) {
                len += snprintf(lcores + len, sizeof lcores - len, "%d,", i);
            }
        }
        lcores[len - 1] = ')';
    }
    if (!opts->wire) {
        argv[argc] = NULL;
    } else if ((size_t) snprintf(vdev, sizeof vdev, "%s", opts->wire)
               >= sizeof vdev) {
        fatal("--wire is too long");
    }
    rte_openlog_stream(stderr);
    if (rte_eal_init(argc, argv) < 0) {
        fatal("DPDK's initialization failed: %s", rte_strerror(rte_errno));
    }
}

static int
watch_signals(int epoll_fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = EV_SIGNAL };
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        fatal("signalfd failed: %s", rte_strerror(errno));
    }
    return fd;
}

/* Reads the signals that came.  Returns true if they mean the end. */
static bool
got_signal(int fd)
{
    struct signalfd_siginfo info;
    bool end = false;

    while (read(fd, &info, sizeof info) == sizeof info) {
        log_line("signal %"PRIu32": exiting", info.ssi_signo);
        end = true;
    }
    return end;
}

static void
remove_socket(void)
{
    unlink(socket_path);
}

/* Makes the process outlive what guests and hosts do to the memory and to the
 * eventfds that they share with it. */
static void
expect_harm(void)
{
    int error;

    error = guest_sigbus_init();
    if (error) {
        fatal("SIGBUS can't be caught: %s", rte_strerror(error));
    }
    error = guest_call_init();
    if (error) {
        log_line("there is no asynchronous I/O (%s): a guest's hypervisor can "
                 "make the NIC wait", rte_strerror(error));
    }
}

/* Listens.  From now on drivers can connect, but they are not served yet. */
static void
start_listening(struct nic *nic)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = EV_LISTEN };

    nic->listen_fd = host_listen(nic->opts.socket);
    if (nic->listen_fd == -EADDRINUSE) {
        fatal("%s: another nicsimd listens there", nic->opts.socket);
    } else if (nic->listen_fd < 0) {
        fatal("%s: can't listen: %s", nic->opts.socket,
              rte_strerror(-nic->listen_fd));
    }
    if (epoll_ctl(nic->epoll_fd, EPOLL_CTL_ADD, nic->listen_fd, &event)) {
        fatal("epoll_ctl failed: %s", rte_strerror(errno));
    }
    socket_path = nic->opts.socket;
    atexit(remove_socket);
}

/* The NIC's name: that of its socket's file without ".sock". */
static void
set_name(struct nic *nic)
{
    const char *slash = strrchr(nic->opts.socket, '/');
    char *dot;

    snprintf(nic->name, sizeof nic->name, "%s",
             slash ? slash + 1 : nic->opts.socket);
    dot = strstr(nic->name, ".sock");
    if (dot) {
        *dot = '\0';
    }
}

static struct packet *
alloc_packets(unsigned int n)
{
    struct packet *packets = aligned_alloc(64, n * sizeof *packets);

    if (!packets) {
        fatal("out of memory");
    }
    memset(packets, 0, n * sizeof *packets);
    return packets;
}

/* Moves a burst from each ring and from the wire.  Returns the number of
 * packets. */
static unsigned int
poll_all(struct nic *nic)
{
    unsigned int n;

    nic->round++;
    n = wire_poll(nic);
    for (uint32_t i = 0; i < nic->n_tx_rings; i++) {
        struct ring *ring = nic->tx_rings[i];

        if (ring->desc) {
            n += tx_poll(ring);
        }
    }
    for (uint32_t i = 0; i < nic->n_tx_vqs; i++) {
        struct virtq *vq = nic->tx_vqs[i];

        if (vq->running) {
            n += vdpa_tx_poll(vq);
        }
    }
    return n;
}

/* epoll_wait() for 'usec' microseconds, or for ever if that is negative. */
static int
wait_events(int epoll_fd, struct epoll_event *events, int n, int64_t usec)
{
    static bool no_pwait2;

    if (usec > 0 && !no_pwait2) {
        struct timespec ts = {
            .tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000
        };
        int retval = epoll_pwait2(epoll_fd, events, n, &ts, NULL);

        if (retval >= 0 || errno != ENOSYS) {
            return retval;
        }
        no_pwait2 = true;               /* Linux before 5.11. */
    }
    return epoll_wait(epoll_fd, events, n,
                      usec < 0 ? -1 : (usec + 999) / 1000);
}

/* Serves what came to the sockets within 'usec' microseconds.  Returns the
 * number of messages, or -1 at the end of the process. */
static int
serve_events(struct nic *nic, int signal_fd, int64_t usec)
{
    struct epoll_event events[64];
    int n, served = 0;

    n = wait_events(nic->epoll_fd, events, 64, usec);
    for (int i = 0; i < n; i++) {
        uint64_t data = events[i].data.u64;

        if (data == EV_LISTEN) {
            host_accept(nic);
            served++;
        } else if (data == EV_SIGNAL) {
            if (got_signal(signal_fd)) {
                return -1;
            }
        } else if (data == EV_WIRE) {
            /* The loop polls the wire next. */
        } else if ((data & EV_TYPE) == EV_KICK) {
            virtq_kicked((void *) (uintptr_t) (data - EV_KICK));
        } else if ((data & EV_TYPE) == EV_DOORBELL) {
            struct function *fn = (void *) (uintptr_t) (data - EV_DOORBELL);
            uint64_t rings;

            /* The host has it too, and may do anything with it.  It need not
             * be emptied. */
            if (fn->doorbell >= 0) {
                guest_kick_take(fn->doorbell, &rings);
            }
        } else {
            host_serve((void *) (uintptr_t) data, events[i].events);
            served++;
        }
    }
    return served;
}

/* How long the loop may sleep, in us. */
static int64_t
nap_time(const struct nic *nic, uint64_t now, uint64_t until, int64_t *nap)
{
    uint64_t mhz = rte_get_tsc_hz() / 1000000;
    int64_t usec = nic->wire ? LINK_USEC : -1;

    if ((nic->wire && !wire_has_interrupt(nic)) || nic->vqs_without_kick) {
        usec = *nap;
        *nap = *nap < MAX_NAP_USEC / 2 ? *nap * 2 : MAX_NAP_USEC;
    }
    if (until != UINT64_MAX) {
        int64_t left = until > now ? (until - now) / mhz + 1 : 1;

        usec = usec < 0 || left < usec ? left : usec;
    }
    return usec;
}

/* Moves packets and serves messages until a signal says to end. */
static void
run(struct nic *nic, int signal_fd)
{
    uint64_t mhz = rte_get_tsc_hz() / 1000000;
    uint64_t spin = nic->opts.idle_spin * mhz;
    uint64_t last_work = rte_rdtsc();
    uint64_t next_control = 0, next_link = 0;
    uint64_t due = UINT64_MAX;          /* When host_run() has to run. */
    int64_t nap = MIN_NAP_USEC;
    int served;

    do {
        unsigned int n = poll_all(nic);
        uint64_t now = rte_rdtsc();
        bool want_kick = false;
        int64_t usec = 0;

        if (n) {
            last_work = now;
            nap = MIN_NAP_USEC;
            if (now < next_control) {
                served = 0;
                continue;
            }
        } else if (now - last_work > spin) {
            /* Drivers that move a 'tail' from now on ring.  What they had
             * moved before they could see that is found here. */
            want_kick = true;
            functions_want_kick(nic, true);
            wire_arm(nic);
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            if (poll_all(nic)) {
                last_work = now;
            } else {
                usec = nap_time(nic, now, due, &nap);
            }
        }

        served = serve_events(nic, signal_fd, usec);
        if (want_kick) {
            functions_want_kick(nic, false);
            now = rte_rdtsc();
        }
        if (served > 0) {
            last_work = now;
        }
        vdpa_check_memory(nic);
        due = host_run(nic, now);
        if (now >= next_link) {
            wire_check_link(nic);
            next_link = now + LINK_USEC * mhz;
        }
        next_control = now + CONTROL_USEC * mhz;
    } while (served >= 0);
}

int
main(int argc, char *argv[])
{
    static struct nic nic;
    sigset_t set;
    int signal_fd;

    options_parse(&nic.opts, argc, argv);
    nic.opts.socket = absolute_path(nic.opts.socket);
    nic.opts.pidfile = absolute_path(nic.opts.pidfile);
    nic.opts.log_file = absolute_path(nic.opts.log_file);
    if (nic.opts.detach) {
        detach();
    }
    if (nic.opts.log_file && !freopen(nic.opts.log_file, "ae", stderr)) {
        printf("nicsimd: %s: can't write: %s\n", nic.opts.log_file,
               rte_strerror(errno));
        return EXIT_FAILURE;
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);     /* EAL's threads inherit it. */
    prctl(PR_SET_TIMERSLACK, 1000);

    set_name(&nic);
    nic.n_vports = nic.opts.n_vfs + 1;
    nic.frames = alloc_packets(BURST);
    nic.segments = alloc_packets(BURST);
    nic.copies = alloc_packets(MAX_COPIES);
    nic.growing = vdpa_growing_create();
    nic.random = rte_rdtsc() | 1;
    nic.meters = meters_create();
    nic.rules = nic.meters ? rule_table_create(nic.opts.table_size, nic.meters)
                : NULL;
    nic.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!nic.growing || !nic.rules || nic.epoll_fd < 0) {
        fatal("out of memory");
    }
    functions_init(&nic);
    signal_fd = watch_signals(nic.epoll_fd);

    start_listening(&nic);
    start_eal(&nic.opts);
    expect_harm();
    wire_open(&nic);
    if (nic.opts.pidfile) {
        write_pidfile(nic.opts.pidfile);
    }
    log_line("nicsimd: %s: %"PRIu32" VFs, %"PRIu32" queues, wire %s", nic.name,
             nic.opts.n_vfs, nic.opts.n_queues,
             nic.opts.wire ? nic.opts.wire : "none");
    detach_complete(&nic.opts);

    run(&nic, signal_fd);

    host_close_all(&nic);
    wire_close(&nic);
    rule_table_destroy(nic.rules);
    meters_destroy(nic.meters);
    if (nic.opts.pidfile) {
        unlink(nic.opts.pidfile);
    }
    rte_eal_cleanup();
    return EXIT_SUCCESS;
}
