# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

# What configure.ac asks about the things that this project stands on.  Every
# refusal is one sentence that says what is wrong and what to install or run.

# _DPDKVDPA_OVS_VAR(NAME, SHELL-VARIABLE)
# ---------------------------------------
# Reads variable NAME, as it stands there, from the Makefile of the Open
# vSwitch tree.  (Asking make itself could start that tree's own rebuild
# rules, and the tree is somebody else's.)
AC_DEFUN([_DPDKVDPA_OVS_VAR],
  [$2=`$SED -n 's/^$1 = *//p' "$OVS_BUILDDIR/Makefile" | $SED 1q`])

# DPDKVDPA_CACHE_DIR
# ------------------
# Where utilities/dpdkvdpa-setup keeps what it fetched and built.
AC_DEFUN([DPDKVDPA_CACHE_DIR],
  [AC_ARG_VAR([DPDKVDPA_CACHE],
     [cache directory of utilities/dpdkvdpa-setup
      (default: /var/cache/ovs-dpdkvdpa)])
   dpdkvdpa_cache=${DPDKVDPA_CACHE:-/var/cache/ovs-dpdkvdpa}])

# DPDKVDPA_CHECK_DPDK
# -------------------
# Finds libdpdk 22.11.x.  Its headers are made system headers, so that their
# warnings are not ours.
AC_DEFUN([DPDKVDPA_CHECK_DPDK],
  [AC_MSG_CHECKING([for libdpdk 22.11])
   AS_IF([$PKG_CONFIG --exists libdpdk], [],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([libdpdk was not found by pkg-config: install the package libdpdk-dev (22.11), or set PKG_CONFIG_PATH to a DPDK of your own])])
   DPDK_VERSION=`$PKG_CONFIG --modversion libdpdk`
   AC_MSG_RESULT([$DPDK_VERSION])
   AS_CASE([$DPDK_VERSION], [22.11|22.11.*], [],
     [AC_MSG_ERROR([libdpdk is version $DPDK_VERSION, but 22.11.x is needed: install the package libdpdk-dev of Debian 12, or set PKG_CONFIG_PATH to a DPDK 22.11])])
   dpdkvdpa_flags=`$PKG_CONFIG --cflags libdpdk`
   DPDK_CFLAGS=
   for dpdkvdpa_flag in $dpdkvdpa_flags; do
     AS_CASE([$dpdkvdpa_flag],
       [-I*], [dpdkvdpa_flag="-isystem `expr "X$dpdkvdpa_flag" : 'X-I\(.*\)'`"])
     DPDK_CFLAGS="$DPDK_CFLAGS $dpdkvdpa_flag"
   done
   DPDK_LIBS=`$PKG_CONFIG --libs libdpdk`
   dpdkvdpa_libdir=`$PKG_CONFIG --variable=libdir libdpdk`
   AS_CASE([" $DPDK_LIBS "], [*" -lrte_eal "*], [],
     [AC_MSG_ERROR([libdpdk has no shared libraries (pkg-config --libs libdpdk does not name -lrte_eal): install the package libdpdk-dev])])
   AC_SUBST([DPDK_VERSION])
   AC_SUBST([DPDK_CFLAGS])
   AC_SUBST([DPDK_LIBS])
   AC_SUBST([DPDK_DRIVER_LIBS], ["-L$dpdkvdpa_libdir -lrte_bus_vdev"])])

# _DPDKVDPA_OVS_ERROR(SENTENCE)
# -----------------------------
AC_DEFUN([_DPDKVDPA_OVS_ERROR],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$1])])

