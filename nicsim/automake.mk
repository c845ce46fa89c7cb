# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

NICSIM_CPPFLAGS = -I $(top_srcdir) -I $(top_srcdir)/guest -D_GNU_SOURCE \
	-DVERSION=\"$(VERSION)\"

dist_man_MANS += nicsim/nicsimd.8 nicsim/nicsimctl.8

# The device.
sbin_PROGRAMS += nicsim/nicsimd
nicsim_nicsimd_SOURCES = \
	nicsim/bytes.h \
	nicsim/hw.h \
	nicsim/rule-format.c \
	nicsim/rule-format.h \
	nicsim/vdpa-format.c \
	nicsim/vdpa-format.h \
	nicsim/device/checksum.c \
	nicsim/device/checksum.h \
	nicsim/device/coalesce.c \
	nicsim/device/coalesce.h \
	nicsim/device/ctl.c \
	nicsim/device/ctl.h \
	nicsim/device/dma.c \
	nicsim/device/dma.h \
	nicsim/device/edit.c \
	nicsim/device/edit.h \
	nicsim/device/function.c \
	nicsim/device/function.h \
	nicsim/device/host.c \
	nicsim/device/host.h \
	nicsim/device/log.c \
	nicsim/device/log.h \
	nicsim/device/main.c \
	nicsim/device/meter.c \
	nicsim/device/meter.h \
	nicsim/device/nic.h \
	nicsim/device/options.c \
	nicsim/device/options.h \
	nicsim/device/outbox.c \
	nicsim/device/outbox.h \
	nicsim/device/packet.h \
	nicsim/device/parser.c \
	nicsim/device/parser.h \
	nicsim/device/pipeline.c \
	nicsim/device/pipeline.h \
	nicsim/device/rss.c \
	nicsim/device/rss.h \
	nicsim/device/rule-check.c \
	nicsim/device/rule-check.h \
	nicsim/device/rule-table.c \
	nicsim/device/rule-table.h \
	nicsim/device/rx.c \
	nicsim/device/rx.h \
	nicsim/device/segment.c \
	nicsim/device/segment.h \
	nicsim/device/trouble.c \
	nicsim/device/trouble.h \
	nicsim/device/tx.c \
	nicsim/device/tx.h \
	nicsim/device/util.h \
	nicsim/device/vdpa-rx.c \
	nicsim/device/vdpa-tx.c \
	nicsim/device/vdpa.c \
	nicsim/device/vdpa.h \
	nicsim/device/virtq-packed.c \
	nicsim/device/virtq-split.c \
	nicsim/device/virtq.c \
	nicsim/device/virtq.h \
	nicsim/device/vnet.c \
	nicsim/device/vnet.h \
	nicsim/device/wire.c \
	nicsim/device/wire.h
nicsim_nicsimd_CPPFLAGS = $(AM_CPPFLAGS) $(NICSIM_CPPFLAGS)
nicsim_nicsimd_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
nicsim_nicsimd_LDADD = guest/libguest.la $(DPDK_LIBS)

# Its tool.
sbin_PROGRAMS += nicsim/nicsimctl
nicsim_nicsimctl_SOURCES = \
	nicsim/bytes.h \
	nicsim/hw.h \
	nicsim/nicsimctl.c \
	nicsim/rule-format.c \
	nicsim/rule-format.h \
	nicsim/vdpa-format.c \
	nicsim/vdpa-format.h
nicsim_nicsimctl_CPPFLAGS = $(AM_CPPFLAGS) $(NICSIM_CPPFLAGS)
nicsim_nicsimctl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
nicsim_nicsimctl_LDADD = $(JANSSON_LIBS)

