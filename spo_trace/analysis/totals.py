# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sums of a table's amounts."""

import re
from collections.abc import Mapping

import pandas as pd

__all__ = ["has_any", "totals"]

# nr_base_pages and bytes do not match: they are keys.
_AMOUNT = re.compile(r"(mem|swap|swap_cache|total|first|last)_(pages|bytes)(_a|_b|_delta)?")


def totals(table: pd.DataFrame) -> dict[str, int | None]:
    """Return the sum of each column of pages or bytes, None where the amount is unknown (missing in every row)."""
    return {name: _sum(table[name]) for name in map(str, table.columns) if _AMOUNT.fullmatch(name)}


def has_any(total: Mapping[str, int | None]) -> bool:
    """Return whether there is anything in memory or in swap; the total of pages in the swap cache alone is 0."""
    return bool(total["mem_bytes"] or total["swap_bytes"])


# Unknown amounts have the dtype Int64; checking it covers tables without rows, too.
def _sum(column: pd.Series) -> int | None:
    return None if column.dtype == "Int64" and column.isna().all() else int(column.sum())
