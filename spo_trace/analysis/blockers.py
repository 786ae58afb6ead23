# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blockers: unmovable pages in blocks of memory that are otherwise free or movable.

The kernel can migrate a page that is on an LRU list, a huge page of hugetlb, and a page of a driver with movable_ops
(page_is_unmovable() of mm/page_isolation.c and isolate_migratepages_block() of mm/compaction.c, read in 7.2;
has_unmovable_pages() of 6.6 has the same rules). page_owner prints the flag `lru`. It does not print whether a page is
of hugetlb or has movable_ops, but both are allocated with __GFP_MOVABLE if they can be migrated (htlb_alloc_mask(),
mm/zsmalloc.c). The same holds for pages that wait in a batch until they are put on an LRU list.

What page_owner does not tell: whether a page is pinned (a reference more than its users hold), and whether a page that
is not listed is free or reserved.
"""

from enum import StrEnum
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.aggregate_keys import check_answered
from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.known_keys import check_memory_known
from spo_trace.analysis.order import Orders, sort_rows
from spo_trace.analysis.place_keys import MEMORY_BLOCK, PAGEBLOCK
from spo_trace.analysis.places import check_known, place_pages
from spo_trace.analysis.question import Question
from spo_trace.errors import Argument, UsageError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["BLOCKER_ORDERS", "UNMOVABLE", "Blockers", "Purpose", "checked_purpose", "find_blockers"]


class Purpose(StrEnum):
    """What needs blocks without unmovable pages."""

    HUGEPAGE = "hugepage"
    CMA = "cma"
    OFFLINE = "offline"

    @property
    def place(self) -> str:
        """Return the key of the blocks."""
        return MEMORY_BLOCK if self is Purpose.OFFLINE else PAGEBLOCK


# ___GFP_MOVABLE is bit 3 (linux/gfp_types.h; linux/gfp.h up to 5.19).
UNMOVABLE = (
    'page_flag_names.str.contains("reserved", regex=False)'
    ' or (not page_flag_names.str.contains("lru", regex=False) and gfp_mask // 8 % 2 == 0)'
)

# The kernel counts only pages in blocks of this type as CMA. Offlining passes over poisoned pages.
_ONLY = {
    Purpose.CMA: 'pageblock_migratetype == "CMA"',
    Purpose.OFFLINE: 'not page_flag_names.str.contains("hwpoison", regex=False)',
}

BLOCKER_ORDERS = Orders(
    {"blocked": "blocked_bytes", "alone": "alone_bytes", "pages": "unmovable_pages", "blocks": "blocks"},
    ("alone_blocks",),
)
_AMOUNTS = ["unmovable_pages", "blocks", "blocked_bytes", "alone_blocks", "alone_bytes"]


class Blockers(NamedTuple):
    """Hold the table of blockers, and its sums: blocks count once, however many owners block them."""

    table: pd.DataFrame
    unmovable_pages: int
    blocks: int
    blocked_bytes: int


def checked_purpose(name: str) -> Purpose:
    """Return the purpose with this name; raise UsageError if there is none."""
    if name not in set(Purpose):
        what = f" must be one of {', '.join(Purpose)}, not {name!r}"
        raise UsageError((Argument("for_"), what), hint=("for example: ", Argument("for_", "hugepage")))
    return Purpose(name)


def find_blockers(snap: Snapshot, question: Question, purpose: Purpose) -> Blockers:
    """Return what blocks most memory with the fewest pages, first.

    Columns: the keys and key_known, unmovable_pages (base pages in blocks that have others, too), blocks (those with at
    least one of these pages), blocked_bytes (what these blocks have besides unmovable pages: movable, free or not
    listed), alone_blocks and alone_bytes (of blocks in which nobody else has unmovable pages). Blocks are pageblocks,
    or memory blocks for offline. A block counts for each owner that has unmovable pages in it: only unmovable_pages can
    be summed. The question's condition selects among the unmovable pages.

    Raise SpoTraceError if the size of a block or the owners of memory are unknown.
    """
    check_memory_known(snap)
    check_answered(snap, question, "pfn")
    check_known(snap, [purpose.place])
    unmovable = " and ".join(f"({text})" for text in (UNMOVABLE, _ONLY.get(purpose)) if text)
    blocks = _blocks(snap, unmovable, purpose)
    condition = question.condition.text
    where = unmovable if condition is None else f"{unmovable} and ({condition})"
    keys = list(dict.fromkeys([purpose.place, *question.keys]))
    parts = attribute(snap, Question.of(keys, where))
    parts = parts[parts["mem_pages"] > 0].merge(blocks, on=purpose.place)
    found = blocks[blocks[purpose.place].isin(parts[purpose.place])]
    sums = int(parts["mem_pages"].sum()), len(found), int(found["rest_bytes"].sum())
    return Blockers(_by_owner(parts, question), *sums)


# One row for each block with unmovable pages and others: their number, and the bytes of the rest.
def _blocks(snap: Snapshot, unmovable: str, purpose: Purpose) -> pd.DataFrame:
    pages = place_pages(snap, purpose.place)
    assert pages is not None
    table = attribute(snap, Question.of(purpose.place, unmovable))[[purpose.place, "mem_pages"]].dropna()
    first = table[purpose.place] * pages
    zones = [zone for zone in snap.meta.machine.zoneinfo if zone["spanned"]]
    # The first and the last block of a machine may be incomplete.
    if zones:
        begin = first.clip(lower=min(zone["start_pfn"] for zone in zones))
        end = (first + pages).clip(upper=max(zone["start_pfn"] + zone["spanned"] for zone in zones))
    else:
        begin, end = first, first + pages
    rest = (end - begin - table["mem_pages"]) * snap.page_size
    blocks = table.rename(columns={"mem_pages": "all_pages"}).assign(rest_bytes=rest)
    return blocks[rest > 0]


def _by_owner(parts: pd.DataFrame, question: Question) -> pd.DataFrame:
    owners = owner_columns(question.keys)
    alone = parts["mem_pages"] == parts["all_pages"]
    amounts = pd.DataFrame(
        {
            "unmovable_pages": parts["mem_pages"],
            "blocks": 1,
            "blocked_bytes": parts["rest_bytes"],
            "alone_blocks": alone.astype("int64"),
            "alone_bytes": parts["rest_bytes"].where(alone, 0),
        }
    ).astype("int64")
    if not owners:
        return amounts.sum().to_frame().T
    table = pd.concat([parts[owners], amounts], axis=1)
    table = table.groupby(owners, dropna=False, sort=False, observed=True)[_AMOUNTS].sum().reset_index()
    order = ["blocked_bytes", "unmovable_pages", *owners]
    table = table.sort_values(order, ascending=[False, *[True] * (len(order) - 1)], ignore_index=True)
    return table if question.sort in (None, "blocked_bytes") else sort_rows(table, question.sort, question.keys)
