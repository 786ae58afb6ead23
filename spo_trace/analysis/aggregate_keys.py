# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an aggregate can be asked about: the keys that it contains."""

from spo_trace.analysis.keys import COUNTED_APART, SITE, Absent, Key, key_of
from spo_trace.analysis.question import Question
from spo_trace.analysis.reclaimable import RECLAIMABLE
from spo_trace.errors import Argument, SpoTraceError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["aggregate_has", "check_answered", "usual_key"]

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
    raise SpoTraceError(
        f"{snap.path.name.removesuffix('.spo')} has no {' and no '.join(lacking)}: it is {kind.shown}", hint=hint
    )


def usual_key(snap: Snapshot) -> str:
    """Return the key to show a snapshot by if nothing else is asked: comm, or the first that an aggregate has.

    Without owners, it is the site.
    """
    if snap.meta.aggregate is None:
        return "comm" if snap.meta.has_owners else SITE
    return next((name for name in _SUGGESTED if aggregate_has(snap, key_of(name))), "comm")


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
