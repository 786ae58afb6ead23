# SPDX-License-Identifier: LGPL-2.1-or-later
"""The records of pages and swap with the columns that `where` has beside their own: bytes, and what the stack tells."""

import numpy as np
import pandas as pd

from spo_trace.analysis.keys import FRAME_KEYS
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.snapshots.reader import Snapshot

__all__ = ["enriched"]


def enriched(snap: Snapshot, table: str) -> pd.DataFrame:
    """Return all rows of `table` (`pages` or `swap`) with `bytes` (int64) and each of FRAME_KEYS (categories)."""
    rows = snap.read(table)
    order = rows["order"].to_numpy("int64") if table == "pages" else np.zeros(len(rows), "int64")
    added = {"bytes": np.left_shift(snap.page_size, order)}
    stack_ids = rows["stack_id"].to_numpy("int64")
    return rows.assign(**added, **{key: _of_stacks(stack_column(snap.stacks, key), stack_ids) for key in FRAME_KEYS})


# Each value once, and a number for each row: as many stacks as rows would be gigabytes.
def _of_stacks(column: pd.Series, stack_ids: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> pd.Categorical:
    codes, values = pd.factorize(column)
    # A stack is a tuple of frames, which pandas would take for the levels of a MultiIndex.
    categories = pd.Index(values, tupleize_cols=False)
    return pd.Categorical.from_codes(codes.astype("int32").take(stack_ids), categories=categories)
