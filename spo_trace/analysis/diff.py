# SPDX-License-Identifier: LGPL-2.1-or-later
"""The difference of two snapshots: which owners grew or shrank, by how much, and how fast."""

import datetime
from collections.abc import Collection, Mapping
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.attribution import PARTS, attribute, total_bytes
from spo_trace.analysis.counted_apart import amounts_apart, is_counted_apart
from spo_trace.analysis.diff_order import sort_diff
from spo_trace.analysis.kernels import same_build, same_release
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.known_keys import AMOUNT_OF, unknown_keys
from spo_trace.analysis.question import Question
from spo_trace.analysis.stack_match import Match, matched_keys, with_common_keys
from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.meta import Meta
from spo_trace.snapshots.page_size import PageSizeFrom
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Relation", "chosen_match", "compared", "diff", "relate", "sample_seconds", "seconds_between"]

_AMOUNTS = ("mem", "swap")


class Relation(NamedTuple):
    """Hold how two snapshots relate.

    `same_kernel`: of one build; None if the kernel of one is unknown. `seconds`: from the first to the second, None
    unless both are of one boot. `known`: those of `mem` and `swap` whose owners both snapshots have. `same_release`: of
    one kernel release and architecture; None if the release of one is unknown.
    """

    same_kernel: bool | None
    seconds: float | None
    known: tuple[str, ...]
    same_release: bool | None


def diff(a: Snapshot, b: Snapshot, question: Question, match: Match = Match.AUTO) -> pd.DataFrame:
    """Compare the attribution of `b` with that of `a`, largest change first.

    Columns: the keys and key_known (as in `attribute`), then mem_bytes, swap_bytes, swap_cache_bytes and total_bytes
    each as `_a`, `_b` and `_delta`, then `rate` (growth of the total in bytes per second, from the earlier to the later
    snapshot, even if `b` is the earlier one) if both are of one boot. An owner that one snapshot lacks counts as 0
    there. If one snapshot lacks the owners of swap, swap is missing (NA) in both and not part of the total; otherwise
    all swap would appear as a change. The same holds for the swap cache.

    `match`: how stacks are matched. Unless it is exact, the column `symbols` (function names) or `common` (innermost
    functions that both kernels have) replaces `stack`.

    The question's sort is one of DIFF_ORDERS or a key, by default change: max(|memory change|, |swap change|), so that
    a move from memory to swap ranks by its size. Raise UsageError for a rate that is unknown, SpoTraceError if one
    snapshot has only memory and the other one only swap.
    """
    _check_page_sizes(a, b)
    relation = relate(a, b)
    match = chosen_match(match, relation)
    is_common = match is Match.COMMON and "stack" in question.keys
    keys = question.keys if is_common else matched_keys(question.keys, match)
    amounts = [f"{name}_bytes" for name in PARTS]
    owners = owner_columns(keys)
    left, right = (attribute(snap, question.grouped_by(keys))[[*owners, *amounts]] for snap in (a, b))
    if is_common:
        left, right = with_common_keys((left, right), (a, b), owners)
        owners = owner_columns(matched_keys(keys, match))
    known = amounts_apart(keys) if is_counted_apart(keys) else _known_parts(left, right, relation)
    unknown = _unknown({"a": a, "b": b}, keys)
    table = compared(left, right, owners, known, unknown)
    if relation.seconds:
        table["rate"] = table["total_bytes_delta"] / relation.seconds
    if keys:
        # If swap is left out, rows of swap alone are empty.
        parts = [f"{name}_bytes_{side}" for name in PARTS for side in "ab"]
        table = table[table[parts].fillna(0).any(axis=1)]
    return sort_diff(table, owners, question.sort or "change")


def chosen_match(match: Match, relation: Relation) -> Match:
    """Return the match that AUTO stands for between two snapshots, and any other one as it is."""
    if match is not Match.AUTO:
        return match
    # One boot is of one build, even if the captures do not tell which.
    if relation.same_kernel or relation.seconds is not None:
        return Match.EXACT
    return Match.SYMBOLS if relation.same_release else Match.COMMON


# With a wrongly assumed page size, the same memory would differ by a constant factor.
def _check_page_sizes(a: Snapshot, b: Snapshot) -> None:
    if a.page_size == b.page_size:
        return
    assumed = [snap for snap in (a, b) if snap.meta.machine.page_size_from is PageSizeFrom.ASSUMED]
    if assumed:
        sizes = f"{a.page_size} and {b.page_size} bytes"
        raise UsageError(
            f"bytes can't be compared: the page sizes are {sizes}, and that of {assumed[0].path.name} was assumed",
            hint=("give the page size: ", Argument("page_size", "64K"), " (getconf PAGESIZE prints it on the machine)"),
        )


