# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

EXTRA_DIST += \
	utilities/dpdkvdpa-bench \
	$(bench_DATA) \
	utilities/dpdkvdpa-lib.sh \
	utilities/dpdkvdpa-sandbox \
	utilities/dpdkvdpa-setup

bin_PROGRAMS += utilities/dpdkvdpa-guest
utilities_dpdkvdpa_guest_SOURCES = \
	utilities/dpdkvdpa-guest-dirty.c \
	utilities/dpdkvdpa-guest-dirty.h \
	utilities/dpdkvdpa-guest-tap.c \
	utilities/dpdkvdpa-guest-tap.h \
	utilities/dpdkvdpa-guest-vhost.c \
	utilities/dpdkvdpa-guest-vhost.h \
	utilities/dpdkvdpa-guest-virtq.c \
	utilities/dpdkvdpa-guest-virtq.h \
	utilities/dpdkvdpa-guest.c

# What dpdkvdpa-bench makes traffic with.
pkglibexec_PROGRAMS += \
	utilities/dpdkvdpa-bench-guest \
	utilities/dpdkvdpa-bench-nic
utilities_dpdkvdpa_bench_guest_SOURCES = \
	utilities/dpdkvdpa-bench-guest.c \
	utilities/dpdkvdpa-bench-meter.c \
	utilities/dpdkvdpa-bench-meter.h \
	utilities/dpdkvdpa-guest-vhost.c \
	utilities/dpdkvdpa-guest-vhost.h \
	utilities/dpdkvdpa-guest-virtq.c \
	utilities/dpdkvdpa-guest-virtq.h

utilities_dpdkvdpa_bench_nic_SOURCES = \
	utilities/dpdkvdpa-bench-meter.c \
	utilities/dpdkvdpa-bench-meter.h \
	utilities/dpdkvdpa-bench-nic.c
utilities_dpdkvdpa_bench_nic_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
utilities_dpdkvdpa_bench_nic_LDADD = $(DPDK_LIBS)

# The VF between which and the guest it measures.
pkglib_LTLIBRARIES += utilities/librte_net_bench.la
utilities_librte_net_bench_la_SOURCES = utilities/dpdkvdpa-bench-vf.c
utilities_librte_net_bench_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) \
	$(DPDK_DRIVER_CFLAGS)
utilities_librte_net_bench_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version
utilities_librte_net_bench_la_LIBADD = $(DPDK_DRIVER_LIBS) $(DPDK_LIBS)

# The parts of dpdkvdpa-bench.
benchdir = $(pkgdatadir)/dpdkvdpa_bench
bench_DATA = \
	utilities/dpdkvdpa_bench/__init__.py \
	utilities/dpdkvdpa_bench/bench.py \
	utilities/dpdkvdpa_bench/contestant.py \
	utilities/dpdkvdpa_bench/figures.py \
	utilities/dpdkvdpa_bench/modes.py \
	utilities/dpdkvdpa_bench/nic.py \
	utilities/dpdkvdpa_bench/ovs.py \
	utilities/dpdkvdpa_bench/process.py \
	utilities/dpdkvdpa_bench/relay.py

bin_SCRIPTS += \
	utilities/dpdkvdpa-bench \
	utilities/dpdkvdpa-sandbox
dist_man_MANS += \
	utilities/dpdkvdpa-bench.8 \
	utilities/dpdkvdpa-guest.8 \
	utilities/dpdkvdpa-sandbox.8

# Where dpdkvdpa-sandbox and dpdkvdpa-bench find what they start, in the build
# tree and when installed.  The environment takes precedence.
utilities/dpdkvdpa-paths.sh: Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && printf ': "$${%s:=%s}"\n' \
	  DPDKVDPA_VSWITCHD '$(abs_top_builddir)/vswitchd/ovs-vswitchd' \
	  DPDKVDPA_NICSIMD '$(abs_top_builddir)/nicsim/nicsimd' \
	  DPDKVDPA_DRIVER \
	    '$(abs_top_builddir)/nicsim/.libs/librte_net_nicsim.so' \
	  DPDKVDPA_GUEST '$(abs_top_builddir)/utilities/dpdkvdpa-guest' \
	  DPDKVDPA_BENCH_GUEST \
	    '$(abs_top_builddir)/utilities/dpdkvdpa-bench-guest' \
	  DPDKVDPA_BENCH_NIC \
	    '$(abs_top_builddir)/utilities/dpdkvdpa-bench-nic' \
	  DPDKVDPA_BENCH_VF \
	    '$(abs_top_builddir)/utilities/.libs/librte_net_bench.so' \
	  DPDKVDPA_SCHEMA '$(OVS_SRCDIR)/vswitchd/vswitch.ovsschema' \
	  DPDKVDPA_PATH '$(abs_top_builddir)/nicsim:$(abs_top_builddir)/utilities:$(abs_top_srcdir)/utilities:$(OVS_BUILDDIR)/utilities:$(OVS_BUILDDIR)/ovsdb' \
	  > $@.tmp && mv $@.tmp $@

utilities/installed/dpdkvdpa-paths.sh: Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && printf ': "$${%s:=%s}"\n' \
	  DPDKVDPA_VSWITCHD '$(pkglibexecdir)/ovs-vswitchd' \
	  DPDKVDPA_NICSIMD '$(sbindir)/nicsimd' \
	  DPDKVDPA_DRIVER '$(pkglibdir)/librte_net_nicsim.so' \
	  DPDKVDPA_GUEST '$(bindir)/dpdkvdpa-guest' \
	  DPDKVDPA_BENCH_GUEST '$(pkglibexecdir)/dpdkvdpa-bench-guest' \
	  DPDKVDPA_BENCH_NIC '$(pkglibexecdir)/dpdkvdpa-bench-nic' \
	  DPDKVDPA_BENCH_VF '$(pkglibdir)/librte_net_bench.so' \
	  DPDKVDPA_SCHEMA '/usr/share/openvswitch/vswitch.ovsschema' \
	  DPDKVDPA_PATH '$(bindir):$(sbindir)' \
	  > $@.tmp && mv $@.tmp $@

ALL_LOCAL += utilities/dpdkvdpa-paths.sh
pkgdata_DATA += \
	utilities/dpdkvdpa-lib.sh \
	utilities/installed/dpdkvdpa-paths.sh
CLEANFILES += \
	utilities/dpdkvdpa-paths.sh \
	utilities/installed/dpdkvdpa-paths.sh
