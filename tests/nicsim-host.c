/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host SOCKET: a host that speaks nicsim/hw.h to nicsimd without DPDK,
 * as the lines of its standard input say, and prints what comes of it.  What
 * a line may be stands at the functions cmd_*() below.
 *
 * A word like vf0, rep1 or pf is a function; the functions' memory and rings
 * are those of the connection that is in use. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nicsim/hw.h"
#include "nicsim/rule-format.h"
#include "nicsim/vdpa-format.h"
#include "nicsim-frame.h"
#include "nicsim-host.h"

#define MAX_WORDS 128           /* Of one line. */

static const char *socket_path;
static struct connection *connections[64];
struct connection *c;
struct nicsim_msg msg;
static uint32_t seq;
static int line_number;

void
die(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "nicsim-host: line %d: ", line_number);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(EXIT_FAILURE);
}

void *
must(void *p)
{
    if (!p || p == MAP_FAILED) {
        die("%m");
    }
    return p;
}

/* Returns whether 'ms' milliseconds have passed since 'start'. */
bool
passed(const struct timespec *start, int ms)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((now.tv_sec - start->tv_sec) * 1000
            + (now.tv_nsec - start->tv_nsec) / 1000000) >= ms;
}

/* Messages. */

static void
send_bytes(const void *data, size_t n, const int *fds, int n_fds)
{
    char control[CMSG_SPACE(64 * sizeof(int))];
    struct iovec iov = { .iov_base = (void *) data, .iov_len = n };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (n_fds) {
        struct cmsghdr *cmsg;

        memset(control, 0, sizeof control);
        mh.msg_control = control;
        mh.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        cmsg = CMSG_FIRSTHDR(&mh);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof *fds);
    }
    if (sendmsg(c->sock, &mh, MSG_NOSIGNAL) < 0) {
        printf("send: %s\n", strerrorname_np(errno));
    }
}

/* Receives the reply into 'msg', with up to two files.  Returns false if the
 * device hung up. */
static bool
receive(int fds[2])
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec iov = { .iov_base = &msg, .iov_len = sizeof msg };
    struct msghdr mh = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof control,
    };
    struct pollfd pfd = { .fd = c->sock, .events = POLLIN };
    struct cmsghdr *cmsg;
    ssize_t n;

    if (poll(&pfd, 1, TIMEOUT_MS) != 1) {
        die("no reply");
    }
    n = recvmsg(c->sock, &mh, MSG_CMSG_CLOEXEC);
    if (n <= 0) {
        return false;
    }
    cmsg = CMSG_FIRSTHDR(&mh);
    if (cmsg && fds) {
        memcpy(fds, CMSG_DATA(cmsg), cmsg->cmsg_len - CMSG_LEN(0));
    }
    return true;
}

/* Prints how the request 'what' failed. */
static void
print_refusal(const char *what)
{
    printf("%s: %s: %s", what, strerrorname_np(msg.status), msg.text);
    if (msg.type == NICSIM_RULE_CREATE || msg.type == NICSIM_RULE_VALIDATE) {
        switch (msg.rule.culprit) {
        case NICSIM_CULPRIT_ATTR:
            printf(" [attr]");
            break;
        case NICSIM_CULPRIT_ITEM:
            printf(" [item %s]", rule_item_name(msg.rule.culprit_arg));
            break;
        case NICSIM_CULPRIT_ACTION:
            printf(" [action %"PRIu32"]", msg.rule.culprit_arg);
            break;
        }
    }
    putchar('\n');
}

/* Sends 'msg' and receives the reply.  Returns true if it was granted, else it
 * says why not. */
bool
request(const char *what, uint32_t type, const int *fds, int n_fds,
        int *reply_fds)
{
    msg.type = type;
    msg.seq = ++seq;
    msg.len = sizeof msg;
    send_bytes(&msg, sizeof msg, fds, n_fds);
    if (!receive(reply_fds)) {
        printf("%s: hung up\n", what);
        return false;
    }
    if (msg.seq != seq || msg.type != type) {
        die("reply to another request");
    }
    if (msg.status) {
        print_refusal(what);
        return false;
    }
    return true;
}

void
clear(void)
{
    memset(&msg, 0, sizeof msg);
}

/* Names. */

