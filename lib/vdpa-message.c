/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 */

#include <config.h>
#include "vdpa-message.h"

#include <inttypes.h>
#include <string.h>

#include <rte_vhost.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

#define BIT(N) (UINT64_C(1) << (N))

/* Bits of the protocol's own features that a network device has a use for.
 * What else librte_vhost offers is not passed on: what it would do for
 * in-flight tables, migration by page faults or sessions of encryption is not
 * safe with hypervisors that mean harm. */
#define PROTOCOL_FEATURES                               \
    (BIT(VHOST_USER_PROTOCOL_F_MQ)                      \
     | BIT(VHOST_USER_PROTOCOL_F_LOG_SHMFD)             \
     | BIT(VHOST_USER_PROTOCOL_F_RARP)                  \
     | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK)             \
     | BIT(VHOST_USER_PROTOCOL_F_NET_MTU)               \
     | BIT(VHOST_USER_PROTOCOL_F_SLAVE_REQ)             \
     | BIT(VHOST_USER_PROTOCOL_F_SLAVE_SEND_FD)         \
     | BIT(VHOST_USER_PROTOCOL_F_HOST_NOTIFIER)         \
     | BIT(VHOST_USER_PROTOCOL_F_STATUS))

#define FEATURE_RING_PACKED BIT(34)

/* Of an SET_VRING_KICK, _CALL and _ERR: the ring, and that no file comes. */
#define VRING_INDEX 0xff
#define VRING_NO_FILE 0x100

/* As virtio has it. */
#define MAX_RING_SIZE 32768

/* Descriptors of all rings of a guest.  librte_vhost allocates 48 bytes for
 * each in DPDK's heap, which all guests share. */
#define MAX_DESCRIPTORS (128 * 1024)

#define MIN_MTU 68
#define MAX_MTU 65535

/* Of SET_VRING_ADDR: writes to the used ring are logged. */
#define VRING_ADDR_LOG 1

/* One byte of a log stands for so much memory. */
#define LOG_BYTE (UINT64_C(4096) * 8)

/* A log may be larger than its memory wants, by as much again and this:
 * hypervisors leave room for memory to come. */
#define LOG_SPARE (UINT64_C(1) << 20)

/* No page that is larger is one of those that memory has by default. */
#define SMALL_PAGE (64 * 1024)

enum payload {
    PAYLOAD_NONE,
    PAYLOAD_U64,
    PAYLOAD_STATE,              /* Of a ring. */
    PAYLOAD_RING_FILE,          /* A ring, and perhaps a file. */
    PAYLOAD_ADDR,
    PAYLOAD_MEMORY,             /* A file for each region. */
    PAYLOAD_LOG,
};

/* What must have been said before. */
enum turn {
    TURN_ANY,
    TURN_OFFER,                 /* GET_FEATURES. */
    TURN_PROTOCOL,              /* ...and that there is a protocol. */
    TURN_PROTOCOL_ASKED,        /* GET_PROTOCOL_FEATURES. */
    TURN_OWNER,                 /* GET_FEATURES and SET_OWNER. */
    TURN_FEATURES,              /* SET_FEATURES. */
    TURN_MEMORY,                /* SET_MEM_TABLE. */
};

#define NO_PROTOCOL_BIT -1

