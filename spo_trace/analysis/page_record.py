# SPDX-License-Identifier: LGPL-2.1-or-later
"""The record of one page: the allocation that it is a part of, or what is known if it is not listed."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa

from spo_trace.analysis.aggregate_keys import check_answered
from spo_trace.analysis.known_keys import check_memory_known
from spo_trace.analysis.place_keys import PLACES
from spo_trace.analysis.places import place_pages
from spo_trace.analysis.question import Question
from spo_trace.analysis.records import memory_rows
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.formats.arrays import missing_of, values_of
from spo_trace.limits import MAX_INT64, MAX_MEMORY_BYTES
from spo_trace.snapshots.reader import Snapshot

__all__ = ["page_record", "parse_pfn"]

_BATCH = 1 << 16

# Columns of the flat table that say nothing about one page in memory.
_LEFT_OUT = ("where", "pfn", "in_table", "alloc_order", "swp_entry", "swap_type", "swap_offset", "origin")


def parse_pfn(text: str | int) -> int:
    """Return a PFN, which is decimal, or hexadecimal with the prefix 0x; raise UsageError for anything else."""
    try:
        pfn = int(str(text), 0)
    except ValueError:
        pfn = -1
    if not 0 <= pfn <= MAX_INT64 or isinstance(text, bool):
        raise UsageError(f"{str(text)[:60]!r} is not a PFN", hint="give a page frame number such as 0x1f400 or 128000")
    return pfn


def page_record(snap: Snapshot, pfn: int) -> pd.DataFrame:
    """Return the record of the allocation that contains a page, as one row.

    Columns: pfn, head_pfn and pages (of the allocation), pageblock and memory_block (of the page itself; NA if their
    size is unknown), then the columns of the flat table of `export` for memory. Raise SpoTraceError, with what is known
    of the page, if no record contains it, or if the snapshot has no pages.
    """
    check_answered(snap, Question.of(["pfn"]))
    check_memory_known(snap)
    for batch in snap.batches("pages", _BATCH):
        row = _row_with(batch, pfn)
        if row is not None:
            record = next(memory_rows(snap, [batch.slice(row, 1)]))
            return _described(snap, pfn, record.to_pandas(integer_object_nulls=True))
    raise _not_listed(snap, pfn)


def _row_with(batch: pa.RecordBatch, pfn: int) -> int | None:
    pfns, orders = batch.column("pfn"), values_of(batch.column("order"))
    found = np.flatnonzero(~missing_of(pfns) & (pfn - values_of(pfns) >> orders == 0))
    return int(found[0]) if len(found) else None


def _described(snap: Snapshot, pfn: int, record: pd.DataFrame) -> pd.DataFrame:
    head, order = int(record["pfn"].iloc[0]), int(record["order"].iloc[0])
    own = {"pfn": pfn, "head_pfn": head, "pages": 1 << order, **_places(snap, pfn)}
    first = pd.DataFrame({name: pd.array([value], "Int64") for name, value in own.items()})
    return pd.concat([first, record.drop(columns=[*_LEFT_OUT])], axis=1)


def _places(snap: Snapshot, pfn: int) -> dict[str, int | None]:
    sizes = {name: place_pages(snap, name) for name in PLACES}
    return {name: pages and pfn // pages for name, pages in sizes.items()}


def _not_listed(snap: Snapshot, pfn: int) -> SpoTraceError:
    known = "; ".join(_known(snap, pfn))
    return SpoTraceError(
        f"the page {pfn:#x} ({pfn}) is not listed in {snap.path.name}{': ' if known else ''}{known}",
        hint="page_owner lists no free pages, no pages that were reserved at boot, and none whose owner is lost",
    )


def _known(snap: Snapshot, pfn: int) -> Iterator[str]:
    if pfn >= MAX_MEMORY_BYTES // snap.page_size:
        yield "no machine has so much memory"
        return
    zones = snap.meta.machine.zoneinfo
    inside = [zone for zone in zones if zone["start_pfn"] <= pfn < zone["start_pfn"] + zone["spanned"]]
    for zone in inside:
        yield f"it is in zone {zone['name']} of node {zone['node']}"
    if zones and not inside:
        yield "no zone of the machine contains it"
    yield from (f"{name} {number}" for name, number in _places(snap, pfn).items() if number is not None)
    yield from _neighbours(snap, pfn)


# The last listed page before, and the first one behind.
def _neighbours(snap: Snapshot, pfn: int) -> Iterator[str]:
    before, after = -1, -1
    for rows in snap.dataframes("pages", ["pfn", "order"]):
        starts = rows["pfn"].dropna().astype("int64")
        lower, upper = starts[starts < pfn], starts[starts > pfn]
        if len(lower) and int(lower.max()) > before:
            before = int(lower.max())
        if len(upper):
            after = int(upper.min()) if after < 0 else min(after, int(upper.min()))
    if before >= 0:
        yield f"the allocation before it begins at {before:#x}"
    if after >= 0:
        yield f"the one behind it at {after:#x}"
