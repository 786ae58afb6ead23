# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of a table's amounts."""

import re

import pandas as pd

__all__ = ["totals"]

# nr_base_pages and bytes do not match: they are keys.
_AMOUNT = re.compile(r"(mem|swap|total|first|last)_(pages|bytes)(_a|_b|_delta)?")


def totals(table: pd.DataFrame) -> dict[str, int | None]:
    """Return the sum of each column of pages or bytes, None where the amount is unknown (missing in every row)."""
    return {name: _sum(table[name]) for name in map(str, table.columns) if _AMOUNT.fullmatch(name)}


# Unknown amounts have the dtype Int64; checking it covers tables without rows, too.
def _sum(column: pd.Series) -> int | None:
    return None if column.dtype == "Int64" and column.isna().all() else int(column.sum())
