/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * What the files of nicsim-host share.  cmd_*() are its commands, described
 * where they are defined. */

#ifndef NICSIM_HOST_H
#define NICSIM_HOST_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "nicsim/hw.h"

#define PAGE        4096
#define MEMORY      (64 << 20)  /* Of one connection. */
#define BUF_SIZE    2048
#define TIMEOUT_MS  30000
#define QUIET_MS    50          /* How long nothing has to come. */

/* A ring and its buffers, one for each slot. */
struct ring {
    struct nicsim_ring_regs *regs;
    union {
        struct nicsim_tx_desc *tx;
        struct nicsim_rx_desc *rx;
    };
    uint8_t *bufs;
    uint32_t n, buf_size;
    uint32_t next;              /* RX: to look at. */
    uint32_t tail;
};

struct function {
    bool open;
    struct nicsim_bar *bar;
    int doorbell;
    uint8_t mac[6];
    struct ring tx[NICSIM_MAX_QUEUES], rx[NICSIM_MAX_QUEUES];
};

struct connection {
    char name[16];
    int sock, event_fd, mem_fd;
    uint8_t *mem;
    size_t used;
    struct function pf, reps[NICSIM_MAX_VFS], vfs[NICSIM_MAX_VFS];
};

/* The connection in use. */
extern struct connection *c;

/* The last request, which the reply has replaced. */
extern struct nicsim_msg msg;

void die(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void *must(void *);
bool passed(const struct timespec *start, int ms);

void clear(void);
bool request(const char *what, uint32_t type, const int *fds, int n_fds,
             int *reply_fds);
uint32_t parse_function(const char *);
uint32_t parse_vport(const char *);
struct function *get_function(const char *);
void *take_memory(size_t);
int wire_socket(void);
void function_show_tail(struct function *, struct ring *);

void cmd_connect(char **words, int n);
void cmd_use(char **words, int n);
void cmd_disconnect(char **words, int n);

/* nicsim-host-packet.c. */
void cmd_tx(char **words, int n);
void cmd_mangle(char **words, int n);
void cmd_rx(char **words, int n);
void cmd_quiet(char **words, int n);
void cmd_badbufs(char **words, int n);
void cmd_tail(char **words, int n);
void cmd_bench(char **words, int n);
double cpu_seconds(int pid);

/* nicsim-host-bulk.c. */
void cmd_bulk(char **words, int n);
void cmd_drain(char **words, int n);
void cmd_nic(char **words, int n);

/* nicsim-host-rule.c. */
void cmd_rule(char **words, int n);
void cmd_validate(char **words, int n);
void cmd_query(char **words, int n);
void cmd_destroy(char **words, int n);
void cmd_flush(char **words, int n);
void cmd_rules(char **words, int n);
void cmd_meter(char **words, int n);
void cmd_qmeter(char **words, int n);
void cmd_dmeter(char **words, int n);

/* nicsim-host-wire.c. */
void cmd_wire(char **words, int n);
void cmd_link(char **words, int n);
void cmd_wtx(char **words, int n);
void cmd_wrx(char **words, int n);
void cmd_pcap(char **words, int n);

/* nicsim-host-vdpa.c. */
void cmd_vopen(char **words, int n);
void cmd_vclose(char **words, int n);
void cmd_vmem(char **words, int n);
void cmd_vring(char **words, int n);
void cmd_vcall(char **words, int n);
void cmd_venable(char **words, int n);
void cmd_vstart(char **words, int n);
void cmd_vstop(char **words, int n);
void cmd_vqueue(char **words, int n);
void cmd_vlog(char **words, int n);
void cmd_vfill(char **words, int n);
void cmd_vrings(char **words, int n);
void cmd_vattach(char **words, int n);
void cmd_vup(char **words, int n);
void cmd_vtx(char **words, int n);
void cmd_vrx(char **words, int n);
void cmd_vspread(char **words, int n);
void cmd_vused(char **words, int n);
void cmd_vjump(char **words, int n);
void cmd_vquiet(char **words, int n);
void cmd_vwant(char **words, int n);
void cmd_vwait(char **words, int n);
void cmd_vevent(char **words, int n);
void cmd_vcalls(char **words, int n);
void cmd_vflip(char **words, int n);
void cmd_vcopy(char **words, int n);
void cmd_vdiff(char **words, int n);
void cmd_vsame(char **words, int n);
void cmd_vshrink(char **words, int n);

/* nicsim-host-fuzz.c. */
void cmd_vfuzz(char **words, int n);
void cmd_vempty(char **words, int n);

/* nicsim-host-stream.c. */
void cmd_vstream(char **words, int n);
void cmd_vbench(char **words, int n);

#endif /* tests/nicsim-host.h */
