# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

# A topic file is named here and included by tests/testsuite.at.
TESTSUITE_AT = \
	tests/testsuite.at \
	tests/dpdkvdpa-macros.at \
	tests/build.at \
	tests/guest.at \
	tests/sandbox.at

TESTSUITE_AT += \
	tests/offload-groups.at \
	tests/offload-bond.at \
	tests/offload-outputs.at \
	tests/offload-law.at \
	tests/offload-ports.at \
	tests/offload-life.at \
	tests/offload-sample.at \
	tests/offload-nic.at \
	tests/offload-translate.at
EXTRA_DIST += \
	tests/collector.py \
	tests/copies.py \
	tests/lacp_peer.py \
	tests/offload_rules.py \
	tests/tunnel_ping.py

TESTSUITE_AT += \
	tests/guest-faults.at \
	tests/guest-memory.at \
	tests/hypervisor-faults.at \
	tests/streams.at \
	tests/vdpa-message.at
EXTRA_DIST += tests/streams.py
TESTSUITE_AT += tests/port-options.at tests/port-life.at tests/relay.at
TESTSUITE_AT += tests/port-modes.at tests/port-trouble.at
EXTRA_DIST += \
	tests/frames.py \
	tests/soak \
	tests/relay_vf.py \
	tests/traffic.py \
	tests/fuse_file.py \
	tests/guest_faults.py \
	tests/hypervisor_faults.py \
	tests/vhost-dialogues \
	tests/guest_memory.py \
	tests/vhost_guest.py \
	tests/vhost_rings.py

# A host of nicsimd without DPDK.
TESTSUITE_AT += \
	tests/nicsim.at \
	tests/nicsim-daemon.at \
	tests/nicsim-rules.at \
	tests/nicsim-actions.at \
	tests/nicsim-tunnel.at \
	tests/nicsim-trouble.at \
	tests/nicsim-vdpa.at \
	tests/nicsim-vdpa-guest.at \
	tests/nicsim-vdpa-work.at
check_PROGRAMS += tests/nicsim-host
tests_nicsim_host_SOURCES = \
	nicsim/bytes.h \
	nicsim/hw.h \
	nicsim/rule-format.c \
	nicsim/rule-format.h \
	nicsim/vdpa-format.c \
	nicsim/vdpa-format.h \
	tests/nicsim-frame.c \
	tests/nicsim-frame.h \
	tests/nicsim-host-bulk.c \
	tests/nicsim-guest.c \
	tests/nicsim-guest.h \
	tests/nicsim-host-fuzz.c \
	tests/nicsim-host-packet.c \
	tests/nicsim-host-rule.c \
	tests/nicsim-host-stream.c \
	tests/nicsim-host-vdpa.c \
	tests/nicsim-host-wire.c \
	tests/nicsim-host.c \
	tests/nicsim-host.h
tests_nicsim_host_CPPFLAGS = \
	$(AM_CPPFLAGS) $(NICSIM_CPPFLAGS) -I $(top_srcdir)/tests

# guest/ alone.
check_PROGRAMS += tests/test-guest
tests_test_guest_SOURCES = tests/test-guest.c
tests_test_guest_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/guest \
	-D_GNU_SOURCE
tests_test_guest_LDADD = guest/libguest.la -lpthread -ldl

# Prints what the offload provider makes of megaflows.
check_PROGRAMS += tests/test-offload
tests_test_offload_SOURCES = tests/test-offload.c
tests_test_offload_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
tests_test_offload_CFLAGS = $(DPDKVDPA_CFLAGS)
tests_test_offload_LDADD = \
	lib/libdpdkvdpa.la $(OVS_LIBADD) $(OVS_LIBS) $(DPDK_LIBS)

# Where a device goes on with a packed ring.
check_PROGRAMS += tests/test-guest-position
tests_test_guest_position_SOURCES = tests/test-guest-position.c
tests_test_guest_position_CPPFLAGS = $(AM_CPPFLAGS) -I $(top_srcdir)/guest
tests_test_guest_position_LDADD = guest/libguest.la
TESTSUITE_AT += tests/guest-position.at

# The relay's side of virtqueues, whose driver's side is in the same process.
TESTSUITE_AT += tests/virtq.at
check_PROGRAMS += tests/test-vdpa-virtq
tests_test_vdpa_virtq_SOURCES = \
	tests/test-vdpa-virtq.c \
	tests/virtq-driver.c \
	tests/virtq-driver.h
tests_test_vdpa_virtq_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
tests_test_vdpa_virtq_CFLAGS = $(DPDKVDPA_CFLAGS)
tests_test_vdpa_virtq_LDADD = \
	lib/libdpdkvdpa.la $(OVS_LIBADD) $(OVS_LIBS) $(DPDK_LIBS)