static const struct rule {
    enum vdpa_request request;
    enum payload payload;
    enum turn turn;
    int protocol_bit;           /* That must have been negotiated. */
    bool answer;                /* librte_vhost answers without being asked. */
    enum vdpa_file_kind file;   /* Of the one file, or OTHER for none. */
} rules[] = {
#define RULE(NAME, PAYLOAD, TURN, PROTOCOL_BIT, ANSWER, FILE)           \
    { VDPA_REQUEST_##NAME, PAYLOAD_##PAYLOAD, TURN_##TURN, PROTOCOL_BIT, \
      ANSWER, VDPA_FILE_##FILE }
    RULE(GET_FEATURES, NONE, ANY, NO_PROTOCOL_BIT, true, OTHER),
    RULE(SET_FEATURES, U64, OWNER, NO_PROTOCOL_BIT, false, OTHER),
    RULE(SET_OWNER, NONE, ANY, NO_PROTOCOL_BIT, false, OTHER),
    RULE(RESET_OWNER, NONE, ANY, NO_PROTOCOL_BIT, false, OTHER),
    RULE(SET_MEM_TABLE, MEMORY, FEATURES, NO_PROTOCOL_BIT, false, MEMORY),
    RULE(SET_LOG_BASE, LOG, MEMORY, VHOST_USER_PROTOCOL_F_LOG_SHMFD, true,
         MEMORY),
    RULE(SET_LOG_FD, NONE, FEATURES, NO_PROTOCOL_BIT, false, EVENTFD),
    RULE(SET_VRING_NUM, STATE, FEATURES, NO_PROTOCOL_BIT, false, OTHER),
    RULE(SET_VRING_ADDR, ADDR, MEMORY, NO_PROTOCOL_BIT, false, OTHER),
    RULE(SET_VRING_BASE, STATE, FEATURES, NO_PROTOCOL_BIT, false, OTHER),
    RULE(GET_VRING_BASE, STATE, FEATURES, NO_PROTOCOL_BIT, true, OTHER),
    RULE(SET_VRING_KICK, RING_FILE, MEMORY, NO_PROTOCOL_BIT, false, EVENTFD),
    RULE(SET_VRING_CALL, RING_FILE, OWNER, NO_PROTOCOL_BIT, false, EVENTFD),
    RULE(SET_VRING_ERR, RING_FILE, OWNER, NO_PROTOCOL_BIT, false, EVENTFD),
    RULE(GET_PROTOCOL_FEATURES, NONE, PROTOCOL, NO_PROTOCOL_BIT, true, OTHER),
    RULE(SET_PROTOCOL_FEATURES, U64, PROTOCOL_ASKED, NO_PROTOCOL_BIT, false,
         OTHER),
    RULE(GET_QUEUE_NUM, NONE, PROTOCOL, VHOST_USER_PROTOCOL_F_MQ, true, OTHER),
    RULE(SET_VRING_ENABLE, STATE, PROTOCOL, NO_PROTOCOL_BIT, false, OTHER),
    RULE(SEND_RARP, U64, FEATURES, VHOST_USER_PROTOCOL_F_RARP, false, OTHER),
    RULE(NET_SET_MTU, U64, PROTOCOL, VHOST_USER_PROTOCOL_F_NET_MTU, false,
         OTHER),
    RULE(SET_BACKEND_REQ_FD, NONE, PROTOCOL, VHOST_USER_PROTOCOL_F_SLAVE_REQ,
         false, SOCKET),
    RULE(SET_STATUS, U64, PROTOCOL, VHOST_USER_PROTOCOL_F_STATUS, false,
         OTHER),
    RULE(GET_STATUS, NONE, PROTOCOL, VHOST_USER_PROTOCOL_F_STATUS, true,
         OTHER),
#undef RULE
};

static const struct rule *
rule_find(uint32_t request)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].request == request) {
            return &rules[i];
        }
    }
    return NULL;
}

/* Returns the request's name.  For messages. */
const char *
vdpa_message_name(const struct vdpa_message *msg)
{
    switch (msg->request) {
#define REQUEST(NAME, NUMBER) case NUMBER: return #NAME;
    VDPA_REQUESTS(REQUEST)
#undef REQUEST

    /* Those that are best known of what is not taken. */
    case 22: return "IOTLB_MSG";
    case 24: return "GET_CONFIG";
    case 25: return "SET_CONFIG";
    case 26: return "CREATE_CRYPTO_SESSION";
    case 27: return "CLOSE_CRYPTO_SESSION";
    case 28: return "POSTCOPY_ADVISE";
    case 29: return "POSTCOPY_LISTEN";
    case 30: return "POSTCOPY_END";
    case 31: return "GET_INFLIGHT_FD";
    case 32: return "SET_INFLIGHT_FD";
    default: return "of a kind that is not known";
    }
}

const char *
vdpa_file_kind_name(enum vdpa_file_kind kind)
{
    switch (kind) {
    case VDPA_FILE_MEMORY: return "memory";
    case VDPA_FILE_EVENTFD: return "eventfd";
    case VDPA_FILE_SOCKET: return "socket";
    case VDPA_FILE_OTHER:
    default: return "other";
    }
}

void
vdpa_dialogue_init(struct vdpa_dialogue *dialogue, unsigned int n_pairs)
{
    memset(dialogue, 0, sizeof *dialogue);
    dialogue->n_pairs = n_pairs;
    dialogue->max_memory = UINT64_MAX;
}

static bool OVS_PRINTF_FORMAT(2, 3)
refuse(struct ds *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    ds_put_format_valist(why, format, args);
    va_end(args);
    return false;
}

