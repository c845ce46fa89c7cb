/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Says what becomes of a dialogue between a hypervisor and a port, without
 * either. */

#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "vdpa-channel.h"
#include "vdpa-file.h"
#include "vdpa-message.h"
#include "vdpa-turn.h"

/* Messages, as ovs-vswitchd's log has them if "vdpa_screen:dbg" is set:
 *
 *     REQUEST FLAGS FILE... PAYLOAD
 *
 * REQUEST is a name or a number, FILE is memory:SIZE, eventfd:0, socket:0 or
 * other:0, and PAYLOAD is in hexadecimal digits.  For tests, PAYLOAD may also
 * consist of numbers, as in 4:2 8:0x1000 for four bytes and eight, size:N may
 * contradict it, and memory:SIZE/PAGE has pages of another size. */

struct line {
    struct vdpa_message msg;
    uint8_t more[4096];         /* Of a payload that is larger than any. */
    struct vdpa_message_file files[64];
    unsigned int n_files;
    uint32_t size;
};

static uint32_t
parse_request(const char *word)
{
#define REQUEST(NAME, NUMBER)                   \
    if (!strcmp(word, #NAME)) {                 \
        return NUMBER;                          \
    }
    VDPA_REQUESTS(REQUEST)
#undef REQUEST
    return strtoul(word, NULL, 0);
}

static void
add_bytes(struct line *line, const void *bytes, size_t n)
{
    uint8_t *payload = (uint8_t *) &line->msg.payload;

    ovs_assert(line->size + n <= sizeof line->msg.payload + sizeof line->more);
    memcpy(payload + line->size, bytes, n);
    line->size += n;
}

static bool
parse_file(const char *word, struct line *line)
{
    static const enum vdpa_file_kind kinds[] = {
        VDPA_FILE_OTHER, VDPA_FILE_MEMORY, VDPA_FILE_EVENTFD, VDPA_FILE_SOCKET
    };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const char *name = vdpa_file_kind_name(kinds[i]);
        size_t len = strlen(name);

        if (!strncmp(word, name, len) && word[len] == ':') {
            struct vdpa_message_file *file = &line->files[line->n_files++];

            file->kind = kinds[i];
            char *end;

            file->size = strtoull(word + len + 1, &end, 0);
            file->page_size = *end == '/' ? strtoull(end + 1, NULL, 0) : 4096;
            return true;
        }
    }
    return false;
}

static void
parse_message(char *text, struct line *line)
{
    char *save = NULL, *word = strtok_r(text, " \n", &save);
    bool has_size = false;

    memset(line, 0, sizeof *line);
    line->msg.request = parse_request(word);
    word = strtok_r(NULL, " \n", &save);
    line->msg.flags = strtoul(word, NULL, 0);
    while ((word = strtok_r(NULL, " \n", &save))) {
        uint64_t value;

        if (parse_file(word, line)) {
            continue;
        } else if (!strncmp(word, "size:", 5)) {
            line->msg.size = strtoul(word + 5, NULL, 0);
            has_size = true;
        } else if (!strncmp(word, "4:", 2) || !strncmp(word, "8:", 2)) {
            value = strtoull(word + 2, NULL, 0);
            add_bytes(line, &value, word[0] - '0');
        } else {
            for (; word[0] && word[1]; word += 2) {
                char digits[3] = { word[0], word[1], 0 };
                uint8_t byte = strtoul(digits, NULL, 16);

                add_bytes(line, &byte, 1);
            }
        }
    }
    if (!has_size) {
        line->msg.size = line->size;
    }
}

/* Reads a dialogue from stdin: "port PAIRS" begins one, "<-" is a message of
 * the hypervisor's, and "->" an answer to the last one.  Prints for each of
 * the hypervisor's what becomes of it. */
