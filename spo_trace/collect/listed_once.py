# SPDX-License-Identifier: LGPL-2.1-or-later
"""Count each base page and each swap entry once: a record that a later one overlaps is left out.

The kernel prints ascending PFNs. A text that lists pages twice goes back, as that of `cat page_owner page_owner` does.
While a live page_owner is read, pages are freed and allocated again: a record can lie inside the previous one.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from spo_trace.collect.blocks import Array, Blocks, later_overlaps
from spo_trace.formats.arrays import base_pages, numbers
from spo_trace.snapshots.meta import FileCounts
from spo_trace.snapshots.writer import SnapshotWriter

__all__ = ["ListedOnce"]

# Rows that are compared at once, to bound the memory.
_PART_ROWS = 1 << 22


class ListedOnce:
    """Pass on the rows of one table that no later row replaces, and count the others in `counts`."""

    def __init__(self, table: str, counts: FileCounts) -> None:
        self._table = table
        self._counts = counts
        self._passed = 0
        self._ascending = True

    def rows(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows that the next row does not replace: all there are to replace if PFNs ascend."""
        waiting: tuple[pa.RecordBatch, Blocks] | None = None
        for batch in batches:
            blocks = Blocks.of(self._table, batch)
            self._counts.unnumbered += batch.num_rows - len(blocks.row)
            if waiting is not None:
                # Across a batch without PFNs there is no next row to compare with: compare all rows at the end.
                self._ascending &= len(blocks.row) > 0 or not len(waiting[1].row)
                yield self._kept(*waiting, blocks.start[:1])
            waiting = batch, blocks
        if waiting is not None:
            yield self._kept(*waiting, waiting[1].start[:0])

    def finish(self, writer: SnapshotWriter) -> tuple[int, int]:
        """If PFNs did not ascend, write the table again without the rows that later ones replace.

        Return the number of these rows, and of their base pages.
        """
        if self._ascending:
            return 0, 0
        pages = 0
        keep = np.ones(self._passed, np.bool_)
        parts = 1 + self._passed // _PART_ROWS
        for part in range(parts):
            blocks = Blocks.joined(blocks.part(part, parts) for blocks in self._written(writer))
            overlapped, repeated = later_overlaps(blocks)
            self._count(overlapped, repeated)
            keep[blocks.row[overlapped]] = False
            pages += base_pages(blocks.order[overlapped])
        if not keep.all():
            writer.keep_rows(self._table, keep)
        return len(keep) - int(keep.sum()), pages

    def _kept(self, batch: pa.RecordBatch, blocks: Blocks, following: Array) -> pa.RecordBatch:
        starts = np.concatenate([blocks.start, following])
        start, after = starts[:-1], starts[1:]
        self._ascending &= bool((start <= after).all())
        # The difference of the starts: the end of a block could wrap around.
        overlapped = after - start < _sizes(blocks.order[: len(start)])
        # In any other order, a row that is dropped here could be the one that replaces an earlier row.
        if self._ascending and overlapped.any():
            self._count(overlapped, start == after)
            keep = np.ones(batch.num_rows, np.bool_)
            keep[blocks.row[: len(start)][overlapped]] = False
            batch = batch.filter(numbers(keep))
        self._passed += batch.num_rows
        return batch

    def _written(self, writer: SnapshotWriter) -> Iterator[Blocks]:
        row = 0
        for batch in writer.written(self._table, Blocks.columns(self._table)):
            yield Blocks.of(self._table, batch, row)
            row += batch.num_rows

    def _count(self, overlapped: Array, repeated: Array) -> None:
        self._counts.repeated += int((overlapped & repeated).sum())
        self._counts.overlapping += int((overlapped & ~repeated).sum())


def _sizes(orders: Array) -> Array:
    return np.uint64(1) << orders.astype(np.uint64)
