# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's own count for each stack (page_owner_stacks, Linux 6.9+): much smaller than a record for each page."""

from collections.abc import Iterable, Iterator

import pandas as pd

from spo_trace.analysis.stack_keys import stack_column
from spo_trace.formats.frame import parse_frames
from spo_trace.formats.page_owner_stacks import StackRecord, stack_records
from spo_trace.formats.record import RejectSink
from spo_trace.schema import KEY_KNOWN
from spo_trace.sources.source import Source
from spo_trace.stacks.meaning import meaning

__all__ = ["KernelCounts", "counts_table"]

Frames = tuple[str, ...]


class KernelCounts:
    """Read the counts of each sample; the stack of a stack depot handle never changes, so it is read once."""

    def __init__(self, reject: RejectSink) -> None:
        """Pass malformed records to `reject`, again for each sample."""
        self._frames: dict[int, Frames] = {}
        self._reject = reject

    def read(self, source: Source) -> dict[Frames, int]:
        """Return the pages of each stack of a sample; none if the kernel has no counts."""
        return self._by_handle(source) or self._by_stack(source)

    # show_handles has two short lines for each stack. The large show_stacks_handles is read only if a handle is new.
    def _by_handle(self, source: Source) -> dict[Frames, int]:
        records = self._records(source, "show_handles")
        pages = {r.handle: r.nr_base_pages for r in records if r.handle is not None and r.nr_base_pages is not None}
        if not pages.keys() <= self._frames.keys():
            text = source.open("show_stacks_handles")
            if text is None:
                return {}
            for record in stack_records(text, self._reject):
                if record.handle is not None and record.stack is not None:
                    self._frames[record.handle] = parse_frames(record.stack)
        return _added_up((self._frames.get(handle, ()), number) for handle, number in pages.items())

    def _by_stack(self, source: Source) -> dict[Frames, int]:
        records = self._records(source, "show_stacks")
        # A text that is there twice counts once, as with handles.
        pages = {r.stack: r.nr_base_pages for r in records if r.nr_base_pages is not None}
        return _added_up((parse_frames(stack or b""), number) for stack, number in pages.items())

    def _records(self, source: Source, name: str) -> Iterator[StackRecord]:
        text = source.open(name)
        return iter(()) if text is None else stack_records(text, self._reject)


def _added_up(counts: Iterable[tuple[Frames, int]]) -> dict[Frames, int]:
    pages: dict[Frames, int] = {}
    for frames, number in counts:
        pages[frames] = pages.get(frames, 0) + number
    return pages


def counts_table(counts: dict[Frames, int], keys: list[str], page_size: int) -> pd.DataFrame:
    """Return `keys` (of FRAME_KEYS) and the amounts of a sample.

    Only total_bytes is known, because the counts include swap if page_owner tracks it.
    """
    stacks = pd.DataFrame([meaning(frames) for frames in counts])
    stacks["frames"] = pd.Series(list(counts), dtype=object)
    stacks["handle"] = pd.NA
    table = pd.DataFrame({key: stack_column(stacks, key) for key in keys})
    table["total_bytes"] = pd.Series(list(counts.values()), dtype="int64") * page_size
    table = table.groupby(keys, sort=False)[["total_bytes"]].sum().reset_index() if keys else table.sum().to_frame().T
    for name in ("swap_cache_bytes", "swap_bytes", "mem_bytes"):
        table.insert(len(keys), name, pd.Series(pd.NA, index=table.index, dtype="Int64"))
    if keys:
        table.insert(len(keys), KEY_KNOWN, True)
    return table.sort_values(["total_bytes", *keys], ascending=[False, *[True] * len(keys)], ignore_index=True)
