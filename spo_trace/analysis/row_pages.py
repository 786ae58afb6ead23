# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base pages of each row of pages: an allocation, a part of one, or in an aggregate as many as are counted."""

import pandas as pd

from spo_trace.snapshots.reader import Snapshot

__all__ = ["PART_PAGES", "base_pages_of", "size_columns"]

# The column with the base pages of a part of an allocation (analysis/places.py).
PART_PAGES = "part_pages"


def size_columns(snap: Snapshot) -> list[str]:
    """Return the columns of pages that `base_pages_of` needs."""
    return ["order"] if snap.meta.aggregate is None else ["base_pages"]


def base_pages_of(rows: pd.DataFrame, snap: Snapshot) -> pd.Series:
    """Return the base pages of each row as int64; of an aggregate as Int64, missing where it does not tell.

    `rows`: rows of the pages of `snap`, with `size_columns`.
    """
    if PART_PAGES in rows:
        return rows[PART_PAGES]
    if snap.meta.aggregate is not None:
        return rows["base_pages"].astype("Int64")
    return 2 ** rows["order"].astype("int64")
