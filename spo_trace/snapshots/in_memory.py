# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot with some columns of its tables in memory, so that many analyses open each file once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from spo_trace.snapshots.reader import Snapshot

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["in_memory"]

# Rows that are converted to pandas at a time: as many as a row group has.
_ROWS = 260_000


def in_memory(snap: Snapshot, columns: Mapping[str, Collection[str]]) -> Snapshot:
    """Return `snap` with these columns of its tables in memory; other columns are still read from disk.

    The columns stay in Arrow's form, in which a name takes four bytes per row.
    """
    if isinstance(snap, _InMemory) and all(snap.holds(table, names) for table, names in columns.items()):
        return snap
    return _InMemory(snap, columns)


class _InMemory(Snapshot):
    def __init__(self, snap: Snapshot, columns: Mapping[str, Collection[str]]) -> None:
        self.path, self.meta = snap.path, snap.meta
        self._on_disk = snap
        self._held: dict[str, pa.Table] = {
            table: snap.arrow(table, list(names), only_stored=True) for table, names in columns.items()
        }

    def holds(self, table: str, columns: Collection[str] | None) -> bool:
        """Return whether all of `columns` of `table` are in memory."""
        return table in self._held and columns is not None and set(columns) <= set(self._held[table].column_names)

    def read(self, table: str, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """Return `columns` of `table`, as `Snapshot.read` does."""
        from spo_trace.snapshots.dataframes import to_frame

        if columns is None or not self.holds(table, columns):
            return self._on_disk.read(table, columns)
        return to_frame(self._held[table].select(list(columns)))

    def dataframes(self, table: str, columns: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Yield `columns` of `table` in parts, as `Snapshot.dataframes` does."""
        from spo_trace.snapshots.dataframes import to_frame

        if not self.holds(table, columns):
            yield from self._on_disk.dataframes(table, columns)
            return
        rows = self._held[table].select(list(columns))
        for start in range(0, max(len(rows), 1), _ROWS):
            yield to_frame(rows.slice(start, _ROWS))

    def count(self, table: str) -> int:
        """Return how many rows `table` has."""
        return len(self._held[table]) if table in self._held else self._on_disk.count(table)

    @cached_property
    def stacks(self) -> "pd.DataFrame":
        """Return one row for each distinct stack, as `Snapshot.stacks` does."""
        return self._on_disk.stacks
