# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on blockers: the sums over all blocks, and what is left out."""

from collections.abc import Iterator

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.blockers import Blockers, Purpose
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.places import place_pages
from spo_trace.analysis.question import Question
from spo_trace.reporters.format import counted, format_size
from spo_trace.snapshots.reader import Snapshot

__all__ = ["blocker_notes"]

_BLOCK = {Purpose.HUGEPAGE: "pageblock", Purpose.CMA: "CMA pageblock", Purpose.OFFLINE: "memory block"}


def blocker_notes(snap: Snapshot, found: Blockers, purpose: Purpose) -> Iterator[Note]:
    """Yield a note on all blockers, or that there are none, and one on pages of which the block is unknown."""
    block = _BLOCK[purpose]
    size = format_size((place_pages(snap, purpose.place) or 0) * snap.page_size)
    if found.blocks:
        pages, blocks = counted(found.unmovable_pages, "unmovable page"), counted(found.blocks, block)
        text = f"Total: {pages} in {blocks} of {size}, which have {format_size(found.blocked_bytes)} besides"
        yield Note(NoteCode.BLOCKED, f"{text} (movable, free, or not listed)")
    else:
        text = f"No {block} of {size} has both unmovable pages and others"
        if purpose is Purpose.CMA and not snap.meta.machine.meminfo.get("CmaTotal", 0):
            text += ": the machine has no CMA (CmaTotal of /proc/meminfo)"
        yield Note(NoteCode.NO_BLOCKERS, text)
    unknown = attribute(snap, Question.of([], "pfn.isna() or page_flag_names.isna()"))["mem_pages"].iloc[0]
    if unknown:
        text = f"Left out: {counted(int(unknown), 'page')} without a PFN or flags, in unknown places"
        yield Note(NoteCode.NOT_PLACED, text, warning=True)