# What becomes of hypervisors' messages.
check_PROGRAMS += tests/test-vdpa-message
tests_test_vdpa_message_SOURCES = tests/test-vdpa-message.c
tests_test_vdpa_message_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
tests_test_vdpa_message_CFLAGS = $(DPDKVDPA_CFLAGS)
tests_test_vdpa_message_LDADD = \
	lib/libdpdkvdpa.la $(OVS_LIBADD) $(OVS_LIBS) $(DPDK_LIBS)

# The same packets with and without offload.
TESTSUITE_AT += tests/offload-differential.at
EXTRA_DIST += \
	tests/differential/actions.py \
	tests/differential/bonds.py \
	tests/differential/case.py \
	tests/differential/compare.py \
	tests/differential/coverage.py \
	tests/differential/differential \
	tests/differential/generate.py \
	tests/differential/mutate \
	tests/differential/mutations \
	tests/differential/packets.py \
	tests/differential/realistic.py \
	tests/differential/runner.py \
	tests/differential/shrink.py \
	tests/differential/tunnels.py \
	tests/differential/world.py

# "make check-differential N=1000000": so many packets, with a new seed each
# time or with SEED=S.  ARGS are more arguments of tests/differential.
N = 100000
SEED =
ARGS =
check-differential: all $(check_PROGRAMS)
	$(srcdir)/tests/run-suite -c 'exec python3 "$$@"' sh \
	  '$(abs_srcdir)/tests/differential/differential' \
	  --build '$(abs_builddir)' --count $(N) $(SEED:%=--seed %) $(ARGS)
.PHONY: check-differential

# Whether that test notices when the provider is broken.
check-mutations: all $(check_PROGRAMS)
	$(srcdir)/tests/run-suite -c 'exec python3 "$$@"' sh \
	  '$(abs_srcdir)/tests/differential/mutate' \
	  --build '$(abs_builddir)' $(ARGS)
.PHONY: check-mutations

TESTSUITE_AT += tests/migration.at

TESTSUITE_AT += tests/vdpa-restart.at
# Writes the tables of Documentation/offload.md anew.
offload-doc: tests/test-offload
	$(AM_V_GEN)tests/test-offload support > offload-doc.tmp && \
	sed -e '/^<!-- begin: test-offload support/,/^<!-- end/{' \
	    -e '/^<!-- begin/r offload-doc.tmp' -e '/^<!--/!d' -e '}' \
	    $(srcdir)/Documentation/offload.md > offload-doc.new && \
	mv offload-doc.new $(srcdir)/Documentation/offload.md && \
	rm offload-doc.tmp
.PHONY: offload-doc

# Asks NICs' drivers about the provider's rules, and writes the table of
# Documentation/real-nics.md anew.
EXTRA_DIST += tests/offload-forms tests/offload-verdicts
nic-doc: all tests/test-offload
	$(AM_V_GEN)$(PYTHON3) $(srcdir)/tests/offload-verdicts --build . \
	  > nic-doc.tmp && \
	sed -e '/^<!-- begin: offload-verdicts/,/^<!-- end/{' \
	    -e '/^<!-- begin/r nic-doc.tmp' -e '/^<!--/!d' -e '}' \
	    $(srcdir)/Documentation/real-nics.md > nic-doc.new && \
	mv nic-doc.new $(srcdir)/Documentation/real-nics.md && \
	rm nic-doc.tmp
.PHONY: nic-doc

TESTSUITE_AT += tests/bench.at

TESTSUITE = $(srcdir)/tests/testsuite

EXTRA_DIST += \
	$(TESTSUITE_AT) \
	$(TESTSUITE) \
	tests/allowed-skips \
	tests/atlocal.in \
	tests/compare-ovs-suite \
	tests/package.m4 \
	tests/run-suite

DISTCLEANFILES += tests/atconfig tests/atlocal

# Arguments of the suite, for example TESTSUITEFLAGS='-k relay' or '-j2 3 7-9'.
TESTSUITEFLAGS =

# What only the suite needs, without running it.
check-programs: $(check_PROGRAMS) $(check_LTLIBRARIES)
.PHONY: check-programs

CHECK_LOCAL += check-testsuite
check-testsuite: tests/atconfig tests/atlocal $(TESTSUITE) all check-programs
	CONFIG_SHELL='$(SHELL)' $(srcdir)/tests/run-suite '$(TESTSUITE)' \
	  -C tests AUTOTEST_PATH= $(TESTSUITEFLAGS)

CLEAN_LOCAL += clean-testsuite
clean-testsuite:
	test ! -f '$(TESTSUITE)' || test ! -f tests/atconfig || \
		$(SHELL) '$(TESTSUITE)' -C tests --clean

