# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trace that ran while this machine was read, as a snapshot uses it."""

import os
from collections.abc import Iterable, Iterator

import pyarrow as pa

from spo_trace.formats.stack_table import StackTable
from spo_trace.probes.counters import COUNTERS, LOSSES
from spo_trace.probes.readings import MapReadings
from spo_trace.probes.session import pages_used
from spo_trace.probes.swap_rows import SwapRows
from spo_trace.probes.symbolizer import Symbolizer, live_symbolizer
from spo_trace.snapshots.meta import TraceFacts

__all__ = ["RunningTrace"]

_ENDED = "probes: the trace ended during the snapshot: pages swapped after that are missing"


class RunningTrace:
    """Return the rows of a trace by its maps, and facts about it."""

    def __init__(self, readings: MapReadings, stacks: StackTable) -> None:
        """Read /proc/kallsyms."""
        self._readings = readings
        symbols = live_symbolizer()
        self._rows = SwapRows(readings, symbols, stacks)
        self._slot_cache_pages = _slot_cache_pages(symbols)
        self._entries = 0

    def restore(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of page_owner; pages that came back from swap get their first owner."""
        return self._rows.restore(batches)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `schema.SWAP`."""
        for batch in self._rows.batches():
            self._entries += batch.num_rows
            yield batch

    def facts(self) -> TraceFacts:
        """Return the description of the trace that a snapshot keeps."""
        facts, counters = self._readings.facts, self._readings.counters
        missing = max(pages_used(self._readings.swaps) - self._entries, 0)
        return TraceFacts(
            attached_at=facts["attached_at"],
            used_at_attach=facts["used_at_attach"],
            unknown_pages=_unknown_pages(missing, facts["used_at_attach"], counters),
            lost_pages=counters["entries_full"],
            slot_cache_pages=self._slot_cache_pages,
            hooks=facts["hooks"],
            counters=counters,
        )

    def warnings(self) -> list[str]:
        """Return messages about what the trace lost."""
        counters = self._readings.counters
        ended = [_ENDED] if self._readings.has_ended else []
        return ended + [f"probes: {counters[name]:,} {COUNTERS[name]}" for name in LOSSES if counters[name]]


# Missing entries were in swap before the attach, or were lost because a map was full. Of those before the attach, at
# most `free_unknown` have been freed; of those lost, at most `entries_full` are still in swap. Entries that can be
# either count as lost, because a larger map avoids losses.
def _unknown_pages(missing: int, at_attach: int, counters: dict[str, int]) -> int:
    least = max(at_attach - counters["free_unknown"], missing - counters["entries_full"])
    return min(missing, at_attach, max(least, 0))


# 0ff67f990bd4, 6.15: mm/swap_slots.c is gone. It reserved up to 64 slots for each processor, which /proc/swaps counted
# as used. swapoff calls this function of it, so every kernel with the file has the symbol.
_SLOT_CACHE = "disable_swap_slots_cache_lock"


def _slot_cache_pages(symbols: Symbolizer) -> int:
    return 64 * (os.cpu_count() or 1) if symbols.knows(_SLOT_CACHE) else 0
