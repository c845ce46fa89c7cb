/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsim-host's commands for the far end of the uplink's wire. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nicsim-frame.h"
#include "nicsim-host.h"

#define TIMEOUT_MS 30000

static int wire = -1;
static char wire_name[IFNAMSIZ];

/* Returns the socket of the wire's far end. */
int
wire_socket(void)
{
    return wire;
}

/* link up|down: of the interface at the wire's far end. */
void
cmd_link(char **words, int n)
{
    struct ifreq ifr;

    (void) n;
    memset(&ifr, 0, sizeof ifr);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", wire_name);
    if (ioctl(wire, SIOCGIFFLAGS, &ifr)) {
        die("%s: %m", wire_name);
    }
    ifr.ifr_flags &= ~IFF_UP;
    ifr.ifr_flags |= strcmp(words[0], "up") ? 0 : IFF_UP;
    if (ioctl(wire, SIOCSIFFLAGS, &ifr)) {
        die("%s: %m", wire_name);
    }
}

/* wire [room=BYTES]: the interface that $NICSIM_WIRE names is the wire's far
 * end.  Its socket holds so many bytes of what has come. */
void
cmd_wire(char **words, int n)
{
    struct sockaddr_ll sll = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
    };
    const char *name = getenv("NICSIM_WIRE");
    int room = word_number(words, n, "room", 0);
    char path[128];
    char *up[] = { "up" };
    int one = 1;
    int fd;

    snprintf(wire_name, sizeof wire_name, "%s", name ? name : "");
    sll.sll_ifindex = if_nametoindex(wire_name);

    /* The kernel shall not send anything by itself. */
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
             wire_name);
    fd = open(path, O_WRONLY);
    if (fd >= 0) {
        if (write(fd, "1", 1) != 1) {
            die("%s: %m", path);
        }
        close(fd);
    }
    wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (wire < 0 || bind(wire, (struct sockaddr *) &sll, sizeof sll)) {
        die("%s: %m", wire_name);
    }
    if (setsockopt(wire, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one)
        || (room && setsockopt(wire, SOL_SOCKET, SO_RCVBUFFORCE, &room,
                               sizeof room))) {
        die("%s: %m", wire_name);
    }
    cmd_link(up, 1);
}

/* wtx FRAME: sends from the wire to the NIC. */
void
cmd_wtx(char **words, int n)
{
    static struct frame frame;

    frame_make(&frame, words, n);
    if (send(wire, frame.data, frame.len, 0) != frame.len) {
        die("%s: %m", wire_name);
    }
}

/* wrx [count=N]: prints the next frames that the NIC sent to the wire. */
void
cmd_wrx(char **words, int n)
{
    static uint8_t data[FRAME_MAX];
    uint32_t n_frames = word_number(words, n, "count", 1);

    while (n_frames) {
        struct pollfd pfd = { .fd = wire, .events = POLLIN };
        struct sockaddr_ll sll;
        socklen_t size = sizeof sll;
        ssize_t len;

        if (poll(&pfd, 1, TIMEOUT_MS) != 1) {
            printf("wire: nothing\n");
            return;
        }
        len = recvfrom(wire, data, sizeof data, 0, (struct sockaddr *) &sll,
                       &size);
        if (len > 0 && sll.sll_pkttype != PACKET_OUTGOING) {
            printf("wire: len %zd: ", len);
            frame_print(data, len);
            printf("\n");
            n_frames--;
        }
    }
}

/* pcap FILE: prints the frames in FILE. */
void
cmd_pcap(char **words, int n)
{
    static uint8_t data[FRAME_MAX];
    uint32_t header[6], record[4];
    FILE *file = must(fopen(words[0], "r"));

    (void) n;
    if (fread(header, sizeof header, 1, file) != 1) {
        die("%s: no header", words[0]);
    }
    while (fread(record, sizeof record, 1, file) == 1
           && record[2] <= sizeof data
           && fread(data, 1, record[2], file) == record[2]) {
        printf("pcap: len %u: ", record[2]);
        frame_print(data, record[2]);
        printf("\n");
    }
    fclose(file);
}