uint32_t
parse_function(const char *s)
{
    unsigned int index = 0;

    if (!strcmp(s, "pf")) {
        return NICSIM_FN(NICSIM_FN_PF, 0);
    } else if (sscanf(s, "rep%u", &index) == 1) {
        return NICSIM_FN(NICSIM_FN_REP, index);
    } else if (sscanf(s, "vf%u", &index) == 1) {
        return NICSIM_FN(NICSIM_FN_VF, index);
    }
    return strtoul(s, NULL, 0);
}

struct function *
get_function(const char *s)
{
    uint32_t fn = parse_function(s);
    uint32_t index = NICSIM_FN_INDEX(fn) % NICSIM_MAX_VFS;

    switch (fn >> 8) {
    case NICSIM_FN_PF: return &c->pf;
    case NICSIM_FN_REP: return &c->reps[index];
    default: return &c->vfs[index];
    }
}

uint32_t
parse_vport(const char *s)
{
    return (!strcmp(s, "uplink") ? NICSIM_VPORT_UPLINK
            : !strncmp(s, "vf", 2) ? NICSIM_VPORT_VF(atoi(s + 2))
            : strtoul(s, NULL, 0));
}

/* Takes memory that the device can reach. */
void *
take_memory(size_t n)
{
    void *p = c->mem + c->used;

    c->used += (n + PAGE - 1) & ~(size_t) (PAGE - 1);
    if (c->used > MEMORY) {
        die("out of memory");
    }
    return p;
}

/* Commands. */

/* socket NAME: a connection without a hello. */
static void
cmd_socket(char **words, int n)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int i;

    for (i = 0; connections[i]; i++) {
        continue;
    }
    c = connections[i] = must(reallocarray(NULL, 1, sizeof *c));
    memset(c, 0, sizeof *c);
    snprintf(c->name, sizeof c->name, "%s", n ? words[0] : "A");
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", socket_path);
    c->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(c->sock, (struct sockaddr *) &sun, sizeof sun)) {
        die("%s: %m", socket_path);
    }
    c->mem_fd = memfd_create("nicsim-host", MFD_CLOEXEC);
    if (c->mem_fd < 0 || ftruncate(c->mem_fd, MEMORY)) {
        die("%m");
    }
    c->mem = must(mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED,
                       c->mem_fd, 0));
}

/* hello [magic=N] [version=N]. */
static void
cmd_hello(char **words, int n)
{
    clear();
    msg.hello.magic = word_number(words, n, "magic", NICSIM_MAGIC);
    msg.hello.version = word_number(words, n, "version", NICSIM_HW_VERSION);
    msg.hello.pid = getpid();
    snprintf(msg.hello.program, sizeof msg.hello.program, "nicsim-host");
    request("hello", NICSIM_HELLO, NULL, 0, &c->event_fd);
}

/* window [id=N] [base=N] [len=N] [page=N]: by default all memory. */
static void
cmd_window(char **words, int n)
{
    clear();
    msg.window.id = word_number(words, n, "id", 0);
    msg.window.base = word_number(words, n, "base", (uintptr_t) c->mem);
    msg.window.len = word_number(words, n, "len", MEMORY);
    msg.window.page_size = word_number(words, n, "page", PAGE);
    request("window", NICSIM_MEM_WINDOW, NULL, 0, NULL);
}

static void
fill_map(char **words, int n)
{
    clear();
    msg.map.window = word_number(words, n, "id", 0);
    msg.map.n = word_number(words, n, "n", 1);
    for (int i = 0; i < NICSIM_MAX_MAPS; i++) {
        msg.map.regions[i].offset = word_number(words, n, "offset", 0);
        msg.map.regions[i].len = word_number(words, n, "len", MEMORY);
        msg.map.regions[i].fd_offset = word_number(words, n, "fdofs", 0);
    }
}

/* map [id=N] [offset=N] [len=N] [fdofs=N] [n=N] [fds=N] [notfile]. */
static void
cmd_map(char **words, int n)
{
    int fds[64];

    fill_map(words, n);
    for (int i = 0; i < 64; i++) {
        fds[i] = word_value(words, n, "notfile") ? c->sock : c->mem_fd;
    }
    request("map", NICSIM_MEM_MAP, fds, word_number(words, n, "fds", 1), NULL);
}

