# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which records match a condition, without summing them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.analysis.computed import with_computed
from spo_trace.analysis.places import ROW, Places
from spo_trace.analysis.row_pages import size_columns
from spo_trace.analysis.where import Condition
from spo_trace.snapshots.dataframes import to_frame
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Matching"]


class Matching:
    """Find the records of `table` (`pages` or `swap`) that match a condition."""

    def __init__(self, snap: Snapshot, table: str, condition: Condition) -> None:
        self._snap = snap
        self._table = table
        self._condition = condition
        self._places = Places(snap, condition.names if table == "pages" else [])
        # One column without nulls keeps the number of rows if the condition uses none.
        needed = [*self._places.columns, *(size_columns(snap) if table == "pages" else ["swap_type"])]
        self._columns = condition.columns(table, needed)

    def rows(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return for each record of a batch whether it matches; by a place, whether any part of it does."""
        columns = to_frame(pa.Table.from_batches([batch.select(self._columns)]))
        rows = with_computed(columns, self._table, self._condition.names, self._snap)
        parts = self._places.split(rows)
        kept = self._condition.keep(parts, self._table, self._snap)
        matches = np.zeros(batch.num_rows, np.bool_)
        matches[kept.get(ROW, kept.index)] = True
        return matches
