# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

EXTRA_DIST += \
	rhel/dpdkvdpa.conf \
	rhel/ovs-dpdkvdpa.spec
