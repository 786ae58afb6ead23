# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rules on two snapshots and on recordings: what grew, what moved to swap, what came back."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import pandas as pd

from spo_trace.analysis.diff import diff, relate
from spo_trace.analysis.keys import SITE
from spo_trace.analysis.owner_labels import owner_labels
from spo_trace.analysis.question import Question
from spo_trace.findings.candidate import Candidate, Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import FIRST, Amount, NotChecked, Query, Side
from spo_trace.findings.large import KERNEL, NOT_KERNEL
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import LEAST_BYTES, SAME_MEMORY, Threshold
from spo_trace.findings.unowned import SWAPPED_IN
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Sides", "changed", "steady"]

_GROWTH = ("--sort", "growth", *FIRST)
_BY_COMM = Query(("comm",), side=Side.DIFF, options=FIRST)
_SWAPPED_IN = Query(("comm",), SWAPPED_IN, Side.DIFF, FIRST)
_CAME_BACK = Query(("comm",), "swapped", Side.DIFF, FIRST)
_SLAB = Query(("caller",), 'category == "slab"', Side.DIFF, _GROWTH)
_MODULES = Query(("module",), side=Side.DIFF, options=_GROWTH)
_SITES = Query((SITE,), side=Side.DIFF, options=_GROWTH)
# What the rules on slab and modules do not name.
_REST = 'category != "slab" and module == "vmlinux"'


class Sides:
    """Hold two snapshots, the earlier one first, and their differences."""

    def __init__(self, a: Snapshot, b: Snapshot) -> None:
        self.a, self.b = a, b
        self.earlier, self.later = Owners(a), Owners(b)
        relation = relate(a, b)
        self.known = relation.known
        self.two_releases = relation.same_release is False

    def diff(self, query: Query) -> pd.DataFrame:
        """Return the difference that answers a query, without owners whose key is missing."""
        table = diff(self.a, self.b, Question.of(query.by, query.where))
        # A column of matched stacks may have another name than the key.
        return table.dropna(subset=list(table.columns[: len(query.by)]))

    @cached_property
    def by_comm(self) -> pd.DataFrame:
        """Return the difference by comm."""
        return self.diff(_BY_COMM)

    def knows(self, key: str) -> bool:
        """Return whether the memory of both has a key."""
        return all(one.knows("pages", key) for one in (self.earlier, self.later))

    @property
    def knows_stacks(self) -> bool:
        """Return whether both have the frames of stacks."""
        return self.earlier.knows_stacks and self.later.knows_stacks

    @property
    def swap_used(self) -> tuple[int, int]:
        """Return the bytes of swap in use in each."""
        return self.a.meta.machine.swap_used, self.b.meta.machine.swap_used


def changed(sides: Sides) -> Iterator[Checked]:
    """Find what changed."""
    if "mem" not in sides.known:
        yield from _sites_grew(sides)
        yield NotChecked(Lack.MEMORY_OWNERS, (Code.GREW, Code.MODULE_GREW, Code.SLAB_GREW, Code.MOVED_TO_SWAP))
        return
    if sides.knows_stacks:
        yield from _grew(sides, _MODULES, Code.MODULE_GREW, exclude="vmlinux")
        yield from _grew(sides, _SLAB, Code.SLAB_GREW)
        yield from _callers_grew(sides)
    else:
        yield NotChecked(Lack.STACKS, (Code.MODULE_GREW, Code.SLAB_GREW, Code.CALLSITE_GREW))
    if not sides.knows("comm"):
        yield NotChecked(Lack.COMM, (Code.GREW, Code.MOVED_TO_SWAP, Code.CAME_BACK, Code.CHARGED_TO_ANOTHER))
        return
    others = list(_charged_to_another(sides)) if sides.knows_stacks else []
    yield from others
    yield from _processes_grew(sides, others)
    if sides.knows("swapped"):
        yield from _memory_grew(sides, _CAME_BACK, Code.CAME_BACK, {})
    if "swap" in sides.known:
        yield from _moved(sides)
    else:
        yield from _unknown_swap(sides)


def _amount(value: int, column: str, query: Query, owner: object) -> Amount:
    return Amount(int(value), column, query, (owner,))


def _grew(sides: Sides, query: Query, code: Code, exclude: str | None = None) -> Iterator[Candidate]:
    table = sides.diff(query)
    key = query.by[0]
    table = table[table[key] != exclude].sort_values("total_bytes_delta", ascending=False, kind="stable")
    for name, grown in table[[key, "total_bytes_delta"]].head(1).itertuples(index=False, name=None):
        if sides.later.is_large(int(grown), Threshold.KERNEL_GROWTH):
            numbers = {"total": _amount(grown, "total_bytes_delta", query, name)}
            yield candidate(code, int(grown), numbers, query, {"owner": name})


