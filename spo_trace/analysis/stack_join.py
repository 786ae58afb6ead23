# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of pages and swap joined with the keys that are not their own columns: bytes, and the keys of their stack."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.analysis.keys import KEY_TABLE
from spo_trace.analysis.place_keys import PLACES
from spo_trace.analysis.places import head_places
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.snapshots.reader import Snapshot

__all__ = ["join_stacks", "record_bytes"]


def record_bytes(rows: pd.DataFrame, page_size: int) -> npt.NDArray[np.int64]:
    """Return the bytes of each record: 2**order pages in memory, one page in swap."""
    order = rows["order"].to_numpy("int64") if "order" in rows else np.zeros(len(rows), "int64")
    sizes: npt.NDArray[np.int64] = np.left_shift(np.int64(page_size), order)
    return sizes


def join_stacks(snap: Snapshot, table: str) -> pd.DataFrame:
    """Return all rows of `table` (`pages` or `swap`) with `bytes` (int64), the head's place, and keys of the stack."""
    rows = snap.read(table)
    rows["bytes"] = record_bytes(rows, snap.page_size)
    for name in PLACES:
        rows[name] = head_places(rows, snap, name) if table == "pages" else pd.array([pd.NA] * len(rows), "Int64")
    of_stack = [name for name, key in KEY_TABLE.items() if key.of_stack]
    stacks = pd.DataFrame({name: _small(stack_text(snap.stacks, name)) for name in of_stack})
    return rows.join(stacks.take(rows["stack_id"].to_numpy("int64")).set_axis(rows.index))


# A category stores each text once; one text per row would take gigabytes.
def _small(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.astype("category")
