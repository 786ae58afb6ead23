# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on the difference of two snapshots: how they relate, what is left out, and a summary."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from spo_trace.analysis.counted_apart import is_counted_apart
from spo_trace.analysis.diff import Relation
from spo_trace.analysis.diff_summary import Changes
from spo_trace.analysis.matched_stacks import Paged, matched_pages
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.question import Question
from spo_trace.analysis.shared_names import shared_name_notes
from spo_trace.analysis.snapshot_notes import TITLES, key_notes, swap_cache_note
from spo_trace.analysis.stack_match import STACK_COLUMNS, Match
from spo_trace.analysis.swap_least import elsewhere_note, keys_with_least
from spo_trace.reporters.format import UNKNOWN, format_share, format_size
from spo_trace.snapshots.reader import Snapshot

__all__ = ["changes_note", "matched_notes", "relation_notes"]

_LEFT_OUT = {"mem": NoteCode.MEMORY_LEFT_OUT, "swap": NoteCode.SWAP_LEFT_OUT}

_MATCHED_BY = {
    Match.EXACT: "frames with offsets",
    Match.SYMBOLS: "function names",
    Match.COMMON: "the innermost functions that both kernels have",
}

# If less than this share matches, comparing two kernels by stack is not useful.
_FEW_MATCH = 0.5


def relation_notes(
    a: Snapshot, b: Snapshot, question: Question, relation: Relation, total: Mapping[str, int | None]
) -> list[Note]:
    """Return notes on how comparable two snapshots are; `total`: the sums of their difference by the question."""
    notes = []
    if relation.same_kernel is None:
        notes.append(Note(NoteCode.KERNEL_UNKNOWN, "The kernel of one or both is unknown (no uname)"))
    elif not relation.same_kernel:
        kernels = " and ".join(f"{of.kernel_release} {of.kernel_version}" for of in (a.meta.machine, b.meta.machine))
        notes.append(Note(NoteCode.DIFFERENT_KERNELS, f"Different kernels ({kernels}): no rate"))
    if relation.seconds is not None:
        back = ", B before A: growth is shown as shrinkage" if relation.seconds < 0 else ""
        code = NoteCode.REVERSED if relation.seconds < 0 else NoteCode.ONE_BOOT
        notes.append(Note(code, f"Same boot, {abs(relation.seconds):,.1f} s apart{back}"))
    elif relation.same_kernel is not False:
        notes.append(Note(NoteCode.NOT_ONE_BOOT, "Different boots, or the boot of one is unknown: no rate"))
    if not is_counted_apart(question.keys):
        notes += _left_out(a, b, relation)
    for side, snap in (("A", a), ("B", b)):
        notes += [*key_notes(snap, question, side), *shared_name_notes(snap, question.keys, side)]
    if all(total[f"{name}_bytes_{side}"] is not None for name in TITLES for side in "ab"):
        cached = total["swap_cache_bytes_a"], total["swap_cache_bytes_b"]
        notes += swap_cache_note({"A": (a, cached[0]), "B": (b, cached[1])})
    return notes


def _left_out(a: Snapshot, b: Snapshot, relation: Relation) -> Iterator[Note]:
    for name, title in TITLES.items():
        if name not in relation.known:
            one = any(name not in snap.meta.unknown_amounts for snap in (a, b))
            used = f"; in use: {_swap_used(a)} in A, {_swap_used(b)} in B" if name == "swap" else ""
            which = "Only one snapshot has" if one else "Neither snapshot has"
            yield Note(_LEFT_OUT[name], f"{which} the owners of {title}: {title} is left out{used}")
    # The difference of two lower bounds is no bound of the change.
    for side, snap in (("A", a), ("B", b)):
        yield from elsewhere_note(keys_with_least(snap), side)


def _swap_used(snap: Snapshot) -> str:
    return format_size(snap.meta.machine.swap_used) if snap.meta.machine.swaps else "unknown"


def matched_notes(table: pd.DataFrame, a: Paged, b: Paged, *, same_kernel: bool | None) -> Iterator[Note]:
    """Yield a note on the pages whose stack is on both sides of a difference, and by what it was matched.

    It is a warning if two kernels share few.
    """
    matched = matched_pages(table, a, b)
    if matched is None:
        return
    share = matched.in_both / matched.all
    by = [match for match, column in STACK_COLUMNS.items() if column in table.columns]
    text = (
        f"{format_share(share)} of the pages ({matched.in_both:,} of {matched.all:,}) have a stack that is in both, "
        f"matched by {' and '.join(_MATCHED_BY[match] for match in by)}"
    )
    few = share < _FEW_MATCH and not same_kernel
    if few:
        better = "compare by category or comm" if by == [Match.COMMON] else "match stacks by common functions"
        text = f"Only {text}: the kernels' functions differ too much; {better}"
    yield Note(NoteCode.STACKS_MATCHED, text, warning=few)


# The columns of matched stacks, as the user asked for them.
_ASKED = {STACK_COLUMNS[match]: f"stack ({text})" for match, text in _MATCHED_BY.items() if match is not Match.EXACT}


def _asked(key: str) -> str:
    return _ASKED.get(key, key)


def changes_note(changes: Changes, keys: Sequence[str]) -> Note:
    """Return a note that summarises a difference by `keys`."""
    moved = UNKNOWN if changes.moved is None else format_size(changes.moved)
    text = f"{format_size(changes.grown)} grown, {format_size(changes.shrunk)} shrunk, {moved} moved"
    by = f" by {', '.join(map(_asked, keys))}" if keys else ""
    return Note(NoteCode.CHANGES, f"Changes{by}: {text} between memory and swap")
