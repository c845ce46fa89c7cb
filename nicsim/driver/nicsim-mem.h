/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * Memory that the device may reach
 * ================================
 *
 * Each of EAL's memory segment lists is a window of the NIC's, announced when
 * its first page is there; its pages are mapped by their file descriptors, and
 * unmapped again as EAL gives them back.  Memory that has no file descriptor
 * (external memory) stays out of the device's reach: what a descriptor says
 * of it is a DMA fault. */

#ifndef NICSIM_MEM_H
#define NICSIM_MEM_H 1

struct nicsim_host;

/* Maps all memory that EAL has, and from now on all that it gets.  Returns 0,
 * or a positive errno after logging why. */
int nicsim_mem_register(struct nicsim_host *);

/* Stops following EAL's memory.  The device forgets the maps when the
 * connection ends, not here. */
void nicsim_mem_unregister(struct nicsim_host *);

#endif /* nicsim-mem.h */
