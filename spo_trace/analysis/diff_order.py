# SPDX-License-Identifier: LGPL-2.1-or-later
"""The order of a difference's rows."""

import pandas as pd

from spo_trace.analysis.keys import same_key
from spo_trace.errors import UsageError

__all__ = ["DIFF_ORDERS", "sort_diff"]

# Each key and each column of the table is an order, too.
DIFF_ORDERS = ("change", "growth", "shrink", "mem", "swap", "total", "rate")

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
    # Between two kernels, symbols replace stack.
    name = "symbols" if sort == "stack" and "symbols" in keys else same_key(sort, keys) or sort
    if name not in table.columns:
        choices = dict.fromkeys([*(name for name in DIFF_ORDERS if name != "rate" or name in table.columns), *keys])
        raise UsageError(f"can't sort by {sort!r}", hint=f"choose one of {', '.join(choices)}")
    return name


def _sorted(table: pd.DataFrame, order: list[tuple[str, bool]]) -> pd.DataFrame:
    first = dict(reversed(order))
    names = list(dict.fromkeys(name for name, _ in order))
    return table.sort_values(names, ascending=[first[name] for name in names], ignore_index=True, kind="stable")
