# SPDX-License-Identifier: LGPL-2.1-or-later
"""The order of a difference's rows."""

import pandas as pd

from spo_trace.analysis.attribution import PARTS
from spo_trace.analysis.order import Orders, order_of
from spo_trace.analysis.stack_match import STACK_COLUMNS

__all__ = ["DIFF_ORDERS", "sort_diff"]

_NAMES = {name: name for name in ("change", "growth", "shrink", "mem", "swap", "total", "rate")}
_COLUMNS = tuple(f"{name}_bytes_{part}" for name in (*PARTS, "total") for part in ("a", "b", "delta"))

# What `sort_diff` can sort by, besides the keys.
DIFF_ORDERS = Orders(_NAMES, _COLUMNS)

_BY_SIZE = {"change": ["mem", "swap"], "mem": ["mem"], "swap": ["swap"], "total": ["total"]}


def sort_diff(table: pd.DataFrame, keys: list[str], sort: str = "change") -> pd.DataFrame:
    """Return `table` (from `diff`) in the order `sort`; raise UsageError if there is no such order.

    change: by max(|memory change|, |swap change|). growth, rate: largest growth of the total first. shrink: largest
    decrease first. mem, swap, total: by the absolute change of that amount. A key: ascending; any other column:
    largest first. Ties: largest growth of the total first, then by their keys.
    """
    ties = [("total_bytes_delta", False), ("swap_bytes_delta", False), *((key, True) for key in keys)]
    if sort in _BY_SIZE:
        size = table[[f"{name}_bytes_delta" for name in _BY_SIZE[sort]]].abs().max(axis=1)
        return _sorted(table.assign(_size=size), [("_size", False), *ties]).drop(columns="_size")
    order = [("total_bytes_delta", True), *ties[1:]] if sort == "shrink" else ties
    if sort not in ("growth", "shrink"):
        column = _column(table, keys, sort)
        order = [(column, column in keys), *ties]
    return _sorted(table, order)


def _column(table: pd.DataFrame, keys: list[str], sort: str) -> str:
    # Between two kernels, another column replaces stack.
    if sort == "stack":
        sort = next((name for name in STACK_COLUMNS.values() if name in keys), sort)
    available = {name: name for name in _NAMES if name != "rate" or name in table.columns}
    return order_of(sort, Orders(available, _COLUMNS), keys)


def _sorted(table: pd.DataFrame, order: list[tuple[str, bool]]) -> pd.DataFrame:
    first = dict(reversed(order))
    names = list(dict.fromkeys(name for name, _ in order))
    return table.sort_values(names, ascending=[first[name] for name in names], ignore_index=True, kind="stable")
