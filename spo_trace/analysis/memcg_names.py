# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key `memcg`: the path of a memory cgroup where it is known, else the leaf name that the kernel prints."""

from collections.abc import Iterable

import pandas as pd

__all__ = ["MEMCG_COLUMNS", "with_memcg_columns", "with_paths"]

# The columns of pages that the key is made of.
MEMCG_COLUMNS = ("memcg", "memcg_path")


def with_memcg_columns(table: str, names: Iterable[str]) -> set[str]:
    """Return the columns `names` of `table`, and those that the key `memcg` also needs."""
    found = set(names)
    return found.union(MEMCG_COLUMNS) if table == "pages" and "memcg" in found else found


def with_paths(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of pages with the path in `memcg` where it is known; other rows as they are."""
    if not set(MEMCG_COLUMNS) <= set(rows.columns):
        return rows
    names, paths = (rows[name].astype("category") for name in MEMCG_COLUMNS)
    if not len(paths.cat.categories):
        return rows
    every = names.cat.categories.union(paths.cat.categories)
    joined = paths.cat.set_categories(every).where(paths.notna(), names.cat.set_categories(every))
    return rows.assign(memcg=joined)