static void
print_verdicts(void)
{
    struct vdpa_dialogue dialogue;
    struct vdpa_message last;
    char text[16384];

    vdpa_dialogue_init(&dialogue, 1);
    memset(&last, 0, sizeof last);
    while (fgets(text, sizeof text, stdin)) {
        struct ds why = DS_EMPTY_INITIALIZER;
        struct line line;

        if (!strncmp(text, "port ", 5)) {
            char *end;

            vdpa_dialogue_init(&dialogue, strtoul(text + 5, &end, 0));
            if (*end == ' ') {
                dialogue.max_memory = strtoull(end, NULL, 0);
            }
        } else if (!strncmp(text, "<- ", 3)) {
            parse_message(text + 3, &line);
            if (vdpa_message_check_header(&dialogue, &line.msg, &why)
                && vdpa_message_check(&dialogue, &line.msg, line.files,
                                      line.n_files, &why)) {
                puts("ok");
                last = line.msg;
                if (!vdpa_message_has_answer(&last)) {
                    vdpa_message_done(&dialogue, &last);
                }
            } else {
                printf("%s: %s\n", vdpa_message_name(&line.msg),
                       ds_cstr(&why));
            }
        } else if (!strncmp(text, "-> ", 3)) {
            parse_message(text + 3, &line);
            if (vdpa_message_has_answer(&last)) {
                uint64_t said = line.msg.payload.u64;

                if (!vdpa_message_answer(&dialogue, &last, &line.msg)) {
                    printf("no answer to %s\n", vdpa_message_name(&last));
                } else if (line.msg.payload.u64 != said) {
                    printf("the hypervisor is told %#"PRIx64"\n",
                           line.msg.payload.u64);
                }
                vdpa_message_done(&dialogue, &last);
            }
        }
        ds_destroy(&why);
    }
}

/* A port in a simulation, in microseconds. */
struct client {
    struct vdpa_account account;
    long long takes;            /* For each of its messages. */
    long long thinks;           /* Between an answer and the next. */
    int left;                   /* Messages to come, or -1 without end. */
    long long next;             /* When the next one comes. */
};

/* Runs 'n' clients until those that will end have. */
static long long
simulate(struct client clients[], int n)
{
    struct vdpa_turns turns = { 0, 0, 0 };
    long long now = 0;
    int left = 0;

    for (int i = 0; i < n; i++) {
        left += clients[i].left > 0;
    }
    while (left) {
        struct client *next = NULL;
        long long least = LLONG_MAX, wait = LLONG_MAX, began;

        for (int i = 0; i < n; i++) {
            struct client *c = &clients[i];
            long long at, used;

            if (!c->left) {
                continue;
            }
            at = MAX(c->next, vdpa_turns_next(&turns, &c->account, now));
            used = vdpa_account_used(&c->account, now);
            if (at > now) {
                wait = MIN(wait, at);
            } else if (used < least) {
                least = used;
                next = c;
            }
        }
        if (!next) {
            now = wait;
            continue;
        }
        began = now;
        now += next->takes;
        vdpa_turns_charge(&turns, &next->account, began, now);
        next->next = now + next->thinks;
        if (next->left > 0 && !--next->left) {
            left--;
        }
    }
    return now;
}

/* Returns how long a handshake of 200 messages, of 100 microseconds each,
 * takes beside 'n_others', whose messages take 'takes' each and never end,
 * after all of them have been at it for ten seconds. */
static long long
meet(int n_others, long long takes)
{
    const long long start = 10 * 1000 * 1000;
    struct client clients[65];

    ovs_assert(n_others < (int) ARRAY_SIZE(clients));
    memset(clients, 0, sizeof clients);
    clients[0] = (struct client) { .takes = 100, .thinks = 50, .left = 200,
                                   .next = start };
    for (int i = 1; i <= n_others; i++) {
        clients[i] = (struct client) { .takes = takes, .thinks = 10,
                                       .left = -1 };
    }
    return simulate(clients, n_others + 1) - start;
}

/* Returns how long 'n' handshakes take that begin 'apart' from each other. */
static long long
crowd(int n, long long apart)
{
    struct client clients[64];

    ovs_assert(n <= (int) ARRAY_SIZE(clients));
    memset(clients, 0, sizeof clients);
    for (int i = 0; i < n; i++) {
        clients[i] = (struct client) { .takes = 100, .thinks = 500,
                                       .left = 200, .next = i * apart };
    }
    return simulate(clients, n);
}

static void
print_turns(void)
{
    long long alone = meet(0, 0);

    for (int others = 1; others <= 64; others *= 4) {
        for (int takes = 100; takes <= 10000; takes *= 10) {
            long long met = meet(others, takes);

            printf("%2d others, messages of %5d us: %s\n", others, takes,
                   met - alone <= 50 * 1000 ? "not slowed by 50 ms"
                   : "slowed by more");
            fprintf(stderr, "%lld us instead of %lld\n", met, alone);
        }
    }
    for (int n = 1; n <= 64; n *= 8) {
        for (int apart = 0; apart <= 20000; apart += 10000) {
            long long all = crowd(n, apart);
            long long least = MAX(n * 200 * 100, (n - 1) * apart
                                  + 200 * (100 + 500));

            printf("%2d handshakes, each %5d us: %s\n", n, apart,
                   all <= least * 3 / 2 + 10000 ? "no time is lost"
                   : "time is lost");
            fprintf(stderr, "%lld us instead of %lld\n", all, least);
        }
    }
}

