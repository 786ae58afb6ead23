# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cost of a live snapshot to the machine: time, memory, and its own pages in page_owner."""

import resource
from collections.abc import Mapping
from time import monotonic

import numpy as np
import pyarrow as pa

from spo_trace.collect.reading import MachineReading, cpu_seconds
from spo_trace.formats.arrays import values_of
from spo_trace.snapshots.meta import CollectionCost, FileCounts

__all__ = ["CostMeter"]

# Files that are read one after the other and compared with each other: the time between them matters.
_OWNERS = ("page_owner", "swap_page_owner", "show_stacks", "show_handles")


class CostMeter:
    """Measure what this process and its children use, from the beginning of a reading on."""

    def __init__(self, reading: MachineReading) -> None:
        self._began = reading.began
        self._cpu = reading.cpu
        self._tgids = np.array(sorted(reading.pids))
        self._pages: int | None = 0

    def see(self, pages: pa.RecordBatch) -> None:
        """Count the base pages in rows of `schema.PAGES` that these processes allocated."""
        if self._pages is None or pages.column("tgid").null_count:
            # Linux before 5.18 prints no tgid.
            self._pages = None
            return
        orders = values_of(pages.column("order"))[np.isin(values_of(pages.column("tgid")), self._tgids)]
        self._pages += int((1 << orders.astype(np.int64)).sum())

    def total(self, files: Mapping[str, FileCounts]) -> CollectionCost:
        """Return the cost so far; `files`: when each kernel file was read."""
        read = [files[name] for name in _OWNERS if name in files]
        last = max((counts.began + counts.seconds for counts in read), default=0.0)
        largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return CollectionCost(
            seconds=round(monotonic() - self._began, 3),
            cpu_seconds=round(cpu_seconds() - self._cpu, 3),
            skew_seconds=round(last - min((counts.began for counts in read), default=0.0), 3),
            max_rss=largest << 10,
            own_pages=self._pages,
        )
