# SPDX-License-Identifier: LGPL-2.1-or-later
"""Places in physical memory: an allocation that spans several pageblocks, blocks or ranges is split among them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.analysis.keys import key_of
from spo_trace.analysis.place_keys import MEMORY_BLOCK, PAGEBLOCK, RANGE, is_range, range_bytes
from spo_trace.analysis.row_pages import PART_PAGES
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.limits import MAX_MEMORY_BYTES, MAX_SPLIT_ROWS
from spo_trace.snapshots.reader import Snapshot

__all__ = ["ROW", "Places", "check_known", "head_places", "place_pages", "why_unknown"]

# The column with the position of the row that a row is a part of.
ROW = "row"

Numbers = npt.NDArray[np.int64]

_SOURCES = {
    PAGEBLOCK: "neither the PFN lines nor /proc/pagetypeinfo show it",
    MEMORY_BLOCK: "there is no /sys/devices/system/memory/block_size_bytes",
}


def place_pages(snap: Snapshot, name: str) -> int | None:
    """Return the base pages of a pageblock, a memory block or a range, None if its size is unknown.

    Raise UsageError for a range that is smaller than a page.
    """
    machine = snap.meta.machine
    if name == PAGEBLOCK:
        return None if machine.pageblock_order is None else 1 << machine.pageblock_order
    if name == MEMORY_BLOCK:
        return (machine.memory_block_bytes or 0) // machine.page_size or None
    pages = range_bytes(name) // machine.page_size
    if not pages:
        raise UsageError(
            f"{name} is smaller than a page, which has {machine.page_size:,} bytes",
            hint=f"give a larger size, such as {RANGE}_64M",
        )
    return pages


def check_known(snap: Snapshot, names: Iterable[str]) -> None:
    """Raise SpoTraceError, with the reason, if one of `names` is a place whose size is unknown."""
    for name in names:
        if key_of(name).of_place and place_pages(snap, name) is None:
            raise SpoTraceError(
                f"the size of a {name.replace('_', ' ')} is unknown in {snap.path.name}: {why_unknown(name)}",
                hint=f"a capture of `spo-trace snapshot` or spo-collect has it; {RANGE}_128M has a given size",
            )


def why_unknown(name: str) -> str:
    """Return why the size of a pageblock or a memory block is unknown if it is."""
    return _SOURCES[name]


class Places:
    """Split rows of pages at the boundaries of the places among the keys `names`.

    `columns`: the columns of pages that are needed. Rows that are added by splitting are limited in number, because a
    condition or a key is evaluated for each.
    """

    def __init__(self, snap: Snapshot, names: Iterable[str]) -> None:
        self._names = sorted({name for name in names if key_of(name).of_place})
        self._pages = {name: place_pages(snap, name) for name in self._names}
        self._end = MAX_MEMORY_BYTES // snap.page_size
        self._left = MAX_SPLIT_ROWS
        self.columns = ("pfn", "order") if self._names else ()

    def split(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return a row for each part of each of `rows`, with the places of the part, PART_PAGES and ROW.

        A place is missing if its size or the PFN is unknown, or if no machine can have the PFN; such a row is one part.
        Without places among the keys, `rows` are returned.
        """
        if not self._names:
            return rows
        sizes = [pages for pages in self._pages.values() if pages]
        smallest = min(sizes, default=0)
        pages = (2 ** rows["order"].astype("int64")).to_numpy(np.int64)
        first, known = _first_pages(rows["pfn"], self._end)
        begin = first // smallest if smallest else first
        number = np.where(known, (first + pages - 1) // smallest - begin + 1, 1) if smallest else np.ones_like(first)
        self._check_number(number)
        at = np.repeat(np.arange(len(rows)), number)
        part = begin[at] + np.arange(len(at)) - np.repeat(np.cumsum(number) - number, number)
        start = np.maximum(first[at], part * smallest)
        end = np.minimum(first[at] + pages[at], (part + 1) * smallest)
        whole = ~known[at] | (smallest == 0)
        parts = rows.take(at).reset_index(drop=True)
        for name in self._names:
            parts[name] = _place_of(name, start, self._pages[name], known[at])
        return parts.assign(**{PART_PAGES: np.where(whole, pages[at], end - start), ROW: at})

    def _check_number(self, number: Numbers) -> None:
        self._left -= int(number.sum()) - len(number)
        if self._left < 0:
            raise SpoTraceError(
                f"by {', '.join(self._names)}, the allocations have more than {MAX_SPLIT_ROWS:,} parts",
                hint=f"use a larger place, such as {RANGE}_1G",
            )


def head_places(rows: pd.DataFrame, snap: Snapshot, name: str) -> pd.Series:
    """Return the place of the head page of each row of pages, missing where it is unknown."""
    first, known = _first_pages(rows["pfn"], MAX_MEMORY_BYTES // snap.page_size)
    return pd.Series(_place_of(name, first, place_pages(snap, name), known), index=rows.index)


# The PFNs, and which of them a machine can have; 0 in place of the others.
def _first_pages(pfns: pd.Series, end: int) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    known: npt.NDArray[np.bool_] = (pfns < end).fillna(False).to_numpy(np.bool_)
    first = np.array(pfns.where(known, 0).astype("int64"), np.int64)
    return first, known


def _place_of(name: str, pfns: Numbers, pages: int | None, known: npt.NDArray[np.bool_]) -> pd.arrays.IntegerArray:
    if pages is None:
        return pd.arrays.IntegerArray(np.zeros_like(pfns), np.ones(len(pfns), np.bool_))
    numbers = pfns // pages
    return pd.arrays.IntegerArray(numbers * pages if is_range(name) else numbers, ~known)
