# SPDX-License-Identifier: LGPL-2.1-or-later
"""Be spo-trace, with room for one page that came back from swap."""

from spo_trace.cli import main
from spo_trace.probes import session
from spo_trace.probes.capacity import Capacity

session.room = lambda max_entries: Capacity(entries=1 << 16, restored=1, swap_pages=1 << 16)
main()
