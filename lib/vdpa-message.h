/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#ifndef VDPA_MESSAGE_H
#define VDPA_MESSAGE_H 1

/* What a hypervisor may say
 * =========================
 *
 * A hypervisor drives its end of a vhost-user socket as it likes.
 * librte_vhost believes much of what it hears, and has requests of which no
 * network device of ours has any use.  So each message is looked at before
 * librte_vhost sees it: a table says which requests there are, what they look
 * like, how many files of which kind come with them, and what must have been
 * said before.  All else is refused, with a reason in words.
 *
 * A 'struct vdpa_dialogue' is what was said on one connection so far.  For
 * each message, in this order:
 *
 *     vdpa_message_check_header()    as soon as the header is there;
 *     vdpa_message_check()           when all of it is;
 *     vdpa_message_answer()          for librte_vhost's answer to one that has
 *                                    an answer of its own, otherwise
 *     vdpa_message_done()            when librte_vhost has dealt with it.
 *
 * What real front ends send is more than the specification's order of things:
 * QEMU hands over interrupts and enables rings before it has set features.
 * The table is as strict as that allows (tests/vhost-dialogues has
 * recordings).
 *
 * Thread-safety
 * -------------
 *
 * Nothing here touches anything but its arguments: no file is looked into, no
 * lock is taken, nothing blocks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct ds;

/* Requests of the vhost-user protocol that a network device needs, by the
 * names that the protocol gives them. */
#define VDPA_REQUESTS(REQUEST)                  \
    REQUEST(GET_FEATURES, 1)                    \
    REQUEST(SET_FEATURES, 2)                    \
    REQUEST(SET_OWNER, 3)                       \
    REQUEST(RESET_OWNER, 4)                     \
    REQUEST(SET_MEM_TABLE, 5)                   \
    REQUEST(SET_LOG_BASE, 6)                    \
    REQUEST(SET_LOG_FD, 7)                      \
    REQUEST(SET_VRING_NUM, 8)                   \
    REQUEST(SET_VRING_ADDR, 9)                  \
    REQUEST(SET_VRING_BASE, 10)                 \
    REQUEST(GET_VRING_BASE, 11)                 \
    REQUEST(SET_VRING_KICK, 12)                 \
    REQUEST(SET_VRING_CALL, 13)                 \
    REQUEST(SET_VRING_ERR, 14)                  \
    REQUEST(GET_PROTOCOL_FEATURES, 15)          \
    REQUEST(SET_PROTOCOL_FEATURES, 16)          \
    REQUEST(GET_QUEUE_NUM, 17)                  \
    REQUEST(SET_VRING_ENABLE, 18)               \
    REQUEST(SEND_RARP, 19)                      \
    REQUEST(NET_SET_MTU, 20)                    \
    REQUEST(SET_BACKEND_REQ_FD, 21)             \
    REQUEST(SET_STATUS, 39)                     \
    REQUEST(GET_STATUS, 40)

enum vdpa_request {
#define REQUEST(NAME, NUMBER) VDPA_REQUEST_##NAME = NUMBER,
    VDPA_REQUESTS(REQUEST)
#undef REQUEST
};

/* Bits of a message's flags. */
enum {
    VDPA_MESSAGE_VERSION = 1,
    VDPA_MESSAGE_VERSION_MASK = 3,
    VDPA_MESSAGE_REPLY = 1 << 2,
    VDPA_MESSAGE_NEED_REPLY = 1 << 3,
};

/* Memory regions, and with them files, of one message. */
#define VDPA_MESSAGE_MAX_REGIONS 8
#define VDPA_MESSAGE_MAX_FILES VDPA_MESSAGE_MAX_REGIONS

OVS_PACKED(
struct vdpa_message_region {
    uint64_t guest_addr;
    uint64_t size;
    uint64_t user_addr;         /* In the hypervisor. */
    uint64_t file_ofs;
});

/* In the byte order of the machine, as the protocol has it. */
OVS_PACKED(
struct vdpa_message {
    uint32_t request;
    uint32_t flags;
    uint32_t size;              /* Of 'payload', in bytes. */
    union {
        uint64_t u64;
        struct {
            uint32_t index;
            uint32_t num;
        } state;
        struct {
            uint32_t index;
            uint32_t flags;
            uint64_t desc;
            uint64_t used;
            uint64_t avail;
            uint64_t log;
        } addr;
        struct {
            uint32_t n_regions;
            uint32_t padding;
            struct vdpa_message_region regions[VDPA_MESSAGE_MAX_REGIONS];
        } memory;
        struct {
            uint64_t size;
            uint64_t file_ofs;
        } log;
    } payload;
});

#define VDPA_MESSAGE_HEADER_LEN offsetof(struct vdpa_message, payload)

/* What is to be known of a file that comes with a message. */
enum vdpa_file_kind {
    VDPA_FILE_OTHER,            /* Anything that may block us. */
    VDPA_FILE_MEMORY,
    VDPA_FILE_EVENTFD,
    VDPA_FILE_SOCKET,           /* AF_UNIX. */
};

struct vdpa_message_file {
    enum vdpa_file_kind kind;
    uint64_t size;              /* Of memory. */
    uint64_t page_size;         /* Of memory: mappings end with a page. */
};

struct vdpa_dialogue {
    unsigned int n_pairs;       /* Queue pairs that the port has. */
    uint64_t max_memory;        /* Bytes that may be mapped of its memory. */

    uint64_t offered;           /* Features, by GET_FEATURES. */
    uint64_t features;          /* That the guest took. */
    uint64_t protocol_offered;
    uint64_t protocol;
    bool asked_features;        /* 'offered' is known. */
    bool asked_protocol;        /* 'protocol_offered' is. */
    bool has_owner;
    bool has_features;
    bool has_memory;
    bool has_log;
    uint64_t memory_end;        /* Last guest address of all memory. */
    uint16_t ring_sizes[256];   /* By SET_VRING_NUM. */
};

void vdpa_dialogue_init(struct vdpa_dialogue *, unsigned int n_pairs);

bool vdpa_message_check_header(const struct vdpa_dialogue *,
                               const struct vdpa_message *, struct ds *why);
bool vdpa_message_check(const struct vdpa_dialogue *,
                        const struct vdpa_message *,
                        const struct vdpa_message_file *, unsigned int n_files,
                        struct ds *why);
bool vdpa_message_answer(struct vdpa_dialogue *, const struct vdpa_message *,
                         struct vdpa_message *answer);
void vdpa_message_done(struct vdpa_dialogue *, const struct vdpa_message *);

uint64_t vdpa_message_mapped(const struct vdpa_message *);
bool vdpa_message_same_memory(const struct vdpa_message *,
                              const struct vdpa_message *);
bool vdpa_message_has_answer(const struct vdpa_message *);
const char *vdpa_message_name(const struct vdpa_message *);
const char *vdpa_file_kind_name(enum vdpa_file_kind);

#endif /* vdpa-message.h */