# The swap cache is unknown if one kernel prints no page flags, or if memory or swap is left out.
def _known_parts(left: pd.DataFrame, right: pd.DataFrame, relation: Relation) -> tuple[str, ...]:
    lacks = any((side["swap_cache_bytes"].isna() & side["mem_bytes"].notna()).any() for side in (left, right))
    both = relation.known == _AMOUNTS and not lacks
    return (*relation.known, *(("swap_cache",) if both else ()))


def compared(
    left: pd.DataFrame,
    right: pd.DataFrame,
    keys: list[str],
    known: Collection[str],
    unknown: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return the keys of two attributions, and their amounts as in `diff`.

    `known`: those of `mem`, `swap` and `swap_cache` that are compared. `unknown`: pairs of one of them and a side (a or
    b) on which the owners may be any of those that the side lacks.
    """
    joined = _outer_join(left, right, keys)
    table = joined[keys].copy()
    for name in PARTS:
        for side in "ab":
            column = f"{name}_bytes_{side}"
            table[column] = _filled(joined, name, side, unknown) if name in known else unknown_numbers(joined)
        table[f"{name}_bytes_delta"] = table[f"{name}_bytes_b"] - table[f"{name}_bytes_a"]
    for part in ("a", "b", "delta"):
        table[f"total_bytes_{part}"] = total_bytes(table, f"_{part}")
    return table


# The amounts of one side: 0 for an owner that the side lacks, missing if this owner may be part of its unknown ones.
def _filled(joined: pd.DataFrame, name: str, side: str, unknown: Collection[tuple[str, str]]) -> pd.Series:
    column = joined[f"{name}_bytes_{side}"].astype("Int64")
    absent = joined["_merge"] == {"a": "right_only", "b": "left_only"}[side]
    filled = column.mask(absent, pd.NA if (name, side) in unknown else 0)
    return filled.astype("int64") if filled.notna().all() else filled


# The amounts and sides for which a key is unknown.
def _unknown(sides: Mapping[str, Snapshot], keys: list[str]) -> set[tuple[str, str]]:
    return {
        (name, side)
        for side, snap in sides.items()
        for table, name in AMOUNT_OF.items()
        if unknown_keys(snap, table, keys)
    }


# pandas matches missing keys with each other, as needed here: "no memcg" is one owner.
def _outer_join(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if not keys:
        return left.add_suffix("_a").join(right.add_suffix("_b")).assign(_merge="both")
    as_objects = dict.fromkeys(keys, object)
    left, right = left.astype(as_objects), right.astype(as_objects)
    joined = left.merge(right, on=keys, how="outer", suffixes=("_a", "_b"), indicator=True)
    return joined.assign(**joined[keys].convert_dtypes())


def relate(a: Snapshot, b: Snapshot) -> Relation:
    """Return whether two snapshots are of one build, release and boot of the kernel, and the time between them."""
    machines = a.meta.machine, b.meta.machine
    same_kernel = same_build(*machines)
    known = tuple(name for name in _AMOUNTS if name not in (*a.meta.unknown_amounts, *b.meta.unknown_amounts))
    if not known and not (a.meta.counts_sites and b.meta.counts_sites):
        raise SpoTraceError(
            "one snapshot has only the owners of memory, the other one only those of swap",
            hint="take snapshots that have both",
        )
    seconds = seconds_between(a.meta, b.meta) if same_kernel is not False else None
    return Relation(same_kernel, seconds, known, same_release(*machines))


def seconds_between(a: Meta, b: Meta) -> float | None:
    """Return the seconds from snapshot `a` to `b`, None unless both are of one boot and have a time."""
    return _seconds(a, b) if _same_boot(a, b) else None


def sample_seconds(a: Meta, b: Meta) -> float | None:
    """Return the seconds between two samples; between aggregates, which have no times, those between their files."""
    seconds = seconds_between(a, b)
    if seconds is not None or a.modified_at is None or b.modified_at is None:
        return seconds
    times = [datetime.datetime.fromisoformat(text) for text in (a.modified_at, b.modified_at)]
    return (times[1] - times[0]).total_seconds()


# A capture made by hand may have no boot_id. Then its oldest allocation (page_owner's own first pages) identifies the
# boot: two boots do not allocate it in the same nanosecond.
def _same_boot(a: Meta, b: Meta) -> bool:
    if a.machine.boot_id and b.machine.boot_id:
        return a.machine.boot_id == b.machine.boot_id
    oldest = [meta.page_owner.oldest_ts_nsec if meta.page_owner else None for meta in (a, b)]
    return oldest[0] is not None and oldest[0] == oldest[1]


def _seconds(a: Meta, b: Meta) -> float | None:
    if a.machine.uptime_start is not None and b.machine.uptime_start is not None:
        return b.machine.uptime_start - a.machine.uptime_start
    # The reader itself allocates while it reads, so the newest allocation is the time of the capture.
    first, second = (meta.page_owner.newest_ts_nsec if meta.page_owner else None for meta in (a, b))
    return None if first is None or second is None else (second - first) / 1e9
