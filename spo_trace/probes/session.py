# SPDX-License-Identifier: LGPL-2.1-or-later
"""One run of the probes on this machine, with the facts about its start that snapshots need."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import gmtime, strftime

from spo_trace.formats import proc
from spo_trace.probes.attach import attach, require_root
from spo_trace.probes.capacity import Capacity, capacity
from spo_trace.probes.probes import Probes
from spo_trace.probes.server import TraceServer, only_one

__all__ = ["attached", "map_capacity", "pages_used"]


def map_capacity(max_entries: int | None) -> Capacity:
    """Return the size of the maps for this machine."""
    return capacity(proc.meminfo(Path("/proc/meminfo").read_bytes()), os.sysconf("SC_PAGE_SIZE"), max_entries)


@contextmanager
def attached(
    size: Capacity, *, events: bool, show: Callable[[str], None], loader: str = "auto"
) -> Iterator[tuple[Probes, TraceServer]]:
    """Attach the probes, and serve their maps to snapshots; detach them at the end. `show`, `loader`: as of attach.

    Raise SpoTraceError, with a hint, if that is not possible.
    """
    require_root()
    zones = proc.zoneinfo(Path("/proc/zoneinfo").read_bytes())
    last_pfn = max(zone["start_pfn"] + zone["spanned"] for zone in zones)
    with (
        only_one(),
        attach(
            max_entries=size.entries,
            max_restored=size.restored,
            last_pfn=last_pfn,
            events=events,
            show=show,
            loader=loader,
        ) as probes,
    ):
        probes.facts |= {
            "pid": os.getpid(),
            "attached_at": strftime("%Y-%m-%dT%H:%M:%S+00:00", gmtime()),
            # Read after the attach, so that it includes all entries written before.
            "used_at_attach": pages_used(Path("/proc/swaps").read_bytes()),
        }
        with TraceServer(probes) as server:
            yield probes, server


def pages_used(swaps: bytes) -> int:
    """Return the number of pages in use in this machine's swap areas, by the text of /proc/swaps."""
    areas = proc.swaps(swaps)
    return sum(int(area["used"]) for area in areas) // os.sysconf("SC_PAGE_SIZE")
