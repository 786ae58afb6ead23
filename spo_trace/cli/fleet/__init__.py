# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sum, compare and check the snapshots of many machines."""