# DPDKVDPA_CHECK_OPENVSWITCH
# --------------------------
# Takes the built tree that --with-openvswitch names, and refuses those whose
# ovs-vswitchd could not be linked again with the plugin.
AC_DEFUN([DPDKVDPA_CHECK_OPENVSWITCH],
  [AC_ARG_WITH([openvswitch],
     [AS_HELP_STRING([--with-openvswitch=DIR],
        [built Open vSwitch 3.1.x source tree (required)])],
     [], [with_openvswitch=no])
   dpdkvdpa_setup="run utilities/dpdkvdpa-setup, which builds one in $dpdkvdpa_cache/openvswitch"
   AC_MSG_CHECKING([for a built Open vSwitch 3.1 tree])
   AS_CASE([$with_openvswitch], [no|yes|''],
     [_DPDKVDPA_OVS_ERROR([no Open vSwitch tree was given: say --with-openvswitch=DIR, with DIR a built Open vSwitch 3.1.x source tree, or $dpdkvdpa_setup])])
   AS_IF([test -d "$with_openvswitch"], [],
     [_DPDKVDPA_OVS_ERROR([$with_openvswitch is not a directory: --with-openvswitch wants a built Open vSwitch 3.1.x source tree, or $dpdkvdpa_setup])])
   OVS_BUILDDIR=`cd "$with_openvswitch" && pwd`
   AS_IF([test -f "$OVS_BUILDDIR/config.h" && test -f "$OVS_BUILDDIR/Makefile"], [],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR is not a configured Open vSwitch tree (it has no config.h and Makefile): configure it --with-dpdk=shared and build it, or $dpdkvdpa_setup])])
   OVS_VERSION=`$SED -n 's/^#define PACKAGE_VERSION "\(.*\)".*/\1/p' "$OVS_BUILDDIR/config.h"`
   AS_CASE([$OVS_VERSION], [3.1.*], [],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR is Open vSwitch ${OVS_VERSION:-of an unknown version}, but 3.1.x is needed, since the plugin attaches to that version's inner functions: install the package openvswitch-source of Debian 12 and $dpdkvdpa_setup])])
   AS_IF([$GREP '^#define DPDK_NETDEV 1' "$OVS_BUILDDIR/config.h" >/dev/null], [],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR was built without DPDK: configure it --with-dpdk=shared and build it again, or $dpdkvdpa_setup])])
   _DPDKVDPA_OVS_VAR([CC], [dpdkvdpa_ovs_cc])
   _DPDKVDPA_OVS_VAR([CFLAGS], [dpdkvdpa_ovs_cflags])
   _DPDKVDPA_OVS_VAR([CPPFLAGS], [dpdkvdpa_ovs_cppflags])
   _DPDKVDPA_OVS_VAR([LDFLAGS], [dpdkvdpa_ovs_ldflags])
   _DPDKVDPA_OVS_VAR([WARNING_FLAGS], [dpdkvdpa_ovs_warning_flags])
   _DPDKVDPA_OVS_VAR([DPDK_vswitchd_LDFLAGS], [OVS_VSWITCHD_LDFLAGS])
   _DPDKVDPA_OVS_VAR([LIBS], [OVS_LIBS])
   _DPDKVDPA_OVS_VAR([abs_top_srcdir], [OVS_SRCDIR])
   test -f "$OVS_SRCDIR/lib/netdev-provider.h" || OVS_SRCDIR=$OVS_BUILDDIR
   AS_CASE([" $dpdkvdpa_ovs_cflags $dpdkvdpa_ovs_cppflags "],
     [*" -DALLOW_EXPERIMENTAL_API "*], [],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR was built without -DALLOW_EXPERIMENTAL_API, so that its datapath can not go on with a packet that missed in the NIC: configure it with CFLAGS="-O2 -g -msse4.2 -DALLOW_EXPERIMENTAL_API" and build it again, or $dpdkvdpa_setup])])
   for dpdkvdpa_flag in $dpdkvdpa_ovs_cc $dpdkvdpa_ovs_cflags $dpdkvdpa_ovs_ldflags; do
     AS_CASE([$dpdkvdpa_flag],
       [-flto|-flto=*], [dpdkvdpa_ovs_lto=yes],
       [-fno-lto], [dpdkvdpa_ovs_lto=no])
   done
   AS_IF([test "X$dpdkvdpa_ovs_lto" = Xyes],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR was built with link-time optimization (-flto), which silently disables the linker's --wrap, by which the plugin attaches: configure it without -flto and build it again, or $dpdkvdpa_setup])])
   for dpdkvdpa_file in vswitchd/ovs-vswitchd.o vswitchd/bridge.o \
       vswitchd/system-stats.o lib/libopenvswitch.la \
       lib/.libs/libopenvswitch.a ofproto/libofproto.la \
       ofproto/.libs/libofproto.a lib/libsflow.la vswitchd/ovs-vswitchd; do
     AS_IF([test -f "$OVS_BUILDDIR/$dpdkvdpa_file"], [],
       [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR is not built, or not to its end ($dpdkvdpa_file is missing): run make there, or $dpdkvdpa_setup])])
   done
   AC_MSG_RESULT([$OVS_VERSION])

   OVS_CPPFLAGS=
   for dpdkvdpa_dir in "$OVS_BUILDDIR" "$OVS_BUILDDIR/include" \
       "$OVS_SRCDIR/include" "$OVS_BUILDDIR/lib" "$OVS_SRCDIR/lib" \
       "$OVS_SRCDIR"; do
     AS_CASE(["$OVS_CPPFLAGS "],
       [*" -isystem $dpdkvdpa_dir "*], [],
       [OVS_CPPFLAGS="$OVS_CPPFLAGS -isystem $dpdkvdpa_dir"])
   done
   OVS_CPPFLAGS="$OVS_CPPFLAGS -DALLOW_EXPERIMENTAL_API"
   OVS_VSWITCHD_OBJS="$OVS_BUILDDIR/vswitchd/bridge.o $OVS_BUILDDIR/vswitchd/ovs-vswitchd.o $OVS_BUILDDIR/vswitchd/system-stats.o"
   OVS_LIBADD="$OVS_BUILDDIR/ofproto/libofproto.la $OVS_BUILDDIR/lib/libsflow.la $OVS_BUILDDIR/lib/libopenvswitch.la"

   # Inline functions of Open vSwitch's headers (hash.h) choose their
   # algorithm by the instruction set.  Ours and theirs meet in one table, so
   # both have to be compiled for the same choice.
   AC_MSG_CHECKING([whether $CC hashes as Open vSwitch does])
   dpdkvdpa_machine=
   for dpdkvdpa_flag in $dpdkvdpa_ovs_warning_flags $dpdkvdpa_ovs_cflags; do
     AS_CASE([$dpdkvdpa_flag], [-m*],
       [dpdkvdpa_machine="$dpdkvdpa_machine $dpdkvdpa_flag"])
   done
   dpdkvdpa_save_CFLAGS=$CFLAGS
   CFLAGS="$dpdkvdpa_machine"
   AC_COMPILE_IFELSE([_DPDKVDPA_HAS_CRC32], [dpdkvdpa_ovs_crc32=yes],
                     [dpdkvdpa_ovs_crc32=no])
   CFLAGS="$DPDK_CFLAGS $dpdkvdpa_save_CFLAGS"
   AC_COMPILE_IFELSE([_DPDKVDPA_HAS_CRC32], [dpdkvdpa_our_crc32=yes],
                     [dpdkvdpa_our_crc32=no])
   CFLAGS=$dpdkvdpa_save_CFLAGS
   AS_IF([test $dpdkvdpa_ovs_crc32 = $dpdkvdpa_our_crc32], [],
     [_DPDKVDPA_OVS_ERROR([$OVS_BUILDDIR was compiled for another instruction set than libdpdk (-msse4.2: Open vSwitch $dpdkvdpa_ovs_crc32, libdpdk's flags $dpdkvdpa_our_crc32), so that the two would hash differently: configure it with CFLAGS="-O2 -g -msse4.2 -DALLOW_EXPERIMENTAL_API" and build it again, or $dpdkvdpa_setup])])
   AC_MSG_RESULT([yes])

   AC_SUBST([OVS_VERSION])
   AC_SUBST([OVS_SRCDIR])
   AC_SUBST([OVS_BUILDDIR])
   AC_SUBST([OVS_CPPFLAGS])
   AC_SUBST([OVS_LIBS])
   AC_SUBST([OVS_LIBADD])
   AC_SUBST([OVS_VSWITCHD_OBJS])
   AC_SUBST([OVS_VSWITCHD_LDFLAGS])])

AC_DEFUN([_DPDKVDPA_HAS_CRC32],
  [AC_LANG_SOURCE([[
#if !defined(__SSE4_2__) || !defined(__x86_64__)
#error no crc32 instruction
#endif
]])])

# DPDKVDPA_CHECK_DPDK_HEADERS
# ---------------------------
# Driver headers are not installed with libdpdk, and an ABI is promised for
# them by nobody: they have to be those of the very version.
AC_DEFUN([DPDKVDPA_CHECK_DPDK_HEADERS],
  [AC_ARG_WITH([dpdk-headers],
     [AS_HELP_STRING([--with-dpdk-headers=DIR],
        [DPDK source tree, of libdpdk's very version, with the driver headers
         (default: what utilities/dpdkvdpa-setup fetched)])],
     [], [with_dpdk_headers=])
   AS_CASE([$with_dpdk_headers], [no|yes],
     [AC_MSG_ERROR([--with-dpdk-headers wants a directory, the source tree of DPDK $DPDK_VERSION])],
     [''], [with_dpdk_headers=$dpdkvdpa_cache/dpdk-$DPDK_VERSION])
   AC_MSG_CHECKING([for DPDK's driver headers])
   dpdkvdpa_setup="run utilities/dpdkvdpa-setup, which fetches them, or say --with-dpdk-headers=DIR, with DIR the source tree of DPDK $DPDK_VERSION"
   for dpdkvdpa_file in VERSION lib/ethdev/ethdev_driver.h \
       lib/ethdev/ethdev_vdev.h lib/eal/include/bus_driver.h \
       lib/vhost/vdpa_driver.h drivers/bus/vdev/bus_vdev_driver.h; do
     AS_IF([test -f "$with_dpdk_headers/$dpdkvdpa_file"], [],
       [AC_MSG_RESULT([no])
        AC_MSG_ERROR([DPDK's driver headers were not found ($with_dpdk_headers/$dpdkvdpa_file is missing): $dpdkvdpa_setup])])
   done
   DPDK_HEADERS=`cd "$with_dpdk_headers" && pwd`
   dpdkvdpa_version=`cat "$DPDK_HEADERS/VERSION"`
   dpdkvdpa_version=`expr "X$dpdkvdpa_version" : 'X\(.*\)\.0$' \| "X$dpdkvdpa_version" : 'X\(.*\)'`
   dpdkvdpa_wanted=`expr "X$DPDK_VERSION" : 'X\(.*\)\.0$' \| "X$DPDK_VERSION" : 'X\(.*\)'`
   AS_IF([test "X$dpdkvdpa_version" = "X$dpdkvdpa_wanted"], [],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([the driver headers in $DPDK_HEADERS are of DPDK $dpdkvdpa_version, but libdpdk is $DPDK_VERSION: $dpdkvdpa_setup])])
   AC_MSG_RESULT([$DPDK_HEADERS])
   DPDK_DRIVER_CFLAGS="-DALLOW_INTERNAL_API -DALLOW_EXPERIMENTAL_API"
   for dpdkvdpa_dir in lib/ethdev lib/eal/include lib/vhost drivers/bus/vdev; do
     DPDK_DRIVER_CFLAGS="$DPDK_DRIVER_CFLAGS -isystem $DPDK_HEADERS/$dpdkvdpa_dir"
   done
   AC_SUBST([DPDK_HEADERS])
   AC_SUBST([DPDK_DRIVER_CFLAGS])])

# DPDKVDPA_CHECK_MLX5_DV
# ----------------------
# Finds out whether nicsim's personality mlx5-dv can be built: DPDK's mlx5
# driver as an archive, its private headers, and rdma-core's, on which they
# stand.  Without it everything else works, so that is no error unless it was
# asked for.
AC_DEFUN([DPDKVDPA_CHECK_MLX5_DV],
  [AC_ARG_WITH([mlx5-dv],
     [AS_HELP_STRING([--without-mlx5-dv],
        [do not build the personality of nicsim that asks DPDK's mlx5 driver
         (default: if it can be built)])],
     [], [with_mlx5_dv=check])
   AC_PATH_PROG([PYTHON3], [python3])
   AC_MSG_CHECKING([for DPDK's mlx5 driver to ask])
   NO_MLX5_DV=
   MLX5_DV_CFLAGS=
   for dpdkvdpa_dir in drivers/net/mlx5 drivers/net/mlx5/linux \
       drivers/net/mlx5/hws drivers/common/mlx5 drivers/common/mlx5/linux \
       drivers/bus/pci drivers/bus/auxiliary lib/eal/linux/include; do
     MLX5_DV_CFLAGS="$MLX5_DV_CFLAGS -isystem $DPDK_HEADERS/$dpdkvdpa_dir"
   done
   MLX5_DV_ARCHIVES="$dpdkvdpa_libdir/librte_net_mlx5.a $dpdkvdpa_libdir/librte_common_mlx5.a"
   dpdkvdpa_save_CPPFLAGS=$CPPFLAGS
   CPPFLAGS="$CPPFLAGS $DPDK_CFLAGS"
   AS_IF([test "X$with_mlx5_dv" = Xno],
     [NO_MLX5_DV="configure was told --without-mlx5-dv"],
     [test ! -f "$DPDK_HEADERS/drivers/net/mlx5/mlx5_flow.h" ||
      test ! -f "$DPDK_HEADERS/drivers/common/mlx5/linux/meson.build"],
     [NO_MLX5_DV="the private headers of the mlx5 driver are not in $DPDK_HEADERS (run utilities/dpdkvdpa-setup, then configure again)"],
     [test ! -f "$dpdkvdpa_libdir/librte_net_mlx5.a" ||
      test ! -f "$dpdkvdpa_libdir/librte_common_mlx5.a"],
     [NO_MLX5_DV="there is no librte_net_mlx5.a in $dpdkvdpa_libdir (Debian's package libdpdk-dev has it)"],
     [test "X$PYTHON3" = X],
     [NO_MLX5_DV="python3 was not found (install the package python3)"],
     [AC_PREPROC_IFELSE(
        [AC_LANG_SOURCE([[#include <infiniband/mlx5dv.h>]])], [],
        [NO_MLX5_DV="infiniband/mlx5dv.h was not found (install the package libibverbs-dev)"])])
   CPPFLAGS=$dpdkvdpa_save_CPPFLAGS
   AS_IF([test "X$NO_MLX5_DV" = X],
     [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no: $NO_MLX5_DV])
      AS_CASE([$with_mlx5_dv], [no|check], [],
        [AC_MSG_ERROR([the personality mlx5-dv can not be built: $NO_MLX5_DV])])])
   AM_CONDITIONAL([HAVE_MLX5_DV], [test "X$NO_MLX5_DV" = X])
   AC_SUBST([NO_MLX5_DV])
   AC_SUBST([MLX5_DV_CFLAGS])
   AC_SUBST([MLX5_DV_ARCHIVES])])

# DPDKVDPA_WARNINGS
# -----------------
AC_DEFUN([DPDKVDPA_WARNINGS],
  [AC_ARG_ENABLE([werror],
     [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
     [], [enable_werror=no])
   WARNING_CFLAGS="-Wall -Wextra"
   # clang warns of comparisons within Open vSwitch's macros, system headers
   # or not (Open vSwitch itself is built without this warning).
   AC_MSG_CHECKING([whether $CC takes Open vSwitch's macros without a warning])
   dpdkvdpa_save_CFLAGS=$CFLAGS
   CFLAGS="$OVS_CPPFLAGS $DPDK_CFLAGS $CFLAGS $WARNING_CFLAGS -Werror"
   AC_COMPILE_IFELSE([_DPDKVDPA_LOGS], [dpdkvdpa_clean=yes],
                     [dpdkvdpa_clean=no])
   CFLAGS=$dpdkvdpa_save_CFLAGS
   AC_MSG_RESULT([$dpdkvdpa_clean])
   AS_IF([test $dpdkvdpa_clean = no],
     [WARNING_CFLAGS="$WARNING_CFLAGS -Wno-sign-compare"])
   AS_IF([test "X$enable_werror" = Xyes],
     [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
   AC_SUBST([WARNING_CFLAGS])])

AC_DEFUN([_DPDKVDPA_LOGS],
  [AC_LANG_SOURCE([[
#include <config.h>
#include "openvswitch/vlog.h"
VLOG_DEFINE_THIS_MODULE(conftest);
int main(void) { VLOG_INFO("a"); return 0; }
]])])

# _DPDKVDPA_SANITIZER(NAME, FLAGS, WHAT)
# --------------------------------------
# Adds FLAGS to those of the sanitizers, or stops if they don't link.
AC_DEFUN([_DPDKVDPA_SANITIZER],
  [AC_MSG_CHECKING([whether $CC accepts -fsanitize=$1])
   dpdkvdpa_save_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS $2"
   AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$CC can not link with -fsanitize=$1: install its run-time library (for clang 14 the package libclang-rt-14-dev, for gcc 12 the package libgcc-12-dev)])])
   CFLAGS=$dpdkvdpa_save_CFLAGS
   SAN_CFLAGS="$SAN_CFLAGS $2"
   SAN_LDFLAGS="$SAN_LDFLAGS -fsanitize=$1"])

# DPDKVDPA_SANITIZERS
# -------------------
# Alignment is left out of UBSan: headers of Open vSwitch and DPDK read
# packets at any address, as x86 allows.
AC_DEFUN([DPDKVDPA_SANITIZERS],
  [AC_ARG_ENABLE([asan],
     [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])],
     [], [enable_asan=no])
   AC_ARG_ENABLE([ubsan],
     [AS_HELP_STRING([--enable-ubsan],
        [build with UndefinedBehaviorSanitizer])],
     [], [enable_ubsan=no])
   SAN_CFLAGS=
   SAN_LDFLAGS=
   AS_IF([test "X$enable_asan" = Xyes],
     [_DPDKVDPA_SANITIZER([address],
        [-fsanitize=address -fno-omit-frame-pointer])])
   AS_IF([test "X$enable_ubsan" = Xyes],
     [_DPDKVDPA_SANITIZER([undefined],
        [-fsanitize=undefined -fno-sanitize=alignment -fno-omit-frame-pointer])])
   AC_SUBST([enable_asan])
   AC_SUBST([enable_ubsan])
   AC_SUBST([SAN_CFLAGS])
   AC_SUBST([SAN_LDFLAGS])])

# DPDKVDPA_NO_LTO
# ---------------
# With -flto the linker's --wrap does nothing, without a word.  It stands at
# the end, after flags of the user's.
AC_DEFUN([DPDKVDPA_NO_LTO],
  [CFLAGS="$CFLAGS -fno-lto"])
