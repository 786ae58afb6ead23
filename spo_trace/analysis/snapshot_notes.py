# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on one snapshot: missing input, its total, and what its amounts leave out or count twice."""

from collections.abc import Iterator, Mapping, Sequence

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.compressed_swap import compressed_swap
from spo_trace.analysis.keys import key_of
from spo_trace.analysis.known_keys import AMOUNT_OF, unknown_keys, unselected
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.placeholder_stacks import placeholder_pages
from spo_trace.analysis.places import why_unknown
from spo_trace.analysis.question import Question
from spo_trace.analysis.shared_names import shared_name_notes
from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.errors import spelled
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.reporters.format import counted, format_share, format_size
from spo_trace.snapshots.method import Method
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.placeholders import Placeholder

__all__ = [
    "NOTED_COLUMNS",
    "TITLES",
    "input_notes",
    "key_notes",
    "key_unknown_note",
    "not_compared_notes",
    "placeholder_notes",
    "snapshot_notes",
    "swap_cache_note",
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


def snapshot_notes(snap: Snapshot, question: Question, total: Mapping[str, int | None]) -> list[Note]:
    """Return notes on how to read the answer to a question; `total`: its sums, from `analysis.totals`."""
    notes = [*placeholder_notes(snap), *key_notes(snap, question), *shared_name_notes(snap, question.keys)]
    notes += [*not_compared_notes(snap), *_kernel_counts_notes(snap)]
    if swap := swap_note(snap):
        notes.append(Note(NoteCode.SWAP_UNKNOWN, swap))
    if "mem" in snap.meta.unknown_amounts:
        text = "Not included: memory, whose owners are unknown (there is no page_owner)"
        notes.append(Note(NoteCode.MEMORY_UNKNOWN, text))
    elif total["mem_bytes"] is not None and total["swap_bytes"] is not None:
        notes += swap_cache_note({"": (snap, total["swap_cache_bytes"])})
        notes += _compressed_notes(snap, question)
    return notes


def not_compared_notes(snap: Snapshot) -> Iterator[Note]:
    """Yield a note if the owners were read from memory that was not compared with the kernel's own text."""
    meta = snap.meta
    if meta.method is Method.MEMORY and meta.compared is None:
        text = f"The owners are from kernel memory, which was not compared with page_owner ({meta.method_why})"
        yield Note(NoteCode.NOT_COMPARED, text)


# See counts_lack_stacks() (sampling/method.py).
def _kernel_counts_notes(snap: Snapshot) -> Iterator[Note]:
    if snap.meta.aggregate in (AggregateKind.SHOW_STACKS, AggregateKind.SHOW_HANDLES):
        text = "The kernel's counts lack most slab since Linux 6.17.6, and include swap with page_owner=on,swap"
        yield Note(NoteCode.KERNEL_COUNTS, text)


_RECORDS = {"pages": "memory", "swap": "swap"}
_ROWS = {"pages": "records", "swap": "entries"}


def key_notes(snap: Snapshot, question: Question, side: str = "") -> Iterator[Note]:
    """Yield notes on keys of the question that are unknown for memory or for swap; `side`: A or B, if there are two."""
    prefix = f"{side}: " if side else ""
    left_out = unselected(snap, question.condition)
    for table, keys in left_out:
        text = f"{prefix}{_RECORDS[table]} is not selected: its {_ROWS[table]} have no {' and no '.join(keys)}"
        yield Note(NoteCode.NOT_SELECTED, text[:1].upper() + text[1:])
    for table, amount in AMOUNT_OF.items():
        if amount in snap.meta.unknown_amounts or table in {one.table for one in left_out}:
            continue
        keys = unknown_keys(snap, table, question.keys)
        sizes = [key for key in keys if key_of(key).of_place and table == "pages"]
        for key in sizes:
            text = f"{prefix}The size of a {key.replace('_', ' ')} is unknown: {why_unknown(key)}"
            yield Note(NoteCode.KEY_UNKNOWN, text)
        if others := [key for key in keys if key not in sizes]:
            yield key_unknown_note(table, others, prefix)


def key_unknown_note(table: str, keys: Sequence[str], prefix: str = "") -> Note:
    """Return a note on keys that are unknown for all records of `table` (`pages` or `swap`)."""
    text = f"{prefix}{_ROWS[table]} of {_RECORDS[table]} have no {' and no '.join(keys)}: they are in the row ?"
    return Note(NoteCode.KEY_UNKNOWN, text[:1].upper() + text[1:])


def _compressed_notes(snap: Snapshot, question: Question) -> Iterator[Note]:
    for compressor, pages in compressed_swap(snap, question).items():
        size = format_size(pages * snap.page_size)
        text = f"{size} of memory hold swap that {compressor} compressed: it counts as swap of its owners, too"
        yield Note(NoteCode.COMPRESSED_SWAP, text)


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


def total_note(total: Mapping[str, int | None], snap: Snapshot) -> Note:
    """Return the totals of a report on `snap` (`total`: from `analysis.totals`) as a sentence."""
    amounts = {title: total[f"{name}_bytes"] for name, title in TITLES.items()}
    known = [f"{format_size(size)} in {title}" for title, size in amounts.items() if size is not None]
    unknown = [f"the owners of {TITLES[name]} are unknown" for name in snap.meta.unknown_amounts]
    return Note(NoteCode.TOTAL, "; ".join([f"Total: {', '.join(known)}", *unknown]))


def swap_cache_note(sides: Mapping[str, tuple[Snapshot, int | None]]) -> Iterator[Note]:
    """Yield a note on the pages in the swap cache, if there are any.

    `sides`: the snapshot and the bytes in the swap cache of each side (A and B), or of the side "". If the bytes are
    unknown (None), SwapCached of /proc/meminfo is an upper bound.
    """
    unknown = any(cached is None for _, cached in sides.values())
    limits = {side: snap.meta.machine.meminfo.get("SwapCached", 0) for side, (snap, _) in sides.items()}
    found = limits if unknown else {side: cached or 0 for side, (_, cached) in sides.items()}
    if not any(found.values()):
        return
    sizes = ", ".join(f"{format_size(size)}{f' in {side}' if side else ''}" for side, size in found.items())
    text = f"In the swap cache (both in memory and in swap), counted once in the total: {sizes}"
    if unknown:
        text = f"Without page flags, pages in the swap cache count twice, in memory and in swap: at most {sizes}"
    yield Note(NoteCode.SWAP_CACHE, text)


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
