# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors

dist_doc_DATA += \
	Documentation/design.md \
	Documentation/dpdkvdpa-port.md \
	Documentation/nicsim.md \
	Documentation/offload.md \
	Documentation/performance.md \
	Documentation/real-nics.md \
	Documentation/testing.md \
	Documentation/threat-model.md \
	Documentation/vdpa.md

dist_man_MANS += Documentation/dpdkvdpa-port.5