/* Sends a byte with 'n' files. */
static void
send_byte(int fd, int n)
{
    struct vdpa_channel channel = { .fd = fd };
    char buf[CMSG_SPACE(64 * sizeof(int))] = { 0 };
    struct cmsghdr *c = (struct cmsghdr *) buf;
    int files[64];
    struct iovec iov = { .iov_base = &channel, .iov_len = 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    for (int i = 0; i < n; i++) {
        files[i] = eventfd(0, EFD_CLOEXEC);
        ovs_assert(files[i] >= 0);
    }
    if (n) {
        msg.msg_control = buf;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), files, n * sizeof(int));
    }
    ovs_assert(sendmsg(fd, &msg, 0) == 1);
    for (int i = 0; i < n; i++) {
        close(files[i]);
    }
}

/* Says what becomes of files that come with the first bytes of a message, some
 * with one and some with the next. */
static void
print_files(void)
{
    for (int first = 0; first <= 10; first++) {
        for (int second = 0; second <= 10; second++) {
            struct {
                struct vdpa_channel channel;
                int after[64];
            } s;
            struct vdpa_channel *channel = &s.channel;
            bool many = first + second > VDPA_MESSAGE_MAX_FILES;
            int pair[2];
            int error;

            memset(&s, 0, sizeof s);
            ovs_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
            send_byte(pair[0], first);
            send_byte(pair[0], second);
            channel->fd = pair[1];
            error = vdpa_channel_receive(channel);
            printf("%s\n",
                   channel->n_files > VDPA_MESSAGE_MAX_FILES ? "written beyond"
                   : error != (many ? EMFILE : EAGAIN) ? ovs_strerror(error)
                   : !many && (int) channel->n_files != first + second
                   ? "lost" : many ? "refused" : "taken");
            for (unsigned int i = 0;
                 i < MIN(channel->n_files, VDPA_MESSAGE_MAX_FILES); i++) {
                close(channel->files[i]);
            }
            close(pair[0]);
            close(pair[1]);
        }
    }
}

/* Where the kernel lists this process's mappings. */
#define MAPS "/proc/self/maps"

static int
count_mappings(void)
{
    FILE *maps = fopen(MAPS, "r");
    int n = 0;
    int c;

    ovs_assert(maps);
    while ((c = getc(maps)) != EOF) {
        n += c == '\n';
    }
    fclose(maps);
    return n;
}

/* Says whether memory in huge pages stays mapped, of which regions end within
 * a page. */
static void
print_mappings(void)
{
    struct vdpa_message msg = {
        .request = VDPA_REQUEST_SET_MEM_TABLE,
        .payload.memory.n_regions = 1,
        .payload.memory.regions[0].size = 0xa0000,
    };
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
    int before, after;

    if (fd < 0 || ftruncate(fd, 1 << 30)) {
        printf("no huge pages (%s)\n", ovs_strerror(errno));
        return;
    }
    before = count_mappings();
    for (int i = 0; i < 100; i++) {
        struct vdpa_message_file file;
        int error;

        vdpa_file_examine(fd, &file);
        error = vdpa_file_try_mappings(&msg, &fd, &file, 1);

        if (error) {
            printf("cannot be mapped (%s)\n", ovs_strerror(error));
            break;
        }
    }
    after = count_mappings();
    close(fd);
    printf("%s\n", after > before + 10 ? "stays mapped" : "unmapped");
}

int
main(int argc, char *argv[])
{
    if (argc == 2 && !strcmp(argv[1], "verdicts")) {
        print_verdicts();
    } else if (argc == 2 && !strcmp(argv[1], "turns")) {
        print_turns();
    } else if (argc == 2 && !strcmp(argv[1], "files")) {
        print_files();
    } else if (argc == 2 && !strcmp(argv[1], "mappings")) {
        print_mappings();
    } else {
        fprintf(stderr, "usage: %s verdicts < DIALOGUE | turns | files | "
                "mappings\n", argv[0]);
        return 2;
    }
    return 0;
}
