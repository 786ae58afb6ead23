# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages to look at: one HTML file each, whole in itself."""
