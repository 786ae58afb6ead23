# SPDX-License-Identifier: LGPL-2.1-or-later
"""Apply the rules to a snapshot, to two, or to a recording; order the findings and keep the largest."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.attribution import record_columns
from spo_trace.analysis.diff import relate
from spo_trace.analysis.question import Question
from spo_trace.errors import UsageError
from spo_trace.findings import changes, exited, kernel, large, pressure, unowned
from spo_trace.findings.candidate import Candidate, Checked, without_repetition
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import Explanation, Finding, NotChecked
from spo_trace.findings.owners import KEYS, Owners
from spo_trace.snapshots.reader import Snapshot

__all__ = ["explain", "explain_change", "explain_growth", "explained_columns"]

_Rule = Callable[[Owners], Iterator[Checked]]


class _OfMemory(NamedTuple):
    """Hold a rule on memory, what it finds, and whether it needs the frames of stacks."""

    rule: _Rule
    codes: tuple[Code, ...]
    needs_stacks: bool = False


_OF_MACHINE: Sequence[_Rule] = (pressure.memory_full, pressure.swap_full, pressure.fragmentation)
_OF_SWAP: Sequence[_Rule] = (large.swap_owner, unowned.unknown_swap)
# Rules that say more about the same memory come before the general ones.
_OF_MEMORY: Sequence[_OfMemory] = (
    _OfMemory(large.tmpfs, (Code.TMPFS,), needs_stacks=True),
    _OfMemory(unowned.swapped_in, (Code.SWAPPED_IN,), needs_stacks=True),
    _OfMemory(unowned.offline_memcg, (Code.OFFLINE_MEMCG,)),
    _OfMemory(unowned.without_owner, (Code.EARLY_BOOT, Code.LOST_STACKS, Code.NO_STACKS), needs_stacks=True),
    _OfMemory(exited.exited, (Code.EXITED,)),
    _OfMemory(kernel.page_tables, (Code.PAGE_TABLES,), needs_stacks=True),
    _OfMemory(kernel.kernel_stacks, (Code.KERNEL_STACKS,), needs_stacks=True),
    _OfMemory(large.kernel_callsite, (Code.LARGE_CALLSITE,), needs_stacks=True),
    _OfMemory(large.module, (Code.LARGE_MODULE,), needs_stacks=True),
    _OfMemory(large.process, (Code.LARGE_PROCESS,)),
    _OfMemory(large.memcg, (Code.LARGE_MEMCG,)),
    _OfMemory(kernel.unmovable, (Code.UNMOVABLE_IN_MOVABLE, Code.UNMOVABLE_IN_CMA)),
    _OfMemory(kernel.collector, (Code.COLLECTOR,)),
)

# Columns that rules read besides those of the keys.
_READ = {"pages": ("tgid", "ts_nsec", "order"), "swap": ("tgid", "ts_nsec")}


def explained_columns(table: str) -> set[str]:
    """Return the columns of `table` (`pages` or `swap`) that `explain` reads."""
    return {*record_columns(Question.of(list(KEYS)), table), *_READ[table]}


def explain(snap: Snapshot, name: str) -> Explanation:
    """Return what stands out in a snapshot, at most seven findings, largest first; `name`: of it in commands."""
    owners = Owners(snap)
    lack, skipped = Lack.MEMORY_OWNERS, tuple(_OF_MEMORY)
    if "mem" not in snap.meta.unknown_amounts:
        lack = Lack.STACKS
        skipped = () if owners.knows_stacks else tuple(one for one in _OF_MEMORY if one.needs_stacks)
    rules = [*_OF_MACHINE, *_OF_SWAP, *(one.rule for one in _OF_MEMORY if one not in skipped)]
    checked = [one for rule in rules for one in rule(owners)]
    if skipped:
        checked.append(NotChecked(lack, tuple(code for one in skipped for code in one.codes)))
    return _explanation(checked, owners, (name,))


def explain_change(a: Snapshot, b: Snapshot, names: tuple[str, str]) -> Explanation:
    """Return what grew, what moved to swap and what came back from snapshot `a` to `b`, largest first.

    Raise UsageError if `b` is the earlier one: what grew would look as if it had shrunk.
    """
    seconds = relate(a, b).seconds
    if seconds is not None and seconds < 0:
        text = f"{names[1]} was taken {-seconds:,.1f} s before {names[0]}"
        raise UsageError(text, hint=f"name the earlier snapshot first: {names[1]} {names[0]}")
    sides = changes.Sides(a, b)
    return _explanation(list(changes.changed(sides)), sides.later, names)


def explain_growth(table: pd.DataFrame, keys: Sequence[str], name: str) -> Explanation:
    """Return which owners grow steadily in a recording; `table`: of `analysis.trend`, by `keys`."""
    return _explanation(list(changes.steady(table, keys)), None, (name,))


def _explanation(checked: Iterable[Checked], owners: Owners | None, inputs: tuple[str, ...]) -> Explanation:
    checked = list(checked)
    found = [one for one in checked if isinstance(one, Candidate)]
    kept = [one.finding for one in (without_repetition(found, owners) if owners else found)]
    largest = sorted(kept, key=_rank)
    return Explanation([replace(finding, inputs=inputs) for finding in largest], _merged(checked))


def _rank(finding: Finding) -> tuple[int, int]:
    return (-finding.size, list(Code).index(finding.code))


def _merged(checked: Iterable[Checked]) -> list[NotChecked]:
    lacks: dict[str, list[NotChecked]] = {}
    for one in checked:
        if isinstance(one, NotChecked):
            lacks.setdefault(one.lack, []).append(one)
    return [NotChecked(same[0].lack, tuple(c for one in same for c in one.codes)) for same in lacks.values()]