/* unmap [id=N] [offset=N] [len=N]. */
static void
cmd_unmap(char **words, int n)
{
    fill_map(words, n);
    request("unmap", NICSIM_MEM_UNMAP, NULL, 0, NULL);
}

/* connect NAME: socket, hello, and all memory mapped. */
void
cmd_connect(char **words, int n)
{
    cmd_socket(words, n);
    cmd_hello(NULL, 0);
    cmd_window(NULL, 0);
    cmd_map(NULL, 0);
}

/* use NAME: goes on with that connection. */
void
cmd_use(char **words, int n)
{
    for (size_t i = 0; n && connections[i]; i++) {
        if (!strcmp(connections[i]->name, words[0])) {
            c = connections[i];
            return;
        }
    }
    die("no such connection");
}

/* disconnect: closes the connection in use, and waits until the device has
 * done so, too. */
void
cmd_disconnect(char **words, int n)
{
    (void) words;
    (void) n;
    c->name[0] = '\0';
    close(c->sock);
    if (c->event_fd > 0) {
        struct pollfd pfd = { .fd = c->event_fd };

        poll(&pfd, 1, TIMEOUT_MS);
        close(c->event_fd);
    }
}

/* bytes N [len=N]: sends a message of N bytes that says it has 'len'. */
static void
cmd_bytes(char **words, int n)
{
    clear();
    msg.type = NICSIM_HELLO;
    msg.len = word_number(words, n, "len", atoi(words[0]));
    send_bytes(&msg, atoi(words[0]), NULL, 0);
    if (!receive(NULL)) {
        printf("bytes: hung up\n");
    } else {
        print_refusal("bytes");
    }
}

/* message TYPE [fn=FN] [fds=N]: one with nothing but a function in it. */
static void
cmd_message(char **words, int n)
{
    const char *fn = word_value(words, n, "fn");
    int fds[64];

    clear();
    for (int i = 0; i < 64; i++) {
        fds[i] = c->mem_fd;
    }
    msg.fn_info.fn = fn ? parse_function(fn) : 0;
    request("message", strtoul(words[0], NULL, 0), fds,
            word_number(words, n, "fds", 0), NULL);
}

/* open FN. */
static void
cmd_open(char **words, int n)
{
    struct function *fn = get_function(words[0]);
    int fds[2] = { -1, -1 };

    (void) n;
    clear();
    msg.fn_info.fn = parse_function(words[0]);
    if (!request("open", NICSIM_FN_OPEN, NULL, 0, fds)) {
        return;
    }
    memset(fn, 0, sizeof *fn);
    fn->open = true;
    fn->bar = must(mmap(NULL, msg.fn_info.bar_len, PROT_READ | PROT_WRITE,
                        MAP_SHARED, fds[0], 0));
    if (!ftruncate(fds[0], 0)) {
        die("the BAR can be truncated");
    }
    close(fds[0]);
    fn->doorbell = fds[1];
    memcpy(fn->mac, msg.fn_info.mac, sizeof fn->mac);
}

/* Requests that have nothing but a function. */
static bool
simple_request(const char *what, const char *function, uint32_t type)
{
    clear();
    msg.fn_info.fn = parse_function(function);
    return request(what, type, NULL, 0, NULL);
}

/* close FN. */
static void
cmd_close(char **words, int n)
{
    (void) n;
    simple_request("close", words[0], NICSIM_FN_CLOSE);
}

/* start FN. */
static void
cmd_start(char **words, int n)
{
    struct function *fn = get_function(words[0]);

    (void) n;
    /* The buffers are handed over before, as a driver does. */
    for (int q = 0; fn->open && q < NICSIM_MAX_QUEUES; q++) {
        struct ring *rx = &fn->rx[q];

        fn->tx[q].tail = fn->tx[q].next = rx->next = 0;
        __atomic_store_n(&fn->bar->tx[q].tail, 0, __ATOMIC_RELEASE);
        for (uint32_t i = 0; i < rx->n; i++) {
            rx->rx[i].addr = (uintptr_t) rx->bufs + i * rx->buf_size;
            rx->rx[i].len = rx->buf_size;
        }
        rx->tail = rx->n;
        __atomic_store_n(&fn->bar->rx[q].tail, rx->n, __ATOMIC_RELEASE);
    }
    simple_request("start", words[0], NICSIM_FN_START);
}

