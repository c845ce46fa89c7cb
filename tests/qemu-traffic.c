/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * qemu-traffic
 * ============
 *
 * The sides of tests/traffic.py that a QEMU guest takes, which has no Python:
 *
 *     qemu-traffic echo PORT
 *         Sends UDP packets back, and serves, by TCP on the same port, what
 *         "fetch" asks for, until it is killed.
 *     qemu-traffic fetch ADDRESS PORT BYTES
 *         Sends that many random bytes to an "echo" by TCP, gets them back,
 *         and compares each.
 *     qemu-traffic flows ADDRESS PORT N
 *         A packet from each of N source ports to an "echo", with 64 of them
 *         unanswered at most; all must be answered, within 15 seconds.
 *         Prints how many were. */

#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Milliseconds. */
#define LOST_AFTER 15000
#define STALLED_AFTER 30000

/* Packets. */
#define WINDOW 64

static long long int
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static unsigned long int
number(const char *text)
{
    char *end;
    unsigned long int value = strtoul(text, &end, 10);

    if (*end || end == text) {
        errx(1, "%s: not a number", text);
    }
    return value;
}

/* Makes a socket of 'type'; connected to 'address', which may be IPv4 or
 * IPv6, or, without an address, bound to 'port' of all of them. */
static int
make_socket(const char *address, const char *port, int type)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to = { .v6 = { .sin6_family = AF_INET6,
                     .sin6_port = htons(number(port)),
                     .sin6_addr = IN6ADDR_ANY_INIT } };
    socklen_t length = sizeof to.v6;
    int on = 1, fd;

    if (address && !inet_pton(AF_INET6, address, &to.v6.sin6_addr)) {
        to.v4 = (struct sockaddr_in) { .sin_family = AF_INET,
                                       .sin_port = htons(number(port)) };
        length = sizeof to.v4;
        if (!inet_pton(AF_INET, address, &to.v4.sin_addr)) {
            errx(1, "%s: not an address", address);
        }
    }
    fd = socket(to.any.sa_family, type, 0);
    if (fd < 0) {
        err(1, "socket");
    }
    if (!address) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (address ? connect(fd, &to.any, length) : bind(fd, &to.any, length)) {
        err(1, "%s port %s", address ? address : "any address", port);
    }
    return fd;
}

/* Waits until 'fd' is ready for 'events', or ends the program. */
static short int
wait_ready(int fd, short int events)
{
    struct pollfd pfd = { .fd = fd, .events = events };
    int n;

    do {
        n = poll(&pfd, 1, STALLED_AFTER);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        errx(1, "stalled");
    }
    return pfd.revents;
}

static void
receive_all(int fd, void *data, size_t size)
{
    for (char *p = data; size;) {
        ssize_t n = (wait_ready(fd, POLLIN), recv(fd, p, size, 0));

        if (n <= 0) {
            errx(1, "the connection ended early");
        }
        p += n;
        size -= n;
    }
}

static void
send_all(int fd, const void *data, size_t size)
{
    for (const char *p = data; size;) {
        ssize_t n = (wait_ready(fd, POLLOUT),
                     send(fd, p, size, MSG_DONTWAIT | MSG_NOSIGNAL));

        if (n < 0 && errno != EAGAIN) {
            err(1, "send");
        }
        if (n > 0) {
            p += n;
            size -= n;
        }
    }
}

/* For good: nothing here lives long. */
static void *
allocate(size_t size)
{
    void *data = mmap(NULL, size + 1, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED) {
        err(1, "%zu bytes", size);
    }
    return data;
}

/* Takes a length, then gives back as many bytes as it is, once all of them
 * are there. */
static void
serve_tcp(int fd)
{
    uint64_t length;
    char *data;

    receive_all(fd, &length, sizeof length);
    length = be64toh(length);
    data = allocate(length);
    receive_all(fd, data, length);
    send_all(fd, data, length);
}

static int
echo(const char *port)
{
    struct pollfd fds[] = {
        { .fd = make_socket(NULL, port, SOCK_DGRAM), .events = POLLIN },
        { .fd = make_socket(NULL, port, SOCK_STREAM), .events = POLLIN },
    };

    if (listen(fds[1].fd, 16)) {
        err(1, "listen");
    }
    for (;;) {
        if (poll(fds, 2, 1000) > 0 && fds[0].revents) {
            static char data[65536];
            struct sockaddr_storage peer;
            socklen_t length = sizeof peer;
            ssize_t n = recvfrom(fds[0].fd, data, sizeof data, MSG_DONTWAIT,
                                 (struct sockaddr *) &peer, &length);

            if (n >= 0) {
                sendto(fds[0].fd, data, n, MSG_DONTWAIT,
                       (struct sockaddr *) &peer, length);
            }
        }
        if (fds[1].revents) {
            int fd = accept(fds[1].fd, NULL, NULL);

            if (fd >= 0 && !fork()) {
                serve_tcp(fd);
                _exit(0);
            }
            close(fd);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) {
            continue;
        }
    }
}

static int
fetch(const char *address, const char *port, size_t length)
{
    int fd = make_socket(address, port, SOCK_STREAM);
    char *sent = allocate(length), *got = allocate(length);
    uint64_t header = htobe64(length);

    for (size_t i = 0; i < length;) {
        ssize_t n = getrandom(sent + i, length - i, 0);

        if (n < 0 && errno != EINTR) {
            err(1, "getrandom");
        }
        i += n > 0 ? n : 0;
    }
    send_all(fd, &header, sizeof header);
    send_all(fd, sent, length);
    receive_all(fd, got, length);
    if (memcmp(sent, got, length)) {
        errx(1, "other bytes came back than were sent");
    }
    return 0;
}

static int
flows(const char *address, const char *port, size_t n)
{
    long long int end = now_ms() + LOST_AFTER;
    struct pollfd *fds = allocate(n * sizeof *fds);
    size_t sent = 0, answered = 0;

    while (answered < n && now_ms() < end) {
        while (sent < n && sent - answered < WINDOW) {
            int fd = make_socket(address, port, SOCK_DGRAM);

            if (send(fd, "flow", 4, 0) < 0) {
                err(1, "send");
            }
            fds[sent++] = (struct pollfd) { .fd = fd, .events = POLLIN };
        }
        poll(fds, sent, 1000);
        for (size_t i = 0; i < sent; i++) {
            char data[16];

            if (fds[i].fd >= 0 && fds[i].revents
                && recv(fds[i].fd, data, sizeof data, MSG_DONTWAIT) >= 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                answered++;
            }
        }
    }
    printf("%zu of %zu flows answered\n", answered, n);
    return answered != n;
}

int
main(int argc, char *argv[])
{
    if (argc == 3 && !strcmp(argv[1], "echo")) {
        return echo(argv[2]);
    } else if (argc == 5 && !strcmp(argv[1], "fetch")) {
        return fetch(argv[2], argv[3], number(argv[4]));
    } else if (argc == 5 && !strcmp(argv[1], "flows")) {
        return flows(argv[2], argv[3], number(argv[4]));
    }
    errx(1, "usage: qemu-traffic echo PORT | fetch ADDRESS PORT BYTES | "
         "flows ADDRESS PORT N");
}
