# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on one snapshot: missing input, its total, and what its amounts leave out or count twice."""

from collections.abc import Iterator, Mapping

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.compressed_swap import Compressor, compressed_swap
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.placeholder_stacks import Placeholder, placeholder_pages
from spo_trace.analysis.question import Question
from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.errors import spelled
from spo_trace.reporters.format import counted, format_share, format_size
from spo_trace.snapshots.reader import Snapshot

__all__ = [
    "NOTED_COLUMNS",
    "TITLES",
    "input_notes",
    "placeholder_notes",
    "snapshot_notes",
    "swap_cache",
    "swap_note",
    "total_note",
]

# The columns of pages that `snapshot_notes` reads.
NOTED_COLUMNS = ("order", "stack_id")

TITLES = {"mem": "memory", "swap": "swap"}

# Every snapshot has a few pages of page_owner itself. A larger share means that the kernel takes no stack traces.
_OWN_SHARE = 0.01


def input_notes(snap: Snapshot, side: str = "") -> list[Note]:
    """Return the warnings from taking a snapshot; `side`: A or B if it is one of two."""
    prefix = f"{side}: " if side else ""
    texts = map(spelled, shortcomings(snap.meta))
    return [Note(NoteCode.INCOMPLETE_INPUT, f"{prefix}{text}", warning=True) for text in texts]


def snapshot_notes(snap: Snapshot) -> list[Note]:
    """Return notes on how to read a snapshot's amounts."""
    notes = [*placeholder_notes(snap)]
    if swap := swap_note(snap):
        notes.append(Note(NoteCode.SWAP_UNKNOWN, swap))
    if "mem" in snap.meta.unknown_amounts:
        text = "Not included: memory, whose owners are unknown (there is no page_owner)"
        notes.append(Note(NoteCode.MEMORY_UNKNOWN, text))
    elif (cached := swap_cache(snap)) and "swap" not in snap.meta.unknown_amounts:
        text = f"In the swap cache, counted both in memory and in swap: {format_size(cached)}"
        notes.append(Note(NoteCode.SWAP_CACHE, text))
    if not snap.meta.unknown_amounts:
        notes += _compressed_notes(snap)
    return notes


def _compressed_notes(snap: Snapshot) -> Iterator[Note]:
    for compressor, pages in compressed_swap(snap).items():
        size = format_size(pages * snap.page_size)
        text = f"{size} of memory hold the compressed contents of {compressor}: {_COUNTED_TWICE[compressor]}"
        yield Note(NoteCode.COMPRESSED_SWAP, text)


_COUNTED_TWICE = {
    Compressor.ZRAM: "the swap there counts a second time as memory",
    Compressor.ZSWAP: "pages of swap that count a second time as memory",
}


def placeholder_notes(snap: Snapshot, side: str = "") -> Iterator[Note]:
    """Yield a warning for pages whose owner is lost, and for an unusual number of pages without a stack trace."""
    prefix = f"{side}: " if side else ""
    pages = placeholder_pages(snap)
    if lost := pages.get(Placeholder.FAILURE):
        text = f"{prefix}The owners of {counted(lost, 'page')} ({format_size(lost * snap.page_size)}) are lost"
        why = "the kernel's stack depot was full or out of memory"
        yield Note(NoteCode.OWNERS_LOST, f"{text}: {why}", warning=True)
    if own := pages.get(Placeholder.DUMMY):
        share = own / max(int(attribute(snap, Question.of([]))[["mem_pages", "swap_pages"]].sum(axis=1).iloc[0]), 1)
        if share > _OWN_SHARE:
            text = f"{prefix}{counted(own, 'page')} ({format_share(share)}) without a stack trace"
            why = "allocated by page_owner for itself, or by a kernel that cannot take stack traces"
            yield Note(NoteCode.NO_STACK_TRACES, f"{text}: {why}", warning=True)


def total_note(total: Mapping[str, int | None]) -> Note:
    """Return the totals of a report (`total`: from `analysis.totals`) as a sentence."""
    amounts = {title: total[f"{name}_bytes"] for name, title in TITLES.items()}
    known = [f"{format_size(size)} in {title}" for title, size in amounts.items() if size is not None]
    unknown = [f"the owners of {title} are unknown" for title, size in amounts.items() if size is None]
    return Note(NoteCode.TOTAL, "; ".join([f"Total: {', '.join(known)}", *unknown]))


def swap_cache(snap: Snapshot) -> int:
    """Return the bytes in the swap cache according to /proc/meminfo, which does not identify the pages."""
    return snap.meta.machine.meminfo.get("SwapCached", 0)


def swap_note(snap: Snapshot) -> str | None:
    """Return a sentence on swap that is in use with unknown owners, None if there is none."""
    swap_owner = snap.meta.swap_owner
    if swap_owner.why:
        unknown, why = snap.meta.machine.swap_used, swap_owner.why.text
    else:
        unknown = swap_owner.unknown_pages * snap.page_size
        why = "swapped out before the probes were attached"
    if not unknown:
        return None
    return f"Not included: {format_size(unknown)} of swap with unknown owners ({why})"