/* stop FN. */
static void
cmd_stop(char **words, int n)
{
    (void) n;
    simple_request("stop", words[0], NICSIM_FN_STOP);
}

/* ring FN tx|rx QUEUE N [addr=ADDR] [buf=BYTES]. */
static void
cmd_ring(char **words, int n)
{
    struct function *fn = get_function(words[0]);
    bool tx = !strcmp(words[1], "tx");
    uint32_t q = atoi(words[2]);
    uint32_t n_desc = atoi(words[3]);
    struct ring *ring = &(tx ? fn->tx : fn->rx)[q % NICSIM_MAX_QUEUES];

    ring->n = n_desc;
    ring->buf_size = word_number(words, n, "buf", BUF_SIZE);
    ring->tx = take_memory(n_desc * sizeof *ring->tx);
    ring->bufs = take_memory((size_t) n_desc * ring->buf_size);
    if (fn->open) {
        ring->regs = tx ? &fn->bar->tx[q] : &fn->bar->rx[q];
    }
    clear();
    msg.ring.fn = parse_function(words[0]);
    msg.ring.queue = q;
    msg.ring.is_tx = tx;
    msg.ring.n_desc = n_desc;
    msg.ring.ring = word_number(words, n, "addr", (uintptr_t) ring->tx);
    if (!request("ring", NICSIM_RING_SETUP, NULL, 0, NULL)) {
        ring->n = 0;
    }
}

/* config FN [mac=MAC] [mtu=N] [promisc=N] [rss=TYPES] [reta=Q,Q,...]
 * [what=N]: the indirection table is filled with the queues by turns. */
static void
cmd_config(char **words, int n)
{
    const char *mac = word_value(words, n, "mac");
    const char *reta = word_value(words, n, "reta");

    clear();
    msg.config.fn = parse_function(words[0]);
    if (mac) {
        msg.config.what |= NICSIM_CFG_MAC;
        parse_mac(mac, msg.config.mac);
    }
    if (word_value(words, n, "mtu")) {
        msg.config.what |= NICSIM_CFG_MTU;
        msg.config.mtu = word_number(words, n, "mtu", 0);
    }
    if (word_value(words, n, "promisc")) {
        msg.config.what |= NICSIM_CFG_PROMISC;
        msg.config.promisc = word_number(words, n, "promisc", 1);
    }
    if (word_value(words, n, "rss")) {
        /* Microsoft's key, for which the results are published. */
        static const uint8_t key[NICSIM_RSS_KEY] = {
            0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
            0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
            0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
            0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
        };

        msg.config.what |= NICSIM_CFG_RSS;
        msg.config.rss_types = word_number(words, n, "rss", 0);
        memcpy(msg.config.rss_key, key, sizeof key);
    }
    if (reta) {
        const char *s = reta;

        msg.config.what |= NICSIM_CFG_RETA;
        for (int i = 0; i < NICSIM_RETA_SIZE; i++) {
            msg.config.reta[i] = atoi(s);
            s = strchr(s, ',');
            s = s ? s + 1 : reta;
        }
    }
    msg.config.what |= word_number(words, n, "what", 0);
    request("config", NICSIM_FN_CONFIG, NULL, 0, NULL);
}

/* up FN... [queues=N] [desc=N] [buf=BYTES]: opens functions, sets rings up and
 * starts.  VFs become promiscuous. */
static void
cmd_up(char **words, int n)
{
    uint32_t n_queues = word_number(words, n, "queues", 1);
    uint32_t n_desc = word_number(words, n, "desc", 256);
    uint32_t buf = word_number(words, n, "buf", BUF_SIZE);

    for (int i = 0; i < n && !strchr(words[i], '='); i++) {
        char text[4][16];
        char *ring[] = { words[i], text[0], text[1], text[2], text[3] };
        char *config[] = { words[i], "promisc=1" };

        cmd_open(&words[i], 1);
        for (uint32_t q = 0; q < n_queues; q++) {
            snprintf(text[1], 16, "%u", q);
            snprintf(text[2], 16, "%u", n_desc);
            snprintf(text[3], 16, "buf=%u", buf);
            memcpy(text[0], "tx", 3);
            cmd_ring(ring, 5);
            memcpy(text[0], "rx", 3);
            cmd_ring(ring, 5);
        }
        cmd_config(config, 2);
        cmd_start(&words[i], 1);
    }
}