# Of memory of processes and files, the process says more than the function that allocates it for all of them. Between
# two releases, a function that was renamed would seem to grow: stacks are matched by what both kernels have.
def _callers_grew(sides: Sides) -> Iterator[Candidate]:
    where = f"{KERNEL} and {_REST}" if sides.knows("comm") else _REST
    query = Query(("stack" if sides.two_releases else "caller", "category"), where, Side.DIFF, _GROWTH)
    table = sides.diff(query).sort_values("total_bytes_delta", ascending=False, kind="stable")
    columns = [table.columns[0], "category", "total_bytes_delta"]
    for found, category, grown in table[columns].head(3).itertuples(index=False, name=None):
        threshold = Threshold.GROWTH if category in NOT_KERNEL else Threshold.KERNEL_GROWTH
        if sides.later.is_large(int(grown), threshold):
            numbers = {"total": Amount(int(grown), "total_bytes_delta", query, (found, category))}
            names = {"owner": found[0] if isinstance(found, tuple) else found, "category": category}
            yield candidate(Code.CALLSITE_GREW, int(grown), numbers, query, names)


def _sites_grew(sides: Sides) -> Iterator[Checked]:
    if not (sides.a.meta.counts_sites and sides.b.meta.counts_sites):
        yield NotChecked(Lack.MEMORY_OWNERS, (Code.CALLSITE_GREW,))
        return
    table = sides.diff(_SITES).sort_values("total_bytes_delta", ascending=False, kind="stable")
    for site, grown in table[[SITE, "total_bytes_delta"]].head(3).itertuples(index=False, name=None):
        if sides.later.is_large(int(grown), Threshold.GROWTH):
            numbers = {"total": _amount(grown, "total_bytes_delta", _SITES, site)}
            yield candidate(Code.CALLSITE_GREW, int(grown), numbers, _SITES, {"owner": site})


def _processes_grew(sides: Sides, others: Sequence[Candidate]) -> Iterator[Candidate]:
    came_back = {one.finding.names["owner"]: one.finding.size for one in others}
    query = Query(("comm",), side=Side.DIFF, options=_GROWTH)
    table = sides.by_comm.sort_values("total_bytes_delta", ascending=False, kind="stable")
    for comm, grown in table[["comm", "total_bytes_delta"]].head(3).itertuples(index=False, name=None):
        is_same = came_back.get(comm, 0) >= SAME_MEMORY * grown
        if sides.later.is_large(int(grown), Threshold.GROWTH) and not is_same:
            numbers = {"total": _amount(grown, "total_bytes_delta", query, comm)}
            yield candidate(Code.GREW, int(grown), numbers, query, {"owner": comm})


def _moved(sides: Sides) -> Iterator[Candidate]:
    columns = ["comm", "mem_bytes_delta", "swap_bytes_delta"]
    for comm, mem, swap in sides.by_comm[columns].dropna().itertuples(index=False, name=None):
        moved = min(-int(mem), int(swap))
        if sides.later.is_large(moved, Threshold.GROWTH):
            numbers = {
                "left": _amount(-int(mem), "mem_bytes_delta", _BY_COMM, comm),
                "swap": _amount(swap, "swap_bytes_delta", _BY_COMM, comm),
            }
            yield candidate(Code.MOVED_TO_SWAP, moved, numbers, _BY_COMM, {"owner": comm})


def _memory_grew(sides: Sides, query: Query, code: Code, further: Mapping[str, Amount]) -> Iterator[Candidate]:
    table = sides.diff(query)
    for comm, mem in table[["comm", "mem_bytes_delta"]].dropna().itertuples(index=False, name=None):
        if sides.later.is_large(int(mem), Threshold.GROWTH):
            numbers = {"mem": _amount(mem, "mem_bytes_delta", query, comm), **further}
            yield candidate(code, int(mem), numbers, query, {"owner": comm})


def _charged_to_another(sides: Sides) -> Iterator[Candidate]:
    before, after = sides.swap_used
    if before > after:
        yield from _memory_grew(sides, _SWAPPED_IN, Code.CHARGED_TO_ANOTHER, _in_use(sides))


def _unknown_swap(sides: Sides) -> Iterator[Candidate]:
    before, after = sides.swap_used
    if sides.later.is_large(after - before, Threshold.GROWTH):
        yield candidate(Code.SWAP_GREW, after - before, _in_use(sides), Query(side=Side.DIFF))


def _in_use(sides: Sides) -> dict[str, Amount]:
    before, after = sides.swap_used
    return {"before": Amount(before, "swap_used_a"), "after": Amount(after, "swap_used_b")}


def steady(table: pd.DataFrame, keys: Sequence[str]) -> Iterator[Candidate]:
    """Find owners that grow steadily; `table`: of `analysis.trend`, most certain growth first."""
    grown = table["last_bytes"] - table["first_bytes"]
    least = (Threshold.STEADY.share * table["last_bytes"]).clip(lower=LEAST_BYTES)
    found = table[(table["rate_low"] > 0) & (grown >= least)]
    query = Query(tuple(keys), side=Side.TREND, options=FIRST)
    for label, (_, row) in zip(owner_labels(found, keys), found.iterrows(), strict=True):
        owner = tuple(row[key] for key in keys)
        columns = {"first": "first_bytes", "last": "last_bytes", "rate": "rate_low"}
        numbers = {name: Amount(int(row[column]), column, query, owner) for name, column in columns.items()}
        size = numbers["last"].value - numbers["first"].value
        yield candidate(Code.STEADY_GROWTH, size, numbers, query, {"owner": label})