static bool
check_turn(const struct vdpa_dialogue *d, enum turn turn, struct ds *why)
{
    switch (turn) {
    case TURN_MEMORY:
        if (!d->has_memory) {
            return refuse(why, "it comes before SET_MEM_TABLE");
        }
        return true;

    case TURN_FEATURES:
        if (!d->has_features) {
            return refuse(why, "it comes before SET_FEATURES");
        }
        return true;

    case TURN_OWNER:
        if (!d->has_owner) {
            return refuse(why, "it comes before SET_OWNER");
        }
        if (!d->asked_features) {
            return refuse(why, "it comes before GET_FEATURES");
        }
        return true;

    case TURN_PROTOCOL_ASKED:
        if (!d->asked_protocol) {
            return refuse(why, "it comes before GET_PROTOCOL_FEATURES");
        }
        return true;

    case TURN_PROTOCOL:
    case TURN_OFFER:
        if (!d->asked_features) {
            return refuse(why, "it comes before GET_FEATURES");
        }
        if (turn == TURN_PROTOCOL
            && !(d->offered & BIT(VHOST_USER_F_PROTOCOL_FEATURES))) {
            return refuse(why, "no protocol features were offered");
        }
        return true;

    case TURN_ANY:
    default:
        return true;
    }
}

/* Returns true if a message with the header of 'msg' is one that may come now,
 * as far as can be told from that.  Otherwise appends to 'why' the reason, as
 * in "SET_OWNER is refused: ...". */
bool
vdpa_message_check_header(const struct vdpa_dialogue *d,
                          const struct vdpa_message *msg, struct ds *why)
{
    static const uint32_t sizes[] = {
        [PAYLOAD_NONE] = 0,
        [PAYLOAD_U64] = sizeof msg->payload.u64,
        [PAYLOAD_STATE] = sizeof msg->payload.state,
        [PAYLOAD_RING_FILE] = sizeof msg->payload.u64,
        [PAYLOAD_ADDR] = sizeof msg->payload.addr,
        [PAYLOAD_LOG] = sizeof msg->payload.log,
    };
    const struct rule *rule = rule_find(msg->request);
    uint32_t region = sizeof msg->payload.memory.regions[0];
    uint32_t fixed = offsetof(struct vdpa_message, payload.memory.regions)
                     - VDPA_MESSAGE_HEADER_LEN;

    if (!rule) {
        return refuse(why, "request %"PRIu32" was not offered", msg->request);
    }
    if ((msg->flags & VDPA_MESSAGE_VERSION_MASK) != VDPA_MESSAGE_VERSION
        || msg->flags & ~(VDPA_MESSAGE_VERSION_MASK
                          | VDPA_MESSAGE_NEED_REPLY)) {
        return refuse(why, "it has the flags %#"PRIx32, msg->flags);
    }
    if (msg->flags & VDPA_MESSAGE_NEED_REPLY
        && !(d->protocol & BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK))) {
        return refuse(why, "it wants an answer, which was not negotiated");
    }
    if (rule->payload == PAYLOAD_MEMORY
        ? (msg->size < fixed + region
           || msg->size > fixed + region * VDPA_MESSAGE_MAX_REGIONS
           || (msg->size - fixed) % region)
        : msg->size != sizes[rule->payload]) {
        return refuse(why, "its payload has %"PRIu32" bytes", msg->size);
    }
    if (rule->protocol_bit != NO_PROTOCOL_BIT
        && !(d->protocol & BIT(rule->protocol_bit))) {
        return refuse(why, "it was not negotiated");
    }
    return check_turn(d, rule->turn, why);
}

static bool
check_ring(const struct vdpa_dialogue *d, uint32_t ring, struct ds *why)
{
    return (ring < d->n_pairs * 2
            || refuse(why, "it is about ring %"PRIu32", and the port has %u "
                      "queue pairs: raise options:vdpa-max-queues or lower "
                      "the guest's number of queues", ring, d->n_pairs));
}

static bool
check_ring_size(const struct vdpa_dialogue *d, const struct vdpa_message *msg,
                struct ds *why)
{
    uint32_t size = msg->payload.state.num;
    uint32_t all = size;