static void
print_counter(const char *name, const struct nicsim_counter *counter)
{
    printf(" %s %"PRIu64"/%"PRIu64, name, counter->packets, counter->bytes);
}

/* stats FN [reset]. */
static void
cmd_stats(char **words, int n)
{
    const struct nicsim_fn_stats *stats = &msg.stats.stats;

    if (!simple_request("stats", words[0], NICSIM_FN_STATS)) {
        return;
    }
    printf("stats %s:", words[0]);
    print_counter("rx", &stats->rx);
    print_counter("tx", &stats->tx);
    printf(" rx_missed %"PRIu64" rx_errors %"PRIu64" tx_errors %"PRIu64,
           stats->rx_missed, stats->rx_errors, stats->tx_errors);
    for (int q = 1; q < NICSIM_MAX_QUEUES; q++) {
        if (stats->rxq[q].packets || stats->txq[q].packets) {
            printf(" queue %d:", q);
            print_counter("rx", &stats->rxq[q]);
            print_counter("tx", &stats->txq[q]);
        }
    }
    putchar('\n');
    if (word_value(words, n, "reset")) {
        simple_request("reset", words[0], NICSIM_FN_STATS_RESET);
    }
}

/* bar FN: prints link state. */
static void
cmd_bar(char **words, int n)
{
    struct function *fn = get_function(words[0]);

    (void) n;
    printf("%s: link %s\n", words[0], fn->bar->link_up ? "up" : "down");
}

/* event: prints the next event. */
static void
cmd_event(char **words, int n)
{
    struct pollfd pfd = { .fd = c->event_fd, .events = POLLIN };
    struct nicsim_event event;

    (void) words;
    (void) n;
    if (poll(&pfd, 1, TIMEOUT_MS) == 1
        && recv(c->event_fd, &event, sizeof event, 0) == sizeof event) {
        printf("event %"PRIu32" of function %#"PRIx32, event.type, event.fn);
        if (event.type == NICSIM_EV_VDPA_QUEUE) {
            printf(", queue %u: %s", event.queue,
                   vdpa_error_name(event.why));
        }
        putchar('\n');
    } else {
        printf("event: none\n");
    }
}

/* shrink: makes the mapped file shorter. */
static void
cmd_shrink(char **words, int n)
{
    (void) words;
    (void) n;
    if (ftruncate(c->mem_fd, 0)) {
        die("%m");
    }
}

/* sh COMMAND: runs it. */
static void
cmd_sh(char **words, int n)
{
    char command[4096];
    size_t len = 0;

    for (int i = 0; i < n; i++) {
        len += snprintf(command + len, sizeof command - len, "%s ", words[i]);
    }
    fflush(stdout);
    if (system(command)) {
        printf("sh: failed\n");
    }
}

/* die: kills this process.  pause: says "ready" and waits to be killed. */
static void
cmd_die(char **words, int n)
{
    (void) words;
    (void) n;
    fflush(stdout);
    kill(getpid(), SIGKILL);
}

static void
cmd_pause(char **words, int n)
{
    (void) words;
    (void) n;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        pause();
    }
}

