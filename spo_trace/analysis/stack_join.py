# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of pages and swap joined with the keys that are not their own columns: bytes, and the keys of their stack."""

import pandas as pd

from spo_trace.analysis.keys import KEY_TABLE
from spo_trace.analysis.place_keys import PLACES
from spo_trace.analysis.places import head_places
from spo_trace.analysis.row_pages import base_pages_of
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.snapshots.reader import Snapshot

__all__ = ["join_stacks", "record_bytes"]


def record_bytes(rows: pd.DataFrame, table: str, snap: Snapshot) -> pd.Series:
    """Return the bytes of each record: 2**order pages in memory, one page in swap, all pages of an aggregate's row."""
    if table == "pages":
        return base_pages_of(rows, snap) * snap.page_size
    return pd.Series(snap.page_size, index=rows.index, dtype="int64")


def join_stacks(snap: Snapshot, table: str) -> pd.DataFrame:
    """Return all rows of `table` (`pages` or `swap`) with `bytes`, the head's place, and every key of their stack."""
    rows = snap.read(table)
    rows["bytes"] = record_bytes(rows, table, snap)
    for name in PLACES:
        rows[name] = head_places(rows, snap, name) if table == "pages" else pd.array([pd.NA] * len(rows), "Int64")
    of_stack = [name for name, key in KEY_TABLE.items() if key.of_stack]
    stacks = pd.DataFrame({name: _small(stack_text(snap.stacks, name)) for name in of_stack})
    return rows.join(stacks.take(rows["stack_id"].to_numpy("int64")).set_axis(rows.index))


# A category stores each text once; one text per row would take gigabytes.
def _small(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.astype("category")
