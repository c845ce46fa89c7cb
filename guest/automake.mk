# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

# What a process that is handed a guest's files needs.  It is linked into the
# plugin and into nicsimd, and seen by nobody but who it was linked into.
noinst_LTLIBRARIES += guest/libguest.la
guest_libguest_la_SOURCES = \
	guest/guest-call.c \
	guest/guest-call.h \
	guest/guest-file.c \
	guest/guest-file.h \
	guest/guest-position.c \
	guest/guest-position.h \
	guest/guest-sigbus.c \
	guest/guest-sigbus.h
guest_libguest_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
guest_libguest_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
