# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

noinst_LTLIBRARIES += lib/libdpdkvdpa.la
lib_libdpdkvdpa_la_SOURCES = \
	lib/dpdkvdpa-unixctl.c \
	lib/dpdkvdpa-unixctl.h \
	lib/netdev-dpdk-guard.c \
	lib/netdev-dpdk-guard.h \
	lib/netdev-dpdkvdpa-alone.c \
	lib/netdev-dpdkvdpa-alone.h \
	lib/netdev-dpdkvdpa.c \
	lib/netdev-dpdkvdpa.h \
	lib/offload-action-format.c \
	lib/offload-actions.c \
	lib/offload-actions.h \
	lib/offload-copy.c \
	lib/offload-copy.h \
	lib/offload-credit.c \
	lib/offload-credit.h \
	lib/offload-ethdev.c \
	lib/offload-ethdev.h \
	lib/offload-flow.c \
	lib/offload-flow.h \
	lib/offload-form.c \
	lib/offload-form.h \
	lib/offload-group.c \
	lib/offload-group.h \
	lib/offload-lock.c \
	lib/offload-lock.h \
	lib/offload-match.c \
	lib/offload-match.h \
	lib/offload-meter.c \
	lib/offload-meter.h \
	lib/offload-miss.c \
	lib/offload-miss.h \
	lib/offload-mpls.c \
	lib/offload-mpls.h \
	lib/offload-port.c \
	lib/offload-port.h \
	lib/offload-port-number.c \
	lib/offload-port-number.h \
	lib/offload-port-settings.c \
	lib/offload-port-settings.h \
	lib/offload-provider.c \
	lib/offload-provider.h \
	lib/offload-reach.c \
	lib/offload-reach.h \
	lib/offload-refusal.c \
	lib/offload-refusal.h \
	lib/offload-retry.c \
	lib/offload-retry.h \
	lib/offload-rule-format.c \
	lib/offload-rule-format.h \
	lib/offload-rule.c \
	lib/offload-rule.h \
	lib/offload-sample.c \
	lib/offload-sample.h \
	lib/offload-set.c \
	lib/offload-set.h \
	lib/offload-show.c \
	lib/offload-show.h \
	lib/offload-support.h \
	lib/offload-tunnel.c \
	lib/offload-tunnel.h \
	lib/offload-why.c \
	lib/offload-why.h \
	lib/vdpa-channel.c \
	lib/vdpa-channel.h \
	lib/vdpa-claim.c \
	lib/vdpa-claim.h \
	lib/vdpa-closer.c \
	lib/vdpa-closer.h \
	lib/vdpa-devargs.c \
	lib/vdpa-devargs.h \
	lib/vdpa-device.c \
	lib/vdpa-device.h \
	lib/vdpa-features.c \
	lib/vdpa-features.h \
	lib/vdpa-file.c \
	lib/vdpa-file.h \
	lib/vdpa-guest-memory.c \
	lib/vdpa-guest-memory.h \
	lib/vdpa-message.c \
	lib/vdpa-message.h \
	lib/vdpa-options.c \
	lib/vdpa-options.h \
	lib/vdpa-port.c \
	lib/vdpa-port.h \
	lib/vdpa-relay.c \
	lib/vdpa-relay.h \
	lib/vdpa-requests.c \
	lib/vdpa-requests.h \
	lib/vdpa-screen.c \
	lib/vdpa-screen.h \
	lib/vdpa-stats.c \
	lib/vdpa-stats.h \
	lib/vdpa-status.c \
	lib/vdpa-status.h \
	lib/vdpa-turn.c \
	lib/vdpa-turn.h \
	lib/vdpa-vf.c \
	lib/vdpa-vf.h \
	lib/vdpa-vhost-ring.c \
	lib/vdpa-vhost-ring.h \
	lib/vdpa-vhost.c \
	lib/vdpa-vhost.h \
	lib/vdpa-virtq-chain.h \
	lib/vdpa-virtq-move.c \
	lib/vdpa-virtq-ring.h \
	lib/vdpa-virtq.c \
	lib/vdpa-virtq.h \
	lib/vport-stats.c \
	lib/vport-stats.h
lib_libdpdkvdpa_la_LIBADD = lib/libvdpawatch.la guest/libguest.la

# Inline functions of Open vSwitch's headers count on -fno-strict-aliasing.
DPDKVDPA_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/lib \
	-I $(top_srcdir)/guest $(OVS_CPPFLAGS)
DPDKVDPA_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) -fno-strict-aliasing
lib_libdpdkvdpa_la_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
lib_libdpdkvdpa_la_CFLAGS = $(DPDKVDPA_CFLAGS)

# The one file that needs DPDK's headers for drivers.
noinst_LTLIBRARIES += lib/libvdpawatch.la
lib_libvdpawatch_la_SOURCES = lib/vdpa-watch.c lib/vdpa-watch.h
lib_libvdpawatch_la_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
lib_libvdpawatch_la_CFLAGS = $(DPDKVDPA_CFLAGS) $(DPDK_DRIVER_CFLAGS)
