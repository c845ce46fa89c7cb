# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

EXTRA_DIST += \
	utilities/dpdkvdpa-lib.sh \
	utilities/dpdkvdpa-setup
