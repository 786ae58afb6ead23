# SPDX-License-Identifier: LGPL-2.1-or-later
"""The records of pages and swap with the columns that `where` has beside their own: bytes, and those of their stack."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.analysis.keys import KEY_TABLE
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.snapshots.reader import Snapshot

__all__ = ["enriched", "record_bytes"]


def record_bytes(rows: pd.DataFrame, page_size: int) -> npt.NDArray[np.int64]:
    """Return the bytes of each record: 2**order pages; of swap, which has no order, one page."""
    order = rows["order"].to_numpy("int64") if "order" in rows else np.zeros(len(rows), "int64")
    sizes: npt.NDArray[np.int64] = np.left_shift(np.int64(page_size), order)
    return sizes


def enriched(snap: Snapshot, table: str) -> pd.DataFrame:
    """Return all rows of `table` (`pages` or `swap`) with `bytes` (int64) and every key of their stack."""
    rows = snap.read(table)
    rows["bytes"] = record_bytes(rows, snap.page_size)
    of_stack = [name for name, key in KEY_TABLE.items() if key.of_stack]
    stacks = pd.DataFrame({name: _small(stack_text(snap.stacks, name)) for name in of_stack})
    return rows.join(stacks.take(rows["stack_id"].to_numpy("int64")).set_axis(rows.index))


# Each text once, and a number for each row: as many texts as rows would be gigabytes.
def _small(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.astype("category")
