# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

# Open vSwitch's own ovs-vswitchd, linked once more from its objects with the
# plugin.  How that attaches stands in seams.c.
pkglibexec_PROGRAMS += vswitchd/ovs-vswitchd
vswitchd_ovs_vswitchd_SOURCES = vswitchd/seams.c
vswitchd_ovs_vswitchd_CPPFLAGS = $(DPDKVDPA_CPPFLAGS)
vswitchd_ovs_vswitchd_CFLAGS = $(DPDKVDPA_CFLAGS)
vswitchd_ovs_vswitchd_LDFLAGS = $(AM_LDFLAGS) -fno-lto \
	$(OVS_VSWITCHD_LDFLAGS) \
	-Wl,--wrap=dpdk_init \
	-Wl,--wrap=netdev_register_provider \
	-Wl,--wrap=unixctl_command_register \
	-Wl,--wrap=netdev_dpdk_register \
	-Wl,--wrap=netdev_register_flow_api_provider \
	-Wl,--wrap=dp_netdev_input \
	-Wl,--wrap=parse_tcp_flags \
	-Wl,--wrap=dp_netdev_impl_set_default_by_name \
	-Wl,--wrap=dp_netdev_input_outer_avx512 \
	-Wl,--wrap=odp_flow_key_hash \
	-Wl,--wrap=ds_put_cstr \
	-Wl,--wrap=udpif_revalidate \
	-Wl,--wrap=dpif_port_add \
	-Wl,--wrap=dpif_port_del \
	-Wl,--wrap=dpif_meter_set \
	-Wl,--wrap=dpif_meter_get \
	-Wl,--wrap=dpif_meter_del \
	-Wl,--wrap=dpif_register_upcall_cb \
	-Wl,--wrap=netdev_reconfigure \
	-Wl,--wrap=netdev_turn_flags_on \
	-Wl,--wrap=netdev_turn_flags_off \
	-Wl,--wrap=netdev_set_policing \
	-Wl,--wrap=netdev_set_qos \
	-Wl,--wrap=netdev_get_stats \
	-Wl,--wrap=xnanosleep_no_quiesce \
	-Wl,--export-dynamic-symbol=sigaction \
	-Wl,-Map=vswitchd/ovs-vswitchd.map -Wl,--cref
vswitchd_ovs_vswitchd_LDADD = \
	$(OVS_VSWITCHD_OBJS) lib/libdpdkvdpa.la $(OVS_LIBADD) \
	$(OVS_LIBS) $(DPDK_LIBS)

# Each seam with the object of Open vSwitch that has to reach it.
SEAMS = \
	dpdk_init:bridge.o \
	netdev_register_provider:netdev-dpdk.o \
	unixctl_command_register:netdev-dpdk.o \
	netdev_dpdk_register:dpdk.o \
	netdev_register_flow_api_provider:dpdk.o \
	dp_netdev_input:dpif-netdev-private-dpif.o \
	parse_tcp_flags:dpif-netdev.o \
	dp_netdev_impl_set_default_by_name:dpif-netdev.o \
	dp_netdev_input_outer_avx512:dpif-netdev-private-dpif.o \
	odp_flow_key_hash:dpif-netdev.o \
	ds_put_cstr:dpif-netdev.o \
	udpif_revalidate:libofproto_la-ofproto-dpif.o \
	dpif_port_add:libofproto_la-ofproto-dpif.o \
	dpif_port_del:libofproto_la-ofproto-dpif.o \
	dpif_meter_set:libofproto_la-ofproto-dpif.o \
	dpif_meter_get:libofproto_la-ofproto-dpif.o \
	dpif_meter_del:libofproto_la-ofproto-dpif.o \
	dpif_register_upcall_cb:libofproto_la-ofproto-dpif-upcall.o \
	netdev_reconfigure:dpif-netdev.o \
	netdev_turn_flags_on:libofproto_la-ofproto.o \
	netdev_turn_flags_off:libofproto_la-ofproto.o \
	netdev_set_policing:bridge.o \
	netdev_set_qos:bridge.o \
	netdev_get_stats:bridge.o \
	netdev_get_stats:libofproto_la-ofproto-dpif.o \
	xnanosleep_no_quiesce:dpif-netdev.o \
	=sigaction:librte_eal.so

ALL_LOCAL += vswitchd/seams-checked
vswitchd/seams-checked: vswitchd/ovs-vswitchd$(EXEEXT) vswitchd/check-seams
	$(AM_V_at)$(SHELL) $(srcdir)/vswitchd/check-seams \
		vswitchd/ovs-vswitchd.map $(SEAMS)
	$(AM_V_at)touch $@

EXTRA_DIST += vswitchd/check-seams
CLEANFILES += vswitchd/ovs-vswitchd.map vswitchd/seams-checked
