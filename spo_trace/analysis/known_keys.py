# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which keys a snapshot knows: decided for each key and table, because kernels differ in what they print."""

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from spo_trace import schema
from spo_trace.analysis.aggregate_keys import aggregate_has
from spo_trace.analysis.keys import COUNTED_APART, Absent, key_of
from spo_trace.analysis.places import check_known, place_pages
from spo_trace.analysis.where import Condition
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot

__all__ = [
    "AMOUNT_OF",
    "Unselected",
    "check_memory_known",
    "evidence",
    "keys_known",
    "unknown_amounts",
    "unknown_keys",
    "unselected",
]

# Table → the amount that is counted from it.
AMOUNT_OF = {"pages": "mem", "swap": "swap"}

_TITLES = {"pages": "memory", "swap": "swap"}


class Unselected(NamedTuple):
    """Hold a table (`pages` or `swap`) that a condition cannot select from, and the `keys` that are unknown there."""

    table: str
    keys: list[str]


def evidence(table: str, names: Iterable[str]) -> list[str]:
    """Return the columns of `table` that show whether the kernel prints these keys."""
    keys = [key_of(name) for name in names]
    columns = [key.printed_with if table == "pages" else key.swap for key in keys if key.printed_with]
    return [column for column in columns if column]


def unknown_keys(snap: Snapshot, table: str, names: Iterable[str]) -> list[str]:
    """Return those of the keys `names` that are unknown for all records of `table`; none if it has no records."""
    asked = [name for name in names if name not in COUNTED_APART]
    return [name for name in asked if snap.count(table) and not _is_known(snap, table, name)]


def _is_known(snap: Snapshot, table: str, name: str) -> bool:
    key = key_of(name)
    if table == "pages" and snap.meta.aggregate is not None:
        return aggregate_has(snap, key)
    if key.of_place and table == "pages" and place_pages(snap, name) is None:
        return False
    if key.of_stack:
        return name not in schema.STACKS.names or bool(snap.stacks[name].notna().any())
    if key.column(table) is None:
        return key.absent_in(table) is not Absent.UNKNOWN
    return all(snap.has_values(table, column) for column in evidence(table, [name]))


def keys_known(rows: pd.DataFrame, table: str, keys: Iterable[str], unknown: Iterable[str]) -> pd.Series:
    """Return for each row of `table` whether all keys are known, or known to be none; `unknown`: as from above."""
    known = pd.Series(True, index=rows.index)
    for name in keys:
        if name in unknown or key_of(name).absent_in(table) is not Absent.NONE:
            known &= rows[name].notna()
    return known


def unknown_amounts(snap: Snapshot, condition: Condition) -> tuple[str, ...]:
    """Return those of `mem` and `swap` that are unknown: their owners, or which of them match the condition."""
    return (*snap.meta.unknown_amounts, *(AMOUNT_OF[one.table] for one in unselected(snap, condition)))


def unselected(snap: Snapshot, condition: Condition) -> list[Unselected]:
    """Return the tables from which a condition cannot select, because it uses keys that are unknown there.

    Raise SpoTraceError if it cannot select from any table with known owners, or by a place whose size is unknown.
    """
    check_known(snap, sorted(condition.names))
    tables = [table for table, amount in AMOUNT_OF.items() if amount not in snap.meta.unknown_amounts]
    found = [Unselected(table, unknown_keys(snap, table, sorted(condition.names))) for table in tables]
    found = [one for one in found if one.keys]
    if found and len(found) == len(tables):
        names = ", ".join(dict.fromkeys(name for one in found for name in one.keys))
        what = " and ".join(_TITLES[table] for table in tables)
        raise SpoTraceError(
            f"{names} is unknown for all {what} in {snap.path.name}: nothing can be selected by it",
            hint="docs/keys.md has the kernels that print each key",
        )
    return found


def check_memory_known(snap: Snapshot) -> None:
    """Raise SpoTraceError if the owners of memory are unknown."""
    if "mem" in snap.meta.unknown_amounts:
        raise SpoTraceError("the owners of memory are unknown: there is no page_owner", hint="give a snapshot with it")
