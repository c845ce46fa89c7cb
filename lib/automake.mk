# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

# The plugin, to be linked into ovs-vswitchd.
noinst_LTLIBRARIES += lib/libdpdkvdpa.la

lib_libdpdkvdpa_la_CPPFLAGS = \
	$(AM_CPPFLAGS) \
	-I $(top_srcdir)/lib \
	$(OVS_CPPFLAGS) \
	$(DPDK_CFLAGS)

lib_libdpdkvdpa_la_SOURCES =

# The offload provider.
lib_libdpdkvdpa_la_SOURCES += \
	lib/dpdkvdpa-unixctl.c \
	lib/dpdkvdpa-unixctl.h \
	lib/offload-actions.c \
	lib/offload-actions.h \
	lib/offload-flow.c \
	lib/offload-flow.h \
	lib/offload-match.c \
	lib/offload-match.h \
	lib/offload-provider.c \
	lib/offload-provider.h \
	lib/offload-refusal.c \
	lib/offload-refusal.h \
	lib/offload-rule-format.c \
	lib/offload-rule-format.h \
	lib/offload-rule.c \
	lib/offload-rule.h \
	lib/offload-show.c \
	lib/offload-show.h