static const struct {
    const char *name;
    void (*run)(char **words, int n);
    int min;
} commands[] = {
    { "socket", cmd_socket, 0 }, { "hello", cmd_hello, 0 },
    { "window", cmd_window, 0 }, { "map", cmd_map, 0 },
    { "unmap", cmd_unmap, 0 }, { "connect", cmd_connect, 0 },
    { "use", cmd_use, 1 }, { "disconnect", cmd_disconnect, 0 },
    { "mangle", cmd_mangle, 1 }, { "meter", cmd_meter, 0 },
    { "qmeter", cmd_qmeter, 1 }, { "dmeter", cmd_dmeter, 1 },
    { "bytes", cmd_bytes, 1 }, { "message", cmd_message, 1 },
    { "open", cmd_open, 1 }, { "close", cmd_close, 1 },
    { "start", cmd_start, 1 }, { "stop", cmd_stop, 1 },
    { "ring", cmd_ring, 4 }, { "config", cmd_config, 1 },
    { "up", cmd_up, 1 }, { "tx", cmd_tx, 1 }, { "rx", cmd_rx, 1 },
    { "quiet", cmd_quiet, 1 }, { "badbufs", cmd_badbufs, 1 },
    { "tail", cmd_tail, 3 }, { "stats", cmd_stats, 1 },
    { "bar", cmd_bar, 1 }, { "event", cmd_event, 0 },
    { "shrink", cmd_shrink, 0 }, { "die", cmd_die, 0 },
    { "pause", cmd_pause, 0 }, { "sh", cmd_sh, 1 }, { "rule", cmd_rule, 1 },
    { "validate", cmd_validate, 1 }, { "query", cmd_query, 1 },
    { "destroy", cmd_destroy, 1 }, { "flush", cmd_flush, 1 },
    { "rules", cmd_rules, 1 }, { "bench", cmd_bench, 0 },
    { "wire", cmd_wire, 0 }, { "link", cmd_link, 1 }, { "wtx", cmd_wtx, 0 },
    { "wrx", cmd_wrx, 0 }, { "pcap", cmd_pcap, 1 }, { "bulk", cmd_bulk, 2 },
    { "drain", cmd_drain, 2 }, { "nic", cmd_nic, 0 },
    { "vopen", cmd_vopen, 1 }, { "vclose", cmd_vclose, 1 },
    { "vmem", cmd_vmem, 2 }, { "vring", cmd_vring, 3 },
    { "vcall", cmd_vcall, 3 }, { "venable", cmd_venable, 3 },
    { "vstart", cmd_vstart, 2 }, { "vstop", cmd_vstop, 1 },
    { "vqueue", cmd_vqueue, 2 }, { "vlog", cmd_vlog, 3 },
    { "vfill", cmd_vfill, 1 }, { "vrings", cmd_vrings, 1 },
    { "vattach", cmd_vattach, 2 }, { "vup", cmd_vup, 2 },
    { "vtx", cmd_vtx, 1 }, { "vrx", cmd_vrx, 1 },
    { "vspread", cmd_vspread, 1 }, { "vused", cmd_vused, 1 },
    { "vquiet", cmd_vquiet, 1 }, { "vwant", cmd_vwant, 2 },
    { "vevent", cmd_vevent, 1 }, { "vcalls", cmd_vcalls, 1 },
    { "vflip", cmd_vflip, 1 },
    { "vwait", cmd_vwait, 1 }, { "vcopy", cmd_vcopy, 1 },
    { "vdiff", cmd_vdiff, 1 }, { "vshrink", cmd_vshrink, 1 },
    { "vstream", cmd_vstream, 0 },
    { "vjump", cmd_vjump, 2 }, { "vbench", cmd_vbench, 0 },
    { "vfuzz", cmd_vfuzz, 3 }, { "vsame", cmd_vsame, 1 },
    { "vempty", cmd_vempty, 1 },
};

int
main(int argc, char *argv[])
{
    char line[4096];

    if (argc != 2) {
        fprintf(stderr, "usage: nicsim-host SOCKET < COMMANDS\n");
        return EXIT_FAILURE;
    }
    socket_path = argv[1];
    while (fgets(line, sizeof line, stdin)) {
        char *words[MAX_WORDS];
        char *save;
        int n = 0;
        size_t i;

        line_number++;
        for (char *word = strtok_r(line, " \t\n", &save);
             word && *word != '#' && n < MAX_WORDS;
             word = strtok_r(NULL, " \t\n", &save)) {
            words[n++] = word;
        }
        if (!n) {
            continue;
        }
        for (i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            if (!strcmp(commands[i].name, words[0])) {
                break;
            }
        }
        if (i == sizeof commands / sizeof commands[0]
            || n - 1 < commands[i].min) {
            die("what is \"%s\"?", words[0]);
        }
        if (!c && commands[i].run != cmd_socket
            && commands[i].run != cmd_connect
            && commands[i].run != cmd_pcap) {
            die("no connection");
        }
        commands[i].run(words + 1, n - 1);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
