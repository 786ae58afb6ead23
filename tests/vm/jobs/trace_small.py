# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace with room for one swapped-in page."""

from spo_trace.cli import main
from spo_trace.probes import session
from spo_trace.probes.capacity import Capacity

session.map_capacity = lambda max_entries: Capacity(entries=1 << 16, restored=1, swap_pages=1 << 16)
main()
