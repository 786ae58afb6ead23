# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API for places in memory: what blocks them, and the record of one page."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from spo_trace.api.snapshot import SnapshotLike, opened

if TYPE_CHECKING:
    from spo_trace.reporters.notebook import Table

__all__ = ["blockers", "page"]


def blockers(
    snap: SnapshotLike, by: str | Iterable[str] = "stack", *, for_: str = "hugepage", where: str | None = None
) -> "Table":
    """Return which unmovable pages block the most memory: few pages in many blocks that are otherwise free or movable.

    `for_`: hugepage (all pageblocks), cma (those of CMA) or offline (memory blocks). Columns: the keys and key_known,
    unmovable_pages (base pages in these blocks), blocks (those with at least one of these pages), blocked_bytes (what
    the blocks have besides unmovable pages: movable, free or not listed), alone_blocks and alone_bytes (of blocks in
    which nobody else has unmovable pages). Only unmovable_pages can be summed, because a block counts for each owner
    that blocks it. `where` selects among the unmovable pages. docs/blockers.md explains which pages are unmovable, and
    what page_owner does not tell. Raise SpoTraceError if the size of a block is unknown.

    >>> spo.blockers("capture.tar.gz", by="category").head(1)[["category", "unmovable_pages", "blocks"]]
         category  unmovable_pages  blocks
    0  page table              111       5
    """
    from spo_trace.analysis.blockers import checked_purpose, find_blockers
    from spo_trace.analysis.question import Question
    from spo_trace.reporters.notebook import Table

    question, purpose = Question.of(by, where), checked_purpose(for_)
    return Table(find_blockers(opened(snap), question, purpose).table)


def page(snap: SnapshotLike, pfn: str | int) -> "Table":
    """Return the record of the allocation that contains a page, as one row.

    `pfn`: a number, or its text (0x… is hexadecimal). Columns: pfn, head_pfn and pages (of the allocation), pageblock
    and memory_block (of the page itself), then those of the flat table of `export`. Raise SpoTraceError, with what is
    known of the page, if it is not listed.

    >>> spo.page("now.spo", 2305)[["head_pfn", "order", "comm"]]
       head_pfn  order       comm
    0      2304      6  swapper/0
    """
    from spo_trace.analysis.page_record import page_record, parse_pfn
    from spo_trace.reporters.notebook import Table

    number = parse_pfn(pfn)
    return Table(page_record(opened(snap), number))