    if (!size || size > MAX_RING_SIZE
        || (!(d->features & FEATURE_RING_PACKED) && !IS_POW2(size))) {
        return refuse(why, "a ring cannot have %"PRIu32" entries", size);
    }
    for (uint32_t i = 0; i < ARRAY_SIZE(d->ring_sizes); i++) {
        all += i != msg->payload.state.index ? d->ring_sizes[i] : 0;
    }
    return (all <= MAX_DESCRIPTORS
            || refuse(why, "all rings would have %"PRIu32" entries, above %d",
                      all, MAX_DESCRIPTORS));
}

static bool
ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b ? b - a < a_size : a - b < b_size;
}

/* Returns how many bytes are mapped because of 'msg', a SET_MEM_TABLE: each
 * region from the beginning of its file on. */
uint64_t
vdpa_message_mapped(const struct vdpa_message *msg)
{
    uint64_t mapped = 0;

    for (uint32_t i = 0; i < msg->payload.memory.n_regions; i++) {
        const struct vdpa_message_region *r = &msg->payload.memory.regions[i];
        uint64_t len = r->file_ofs + r->size;

        mapped = mapped + len < mapped ? UINT64_MAX : mapped + len;
    }
    return mapped;
}

/* Returns true if librte_vhost 22.11 takes the memory of 'a' and 'b', that are
 * SET_MEM_TABLE, for the same: then it keeps what it has, whatever files come
 * with the second one. */
bool
vdpa_message_same_memory(const struct vdpa_message *a,
                         const struct vdpa_message *b)
{
    uint32_t n = a->payload.memory.n_regions;

    if (n != b->payload.memory.n_regions) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct vdpa_message_region *r = &a->payload.memory.regions[i];
        const struct vdpa_message_region *s = &b->payload.memory.regions[i];

        if (r->guest_addr != s->guest_addr || r->size != s->size
            || r->user_addr != s->user_addr) {
            return false;
        }
    }
    return true;
}

static bool
check_memory(const struct vdpa_dialogue *d, const struct vdpa_message *msg,
             const struct vdpa_message_file *files, struct ds *why)
{
    const struct vdpa_message_region *regions = msg->payload.memory.regions;
    uint32_t n = msg->payload.memory.n_regions;

    for (uint32_t i = 0; i < n; i++) {
        const struct vdpa_message_region *r = &regions[i];

        if (!r->size || r->guest_addr + r->size - 1 < r->guest_addr
            || r->user_addr + r->size - 1 < r->user_addr) {
            return refuse(why, "region %"PRIu32" is empty or passes the end "
                          "of the address space", i);
        }
        if (files[i].size < r->size
            || files[i].size - r->size < r->file_ofs) {
            return refuse(why, "region %"PRIu32" passes the end of its file",
                          i);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (ranges_overlap(regions[j].guest_addr, regions[j].size,
                               r->guest_addr, r->size)
                || ranges_overlap(regions[j].user_addr, regions[j].size,
                                  r->user_addr, r->size)) {
                return refuse(why, "regions %"PRIu32" and %"PRIu32" overlap",
                              j, i);
            }
        }
    }
    return (vdpa_message_mapped(msg) <= d->max_memory
            || refuse(why, "it wants %"PRIu64" bytes to be mapped, of %"PRIu64
                      " that it may have of the addresses of ovs-vswitchd",
                      vdpa_message_mapped(msg), d->max_memory));
}

static bool
check_log(const struct vdpa_dialogue *d, const struct vdpa_message *msg,
          const struct vdpa_message_file *file, struct ds *why)
{
    uint64_t wanted = d->memory_end / LOG_BYTE + 1;
    uint64_t size = msg->payload.log.size;

    /* librte_vhost 22.11 adds the offset twice, and writes into whatever is
     * mapped there. */
    if (msg->payload.log.file_ofs) {
        return refuse(why, "the log begins at %#"PRIx64" of its file, which "
                      "is supported at 0 only", msg->payload.log.file_ofs);
    }
    if (!size || size > file->size) {
        return refuse(why, "the log is empty or passes the end of its file");
    }

    /* mmap() takes any size, and munmap() not one that ends within a huge
     * page: librte_vhost would not get rid of the log again. */
    if (file->page_size > SMALL_PAGE && size % file->page_size) {
        return refuse(why, "the log ends within a page of %"PRIu64" bytes",
                      file->page_size);
    }
    if (size > wanted * 2 + LOG_SPARE) {
        return refuse(why, "the log has %"PRIu64" bytes, and memory that "
                      "wants %"PRIu64, size, wanted);
    }
    return true;
}

