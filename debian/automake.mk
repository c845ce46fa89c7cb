# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

EXTRA_DIST += \
	debian/changelog \
	debian/control \
	debian/copyright \
	debian/ovs-dpdkvdpa-nicsim.install \
	debian/ovs-dpdkvdpa.README.Debian \
	debian/ovs-dpdkvdpa.docs \
	debian/ovs-dpdkvdpa.install \
	debian/ovs-dpdkvdpa.postinst \
	debian/ovs-dpdkvdpa.prerm \
	debian/rules \
	debian/source/format