# The driver, for "-d".  DPDK wants the names of its own drivers.
pkglib_LTLIBRARIES += nicsim/librte_net_nicsim.la
nicsim_librte_net_nicsim_la_SOURCES = \
	nicsim/bytes.h \
	nicsim/hw.h \
	nicsim/driver/nicsim-ethdev.c \
	nicsim/driver/nicsim-ethdev.h \
	nicsim/driver/nicsim-flow-action.c \
	nicsim/driver/nicsim-flow-action.h \
	nicsim/driver/nicsim-flow-encap.c \
	nicsim/driver/nicsim-flow-item.c \
	nicsim/driver/nicsim-flow-modify.c \
	nicsim/driver/nicsim-flow-pattern.c \
	nicsim/driver/nicsim-flow-pattern.h \
	nicsim/driver/nicsim-flow-trait.c \
	nicsim/driver/nicsim-flow-trait.h \
	nicsim/driver/nicsim-flow-tunnel.c \
	nicsim/driver/nicsim-flow.c \
	nicsim/driver/nicsim-flow.h \
	nicsim/driver/nicsim-host.c \
	nicsim/driver/nicsim-host.h \
	nicsim/driver/nicsim-log.h \
	nicsim/driver/nicsim-mem.c \
	nicsim/driver/nicsim-mem.h \
	nicsim/driver/nicsim-mtr.c \
	nicsim/driver/nicsim-mtr.h \
	nicsim/driver/nicsim-personality.c \
	nicsim/driver/nicsim-personality.h \
	nicsim/driver/nicsim-port.c \
	nicsim/driver/nicsim-port.h \
	nicsim/driver/nicsim-probe.c \
	nicsim/driver/nicsim-queue.c \
	nicsim/driver/nicsim-rxtx.c \
	nicsim/driver/nicsim-rxtx.h \
	nicsim/driver/nicsim-stats.c \
	nicsim/driver/nicsim-stats.h \
	nicsim/driver/nicsim-util.h \
	nicsim/driver/nicsim-vdpa-guest.c \
	nicsim/driver/nicsim-vdpa-guest.h \
	nicsim/driver/nicsim-vdpa-log.c \
	nicsim/driver/nicsim-vdpa-log.h \
	nicsim/driver/nicsim-vdpa-stats.c \
	nicsim/driver/nicsim-vdpa-stats.h \
	nicsim/driver/nicsim-vdpa.c \
	nicsim/driver/nicsim-vdpa.h
nicsim_librte_net_nicsim_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-I $(top_srcdir)/nicsim -D_GNU_SOURCE \
	-DNICSIM_NO_MLX5_DV='"$(NO_MLX5_DV)"'
nicsim_librte_net_nicsim_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) \
	$(DPDK_DRIVER_CFLAGS)
nicsim_librte_net_nicsim_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version
nicsim_librte_net_nicsim_la_LIBADD = $(DPDK_DRIVER_LIBS) $(DPDK_LIBS)

# A personality of the driver, which finds it beside itself.  It is linked
# with the archives of DPDK's mlx5 driver; nothing of them is seen outside.
EXTRA_DIST += \
	nicsim/personality/mlx5-autoconf \
	nicsim/personality/mlx5-dv.map
if HAVE_MLX5_DV
pkglib_LTLIBRARIES += nicsim/nicsim-mlx5-dv.la
endif
nicsim_nicsim_mlx5_dv_la_SOURCES = \
	nicsim/driver/nicsim-personality.h \
	nicsim/personality/mlx5-dv.c \
	nicsim/personality/mlx5-fake.c \
	nicsim/personality/mlx5-fake.h \
	nicsim/personality/mlx5-layout.c \
	nicsim/personality/mlx5-order.c \
	nicsim/personality/mlx5-order.h \
	nicsim/personality/mlx5-world.c
nodist_nicsim_nicsim_mlx5_dv_la_SOURCES = \
	nicsim/personality/mlx5_autoconf.h
nicsim_nicsim_mlx5_dv_la_CPPFLAGS = $(AM_CPPFLAGS) $(NICSIM_CPPFLAGS) \
	-isystem $(top_builddir)/nicsim/personality
nicsim_nicsim_mlx5_dv_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS) \
	$(DPDK_DRIVER_CFLAGS) $(MLX5_DV_CFLAGS)
nicsim_nicsim_mlx5_dv_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version \
	-shrext .so \
	-Wl,--version-script=$(top_srcdir)/nicsim/personality/mlx5-dv.map
nicsim_nicsim_mlx5_dv_la_LIBADD = $(MLX5_DV_ARCHIVES:%=-Wl,%) $(DPDK_LIBS)
nicsim_nicsim_mlx5_dv_la_DEPENDENCIES = \
	nicsim/personality/mlx5-dv.map $(MLX5_DV_ARCHIVES)
# Its objects are compiled for nobody else, so they may wait for this.
$(nicsim_nicsim_mlx5_dv_la_OBJECTS): nicsim/personality/mlx5_autoconf.h
CLEANFILES += nicsim/personality/mlx5_autoconf.h
nicsim/personality/mlx5_autoconf.h: nicsim/personality/mlx5-autoconf \
    $(DPDK_HEADERS)/drivers/common/mlx5/linux/meson.build
	$(AM_V_GEN)$(MKDIR_P) nicsim/personality && \
	$(PYTHON3) $(top_srcdir)/nicsim/personality/mlx5-autoconf \
	  $(DPDK_HEADERS)/drivers/common/mlx5/linux/meson.build $(CC) \
	  > $@.tmp && mv $@.tmp $@
