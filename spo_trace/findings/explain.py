# SPDX-License-Identifier: LGPL-2.1-or-later
"""Apply the rules to a snapshot, to two, or to a recording; order the findings and keep the largest."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

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

_OF_MACHINE: Sequence[_Rule] = (pressure.memory_full, pressure.swap_full, pressure.fragmentation)
_OF_SWAP: Sequence[_Rule] = (large.swap_owner, unowned.unknown_swap)
# Rules that say more about the same memory come before the general ones.
_OF_MEMORY: Sequence[_Rule] = (
    large.tmpfs,
    unowned.swapped_in,
    unowned.offline_memcg,
    unowned.without_owner,
    exited.exited,
    kernel.page_tables,
    kernel.kernel_stacks,
    large.kernel_callsite,
    large.module,
    large.process,
    large.memcg,
    kernel.unmovable,
    kernel.collector,
)
# Of these, the rules on stacks, and what they find.
_OF_STACKS: Sequence[_Rule] = (
    *(large.tmpfs, unowned.swapped_in, unowned.without_owner, kernel.page_tables, kernel.kernel_stacks),
    *(large.kernel_callsite, large.module),
)
_STACK_CODES = (
    *(Code.TMPFS, Code.SWAPPED_IN, Code.EARLY_BOOT, Code.LOST_STACKS, Code.NO_STACKS, Code.PAGE_TABLES),
    *(Code.KERNEL_STACKS, Code.LARGE_CALLSITE, Code.LARGE_MODULE),
)
# What the rules on memory find.
_MEMORY_CODES = (
    *(Code.TMPFS, Code.SWAPPED_IN, Code.OFFLINE_MEMCG, Code.EARLY_BOOT, Code.LOST_STACKS, Code.NO_STACKS, Code.EXITED),
    *(Code.PAGE_TABLES, Code.KERNEL_STACKS, Code.LARGE_CALLSITE, Code.LARGE_MODULE, Code.LARGE_PROCESS),
    *(Code.LARGE_MEMCG, Code.UNMOVABLE_IN_MOVABLE, Code.UNMOVABLE_IN_CMA, Code.COLLECTOR),
)

# Columns that rules read besides those of the keys.
_READ = {"pages": ("tgid", "ts_nsec", "gfp_flags", "order"), "swap": ("tgid", "ts_nsec")}


def explained_columns(table: str) -> set[str]:
    """Return the columns of `table` (`pages` or `swap`) that `explain` reads."""
    return {*record_columns(Question.of(list(KEYS)), table), *_READ[table]}


def explain(snap: Snapshot, name: str) -> Explanation:
    """Return what stands out in a snapshot, at most seven findings, largest first; `name`: of it in commands."""
    owners = Owners(snap)
    has_memory = "mem" not in snap.meta.unknown_amounts
    of_memory = [rule for rule in _OF_MEMORY if owners.knows_stacks or rule not in _OF_STACKS]
    rules = [*_OF_MACHINE, *_OF_SWAP, *(of_memory if has_memory else ())]
    checked = [one for rule in rules for one in rule(owners)]
    if not has_memory:
        checked.append(NotChecked(Lack.MEMORY_OWNERS, _MEMORY_CODES))
    elif not owners.knows_stacks:
        checked.append(NotChecked(Lack.STACKS, _STACK_CODES))
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