$(srcdir)/tests/package.m4: $(top_srcdir)/configure.ac
	$(AM_V_GEN){ \
	  echo '# Generated from configure.ac.'; \
	  echo 'm4_define([AT_PACKAGE_NAME], [$(PACKAGE_NAME)])'; \
	  echo 'm4_define([AT_PACKAGE_TARNAME], [$(PACKAGE_TARNAME)])'; \
	  echo 'm4_define([AT_PACKAGE_VERSION], [$(PACKAGE_VERSION)])'; \
	  echo 'm4_define([AT_PACKAGE_STRING], [$(PACKAGE_STRING)])'; \
	  echo 'm4_define([AT_PACKAGE_BUGREPORT], [$(PACKAGE_BUGREPORT)])'; \
	} > $@.$$$$.tmp && mv $@.$$$$.tmp $@

$(TESTSUITE): $(srcdir)/tests/package.m4 $(TESTSUITE_AT)
	$(AM_V_GEN)$(AUTOM4TE) --language=autotest -I '$(srcdir)' \
	  -I '$(srcdir)/tests' -o $@.$$$$.tmp \
	  $(srcdir)/tests/testsuite.at && mv $@.$$$$.tmp $@

# The DPDK driver in stock programs.
TESTSUITE_AT += \
	tests/nicsim-driver.at \
	tests/nicsim-driver-rules.at \
	tests/nicsim-personality.at \
	tests/nicsim-ring.at
EXTRA_DIST += tests/nicsim-frames
check_PROGRAMS += tests/nicsim-ring
tests_nicsim_ring_SOURCES = tests/nicsim-ring.c
tests_nicsim_ring_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_nicsim_ring_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_nicsim_ring_LDADD = $(DPDK_LIBS)

# QEMU guests: what runs in them is linked statically, and without the
# sanitizers, which can't be.
TESTSUITE_AT += tests/qemu.at tests/qemu-modes.at
EXTRA_DIST += \
	tests/qemu-guest \
	tests/qemu-image \
	tests/qemu-init
check_PROGRAMS += tests/qemu-agent tests/qemu-traffic
tests_qemu_agent_SOURCES = tests/qemu-agent.c
tests_qemu_agent_CFLAGS = $(WARNING_CFLAGS)
tests_qemu_agent_LDFLAGS = -all-static
tests_qemu_traffic_SOURCES = tests/qemu-traffic.c
tests_qemu_traffic_CFLAGS = $(WARNING_CFLAGS)
tests_qemu_traffic_LDFLAGS = -all-static

# A vDPA driver that fails when told to.  libtool makes an object to load of
# what is not installed if it is told where that would be.
check_LTLIBRARIES = tests/librte_net_fakevdpa.la tests/librte_net_fakevf.la \
	tests/fault-flow.la
tests_librte_net_fakevdpa_la_SOURCES = tests/fake-vdpa.c
tests_librte_net_fakevdpa_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) \
	$(DPDK_DRIVER_CFLAGS)
tests_librte_net_fakevdpa_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-rpath $(abs_builddir)/tests
tests_librte_net_fakevdpa_la_LIBADD = $(DPDK_DRIVER_LIBS) $(DPDK_LIBS)
TESTSUITE_AT += tests/vdpa.at

# An Ethernet driver that is as awkward as told.
tests_librte_net_fakevf_la_SOURCES = tests/fake-vf.c
tests_librte_net_fakevf_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) \
	$(DPDK_DRIVER_CFLAGS)
tests_librte_net_fakevf_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-rpath $(abs_builddir)/tests
tests_librte_net_fakevf_la_LIBADD = $(DPDK_DRIVER_LIBS) $(DPDK_LIBS)
TESTSUITE_AT += tests/relay-vf.at

# A NIC whose rules go wrong when told to.
tests_fault_flow_la_SOURCES = tests/fault-flow.c
tests_fault_flow_la_CPPFLAGS = $(AM_CPPFLAGS) -D_GNU_SOURCE
tests_fault_flow_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_fault_flow_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-rpath $(abs_builddir)/tests
tests_fault_flow_la_LIBADD = -ldl
EXTRA_DIST += tests/udp_frames.py

# vDPA devices, between guests.
TESTSUITE_AT += tests/nicsim-vdpa-driver.at
check_PROGRAMS += tests/nicsim-vdpa-host
tests_nicsim_vdpa_host_SOURCES = tests/nicsim-vdpa-host.c
tests_nicsim_vdpa_host_CPPFLAGS = $(AM_CPPFLAGS) -DALLOW_EXPERIMENTAL_API
tests_nicsim_vdpa_host_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
tests_nicsim_vdpa_host_LDADD = $(DPDK_LIBS)
