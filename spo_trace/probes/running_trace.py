# SPDX-License-Identifier: LGPL-2.1-or-later
"""The trace that runs on this machine, as a snapshot uses it."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from spo_trace.errors import SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.formats.stack_table import StackTable
from spo_trace.probes.counters import COUNTERS, LOSSES
from spo_trace.probes.probes import Probes
from spo_trace.probes.server import connect
from spo_trace.probes.session import swap_pages_used
from spo_trace.probes.swap_rows import SwapRows
from spo_trace.probes.symbolizer import Symbolizer, live_symbolizer
from spo_trace.snapshots.meta import TraceFacts

__all__ = ["RunningTrace", "running_trace"]

_ENDED = "probes: the trace ended during the snapshot: pages swapped after that are missing"
_NONE = ("no trace is running", "start one: sudo spo-trace trace, and leave it running")
_NO_OWNERS = (
    "the running trace has no owners: page_owner is not on",
    "boot with page_owner=on (a kernel with CONFIG_PAGE_OWNER), and restart the trace",
)


def running_trace(mode: str, stacks: StackTable) -> "RunningTrace | None":
    """Return the trace that runs on this machine, for `--swap MODE`; None if there is none and none is required.

    Raise SpoTraceError for `bpf` if no trace runs, or if it has no owners.
    """
    if mode not in ("auto", "bpf"):
        return None
    probes = connect() if mode == "bpf" or os.geteuid() == 0 else None
    if probes is None or not probes.facts["owners"]:
        if mode == "bpf":
            why, hint = _NONE if probes is None else _NO_OWNERS
            raise SpoTraceError(f"no owners of swap from probes: {why}", hint=hint)
        return None
    return RunningTrace(probes, stacks)


class RunningTrace(Closeable):
    """Return the rows of a running trace, and facts about it."""

    def __init__(self, probes: Probes, stacks: StackTable) -> None:
        """Take ownership of `probes`, and read /proc/kallsyms."""
        self._probes = probes
        symbols = live_symbolizer()
        self._rows = SwapRows(probes, symbols, stacks)
        self._slot_cache_pages = _slot_cache_pages(symbols)
        self._entries = 0

    def close(self) -> None:
        """Disconnect from the trace, which continues."""
        self._probes.close()

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
        counters = self._probes.counters()
        at_attach = self._probes.facts["used_at_attach"]
        missing = max(swap_pages_used() - self._entries, 0)
        return TraceFacts(
            attached_at=self._probes.facts["attached_at"],
            used_at_attach=at_attach,
            unknown_pages=_unknown_pages(missing, at_attach, counters),
            lost_pages=counters["entries_full"],
            slot_cache_pages=self._slot_cache_pages,
            hooks=self._probes.facts["hooks"],
            counters=counters,
        )

    def warnings(self) -> list[str]:
        """Return messages about what the trace lost."""
        counters = self._probes.counters()
        ended = [] if _lives(self._probes.facts["pid"]) else [_ENDED]
        return ended + [f"probes: {counters[name]:,} {COUNTERS[name]}" for name in LOSSES if counters[name]]


# Missing entries were in swap before the attach, or were lost because a map was full. Of those before the attach, at
# most `free_unknown` have been freed; of those lost, at most `entries_full` are still in swap. Entries that can be
# either count as lost, because a larger map avoids losses.
def _unknown_pages(missing: int, at_attach: int, counters: dict[str, int]) -> int:
    least = max(at_attach - counters["free_unknown"], missing - counters["entries_full"])
    return min(missing, at_attach, max(least, 0))


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


# 0ff67f990bd4, 6.15: mm/swap_slots.c is gone. It reserved up to 64 slots for each processor, which /proc/swaps counted
# as used. swapoff calls this function of it, so every kernel with the file has the symbol.
_SLOT_CACHE = "disable_swap_slots_cache_lock"


def _slot_cache_pages(symbols: Symbolizer) -> int:
    return 64 * (os.cpu_count() or 1) if symbols.knows(_SLOT_CACHE) else 0