static bool
check_payload(const struct vdpa_dialogue *d, const struct vdpa_message *msg,
              const struct vdpa_message_file *files, struct ds *why)
{
    uint64_t u64 = msg->payload.u64;

    switch ((enum vdpa_request) msg->request) {
    case VDPA_REQUEST_SET_FEATURES:
        return (!(u64 & ~d->offered)
                || refuse(why, "features %#"PRIx64" were not offered",
                          u64 & ~d->offered));

    case VDPA_REQUEST_SET_PROTOCOL_FEATURES:
        return (!(u64 & ~d->protocol_offered)
                || refuse(why, "protocol features %#"PRIx64" were not offered",
                          u64 & ~d->protocol_offered));

    case VDPA_REQUEST_SET_MEM_TABLE:
        return check_memory(d, msg, files, why);

    case VDPA_REQUEST_SET_LOG_BASE:
        return check_log(d, msg, files, why);

    case VDPA_REQUEST_SET_VRING_NUM:
        return (check_ring(d, msg->payload.state.index, why)
                && check_ring_size(d, msg, why));

    case VDPA_REQUEST_SET_VRING_BASE:
        /* A packed ring has two positions, each with a flag. */
        return (check_ring(d, msg->payload.state.index, why)
                && (d->features & FEATURE_RING_PACKED
                    || msg->payload.state.num <= UINT16_MAX
                    || refuse(why, "a ring has no position %"PRIu32,
                              msg->payload.state.num)));

    case VDPA_REQUEST_GET_VRING_BASE:
        return check_ring(d, msg->payload.state.index, why);

    case VDPA_REQUEST_SET_VRING_ENABLE:
        return (check_ring(d, msg->payload.state.index, why)
                && (msg->payload.state.num <= 1
                    || refuse(why, "it is neither on nor off")));

    case VDPA_REQUEST_SET_VRING_ADDR:
        return (check_ring(d, msg->payload.addr.index, why)
                && (!(msg->payload.addr.flags & ~VRING_ADDR_LOG)
                    || refuse(why, "the ring has the flags %#"PRIx32,
                              msg->payload.addr.flags)));

    case VDPA_REQUEST_SET_VRING_KICK:
    case VDPA_REQUEST_SET_VRING_CALL:
    case VDPA_REQUEST_SET_VRING_ERR:
        if (u64 & ~(uint64_t) (VRING_INDEX | VRING_NO_FILE)) {
            return refuse(why, "it is for ring %#"PRIx64, u64);
        }
        return check_ring(d, u64 & VRING_INDEX, why);

    case VDPA_REQUEST_NET_SET_MTU:
        return ((u64 >= MIN_MTU && u64 <= MAX_MTU)
                || refuse(why, "an MTU cannot be %"PRIu64, u64));

    case VDPA_REQUEST_SET_STATUS:
        return (u64 <= UINT8_MAX
                || refuse(why, "a status cannot be %#"PRIx64, u64));

    case VDPA_REQUEST_RESET_OWNER:
        /* librte_vhost 22.11 unmaps the log, and goes on to name the address
         * where it was.  No front end that is known does this. */
        return (!d->has_log
                || refuse(why, "it comes after SET_LOG_BASE, and librte_vhost "
                          "would not forget the log"));

    case VDPA_REQUEST_GET_FEATURES:
    case VDPA_REQUEST_SET_OWNER:
    case VDPA_REQUEST_SET_LOG_FD:
    case VDPA_REQUEST_GET_PROTOCOL_FEATURES:
    case VDPA_REQUEST_GET_QUEUE_NUM:
    case VDPA_REQUEST_SEND_RARP:
    case VDPA_REQUEST_SET_BACKEND_REQ_FD:
    case VDPA_REQUEST_GET_STATUS:
    default:
        return true;
    }
}

/* Returns true if 'msg', that came with the 'n_files' files 'files' and that
 * vdpa_message_check_header() likes, may be passed on.  Otherwise appends the
 * reason to 'why'. */
bool
vdpa_message_check(const struct vdpa_dialogue *d,
                   const struct vdpa_message *msg,
                   const struct vdpa_message_file *files, unsigned int n_files,
                   struct ds *why)
{
    const struct rule *rule = rule_find(msg->request);
    unsigned int n_wanted;

