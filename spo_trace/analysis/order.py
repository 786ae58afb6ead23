# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sort orders of a table's rows."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.keys import same_key
from spo_trace.errors import UsageError

__all__ = ["Orders", "order_of", "sort_rows"]


class Orders(NamedTuple):
    """The orders of one kind of table.

    `names`: the names that messages suggest, each with its order (usually a column). `columns`: further accepted names.
    `by_key`: keys are accepted, too.
    """

    names: Mapping[str, str]
    columns: Iterable[str] = ()
    by_key: bool = True


def order_of(sort: str, orders: Orders, keys: list[str]) -> str:
    """Return the column, key or order that `sort` names; raise UsageError if there is none."""
    if sort in orders.names:
        return orders.names[sort]
    if sort in {*orders.names.values(), *orders.columns}:
        return sort
    keys = keys if orders.by_key else []
    key = same_key(sort, keys)
    if key is None:
        choices = dict.fromkeys([*orders.names, *keys])
        raise UsageError(f"can't sort by {sort!r}", hint=f"choose one of {', '.join(choices)}")
    return key


def sort_rows(table: pd.DataFrame, column: str, keys: list[str]) -> pd.DataFrame:
    """Return `table` sorted by `column`: keys ascending, amounts largest first; equal rows keep their order."""
    return table.sort_values(column, ascending=column in keys, ignore_index=True, kind="stable")
