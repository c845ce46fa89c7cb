#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
#
# Generates configure and the Makefile.in from a fresh clone.
# Needs the Debian packages autoconf, automake, libtool and pkg-config.

set -e
cd "$(dirname "$0")"
exec autoreconf --install --force "$@"
