# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a kernel keeps its data: symbols, types (BTF), structure layouts. Uses only the standard library."""