    if (!rule) {
        return refuse(why, "request %"PRIu32" was not offered", msg->request);
    }
    if (rule->payload == PAYLOAD_MEMORY) {
        uint32_t region = sizeof msg->payload.memory.regions[0];
        uint32_t fixed = offsetof(struct vdpa_message, payload.memory.regions)
                         - VDPA_MESSAGE_HEADER_LEN;

        n_wanted = msg->payload.memory.n_regions;
        if (n_wanted != (msg->size - fixed) / region) {
            return refuse(why, "%u regions do not have %"PRIu32" bytes",
                          n_wanted, msg->size);
        }
    } else if (rule->payload == PAYLOAD_RING_FILE) {
        n_wanted = !(msg->payload.u64 & VRING_NO_FILE);
    } else {
        n_wanted = rule->file != VDPA_FILE_OTHER;
    }
    if (n_files != n_wanted) {
        return refuse(why, "it comes with %u files instead of %u", n_files,
                      n_wanted);
    }
    for (unsigned int i = 0; i < n_files; i++) {
        if (files[i].kind != rule->file) {
            return refuse(why, "%s",
                          (rule->file == VDPA_FILE_MEMORY
                           ? "a file is not of memfd, tmpfs or hugetlbfs"
                           : rule->file == VDPA_FILE_EVENTFD
                           ? "a file is not an eventfd"
                           : "a file is not a UNIX domain socket"));
        }
    }
    return check_payload(d, msg, files, why);
}

/* Returns true if librte_vhost answers 'msg' whether it was asked to or
 * not. */
bool
vdpa_message_has_answer(const struct vdpa_message *msg)
{
    const struct rule *rule = rule_find(msg->request);

    return rule && rule->answer;
}

/* Notes in 'd' what 'answer' says to 'msg', and makes of it what the
 * hypervisor is to be told.  Returns false if it is no answer to 'msg'. */
bool
vdpa_message_answer(struct vdpa_dialogue *d, const struct vdpa_message *msg,
                    struct vdpa_message *answer)
{
    if (answer->request != msg->request
        || answer->size != (msg->request == VDPA_REQUEST_SET_LOG_BASE
                            ? 0 : sizeof answer->payload.u64)) {
        return false;
    }

    switch (msg->request) {
    case VDPA_REQUEST_GET_FEATURES:
        d->offered = answer->payload.u64;
        d->asked_features = true;
        break;

    case VDPA_REQUEST_GET_PROTOCOL_FEATURES:
        answer->payload.u64 &= PROTOCOL_FEATURES;
        d->protocol_offered = answer->payload.u64;
        d->asked_protocol = true;
        break;

    case VDPA_REQUEST_GET_QUEUE_NUM:
        /* What the port has, so that a guest with more is refused when it
         * starts, in the hypervisor's words. */
        answer->payload.u64 = d->n_pairs;
        break;
    }
    return true;
}

/* Notes in 'd' that 'msg' has been dealt with. */
void
vdpa_message_done(struct vdpa_dialogue *d, const struct vdpa_message *msg)
{
    switch (msg->request) {
    case VDPA_REQUEST_SET_OWNER:
        d->has_owner = true;
        break;

    case VDPA_REQUEST_RESET_OWNER:
        /* librte_vhost forgets features and memory.  Some front ends
         * (rust-vmm) begin again from there, and neither own nor negotiate
         * anew. */
        d->has_features = d->has_memory = false;
        d->features = d->memory_end = 0;
        memset(d->ring_sizes, 0, sizeof d->ring_sizes);
        break;

    case VDPA_REQUEST_SET_VRING_NUM:
        d->ring_sizes[msg->payload.state.index & VRING_INDEX]
            = msg->payload.state.num;
        break;

    case VDPA_REQUEST_SET_FEATURES:
        d->features = msg->payload.u64;
        d->has_features = true;
        break;

    case VDPA_REQUEST_SET_PROTOCOL_FEATURES:
        d->protocol = msg->payload.u64;
        break;

    case VDPA_REQUEST_SET_LOG_BASE:
        d->has_log = true;
        break;

    case VDPA_REQUEST_SET_MEM_TABLE:
        d->has_memory = true;
        d->memory_end = 0;
        for (uint32_t i = 0; i < msg->payload.memory.n_regions; i++) {
            const struct vdpa_message_region *r
                = &msg->payload.memory.regions[i];

            d->memory_end = MAX(d->memory_end,
                                r->guest_addr + (r->size - 1));
        }
        break;
    }
}
