/* SPDX-License-Identifier: Apache-2.0
 * Copyright (c) 2026 The ovs-dpdkvdpa authors
 *
 * nicsimd's command line. */

#ifndef NICSIM_OPTIONS_H
#define NICSIM_OPTIONS_H 1

struct options;

void options_parse(struct options *, int argc, char *argv[]);

#endif /* nicsim/device/options.h */
