# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an aggregate can be asked about: the keys that it contains."""

from dataclasses import replace

from spo_trace import schema
from spo_trace.analysis.keys import COUNTED_APART, SITE, Absent, Key, key_of
from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.question import Question
from spo_trace.analysis.reclaimable import RECLAIMABLE
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["aggregate_has", "check_answered", "has_key", "usual_key", "usual_key_notes", "with_usual_key"]

# Keys that an error suggests, if the aggregate has them.
_SUGGESTED = (
    *("comm", "event", "caller", "stack", "symbols", "callsite", "module", "category", "pid", "tgid", "memcg"),
    *("order", "gfp_flags", "allocator", "handle", "pfn"),
)

# Keys that only a handle suffices for.
_OF_HANDLE = ("stack", "symbols", "stack_hash", "symbol_hash", "stack_id")


def check_answered(snap: Snapshot, question: Question, *others: str) -> None:
    """Raise SpoTraceError if `snap` is of an aggregate that lacks a key of the question, or of its condition.

    `others`: further keys that the answer needs. A snapshot of page_owner has the row `?` in place of an answer: there,
    the key is what the kernel does not print. Sites and slab caches are counted apart from the aggregate.
    """
    kind = snap.meta.aggregate
    if kind is None:
        return
    asked = dict.fromkeys([*question.keys, *others, *sorted(question.condition.names)])
    lacking = [name for name in asked if name not in COUNTED_APART and not aggregate_has(snap, key_of(name))]
    if not lacking:
        return
    known = [name for name in _SUGGESTED if aggregate_has(snap, key_of(name))]
    hint = (Argument("by", known[0]), f": it has {', '.join(known)}") if known else "it has only totals"
    raise SpoTraceError(f"{_name(snap)} has no {' and no '.join(lacking)}: it is {kind.shown}", hint=hint)


def with_usual_key(question: Question, *snaps: Snapshot) -> Question:
    """Return the question with the usual key of all `snaps` if no keys were asked for, and its order is not one."""
    if not question.is_open or question.sort in question.keys:
        return question
    key = usual_key(*snaps)
    # A condition selects owners, and sites are counted apart from them.
    return question if key == SITE and question.condition.text is not None else replace(question, keys=[key])


def usual_key(*snaps: Snapshot) -> str:
    """Return the key to show snapshots by if nothing else is asked: comm, or the first one that all of them have.

    Without owners, it is the site.
    """
    if not all(snap.meta.has_owners for snap in snaps):
        return SITE
    return next((name for name in _SUGGESTED if all(has_key(snap, name) for snap in snaps)), "comm")


def usual_key_notes(question: Question, *snaps: Snapshot) -> list[Note]:
    """Return a note on the key that `with_usual_key` chose, if it is not comm."""
    if not question.is_open or question.keys == ["comm"]:
        return []
    (key,) = question.keys
    snap = next(snap for snap in snaps if key == SITE or not has_key(snap, "comm"))
    kind = snap.meta.aggregate
    what = f"it is {kind.shown}" if kind else "it has no owners, only what the kernel counts by site"
    return [Note(NoteCode.USUAL_KEY, f"By {key}, because {_name(snap)} has no comm: {what}")]


def _name(snap: Snapshot) -> str:
    return snap.path.name.removesuffix(".spo")


def has_key(snap: Snapshot, name: str) -> bool:
    """Return whether a snapshot has a key; a list of pages has a row `?` for what its kernel does not print."""
    key = key_of(name)
    if snap.meta.aggregate is not None:
        return aggregate_has(snap, key)
    return key.of_stack or key.pages in schema.PAGES.names


def aggregate_has(snap: Snapshot, key: Key) -> bool:
    """Return whether the snapshot of an aggregate has values of a key."""
    if key.of_place or key.name == RECLAIMABLE:
        # Rows stand for pages in many places, with different flags.
        return False
    if key.of_stack or key.name == "stack_id":
        return _has_stacks(snap, key.name)
    column = key.pages
    if column is None:
        return key.absent_in_pages is not Absent.UNKNOWN
    if column == "bytes":
        column = "base_pages"
    elif column in ("memcg_offline", "memcg_objcg", "slab"):
        # They are printed with it.
        column = "memcg"
    return snap.has_values("pages", column)


def _has_stacks(snap: Snapshot, name: str) -> bool:
    stacks = snap.stacks
    if name in ("handle", "nr_base_pages"):
        return bool(stacks[name].notna().any())
    has_frames = bool(stacks["frames"].map(len).any())
    return has_frames or (name in _OF_HANDLE and bool(stacks["handle"].notna().any()))
