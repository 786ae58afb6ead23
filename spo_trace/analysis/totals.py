# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of a table's amounts."""

import re

import pandas as pd

__all__ = ["totals"]

# Not nr_base_pages and bytes, which are keys.
_AMOUNT = re.compile(r"(mem|swap|total|first|last)_(pages|bytes)(_a|_b|_delta)?")


def totals(table: pd.DataFrame) -> dict[str, int | None]:
    """Return the sum of each column of pages or bytes, None where the amount is unknown (missing in every row)."""
    return {name: _sum(table[name]) for name in map(str, table.columns) if _AMOUNT.fullmatch(name)}


# What is unknown is a column of its own type, also in a table without rows.
def _sum(column: pd.Series) -> int | None:
    return None if column.dtype == "Int64" and column.isna().all() else int(column.sum())
