# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of a table's amounts."""

import pandas as pd

__all__ = ["totals"]

_AMOUNTS = ("_pages", "_bytes", "_bytes_a", "_bytes_b", "_bytes_delta")


def totals(table: pd.DataFrame) -> dict[str, int | None]:
    """Return the sum of each column of pages or bytes, None where the amount is unknown (missing in every row)."""
    return {name: _sum(table[name]) for name in map(str, table.columns) if name.endswith(_AMOUNTS)}


# What is unknown is a column of its own type, also in a table without rows.
def _sum(column: pd.Series) -> int | None:
    return None if column.dtype == "Int64" and column.isna().all() else int(column.sum())
