# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base pages that records cover, and which of them later records cover again."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.formats.arrays import missing_of, values_of
from spo_trace.limits import MAX_ORDER

__all__ = ["Array", "Blocks", "later_overlaps"]

Array = npt.NDArray[Any]

_KEYS = {"pages": "pfn", "swap": "swp_entry"}


class Blocks(NamedTuple):
    """Hold blocks of `1 << order` base pages (or one swap entry) from `start` on, and the row of each."""

    start: Array
    order: Array
    row: Array

    @staticmethod
    def columns(table: str) -> list[str]:
        """Return the columns of `pages` or `swap` that blocks are made of."""
        return [_KEYS[table], "order"] if table == "pages" else [_KEYS[table]]

    @classmethod
    def of(cls, table: str, batch: pa.RecordBatch, first_row: int = 0) -> Self:
        """Return the blocks of the rows whose PFN is known."""
        key = batch.column(_KEYS[table])
        rows = np.flatnonzero(~missing_of(key))
        orders = values_of(batch.column("order")) if table == "pages" else np.zeros(len(key), np.uint8)
        return cls(values_of(key)[rows], orders[rows], rows + first_row)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return all blocks of `parts`, of which there is at least one."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def part(self, number: int, parts: int) -> "Blocks":
        """Return one of `parts` disjoint parts; aligned blocks that overlap are in the same part."""
        chosen = (self.start >> MAX_ORDER) % parts == number
        return Blocks(self.start[chosen], self.order[chosen], self.row[chosen])


def later_overlaps(blocks: Blocks) -> tuple[Array, Array]:
    """Return which blocks a later one overlaps, and which have the start of a later one.

    Blocks are aligned to their size, as the kernel prints no others: of two that overlap, one contains the other.
    """
    number = len(blocks.start)
    latest = _latest_inside_or_around(blocks)
    by_start = np.argsort(blocks.start, kind="stable")
    is_last = np.ones(number, np.bool_)
    is_last[by_start[:-1]] = blocks.start[by_start][1:] != blocks.start[by_start][:-1]
    return ~is_last | (latest > np.arange(number)), ~is_last


# The last of the blocks that contain each block, or that it contains.
def _latest_inside_or_around(blocks: Blocks) -> Array:
    latest = np.arange(len(blocks.start))
    for order in np.unique(blocks.order):
        shift = int(order)
        of_order = np.flatnonzero(blocks.order == order)
        starts, inverse = np.unique(blocks.start[of_order], return_inverse=True)
        last = np.zeros(len(starts), np.intp)
        np.maximum.at(last, inverse, of_order)
        smaller = np.flatnonzero(blocks.order < order)
        around = blocks.start[smaller] >> shift << shift
        at = np.minimum(np.searchsorted(starts, around), len(starts) - 1)
        found = starts[at] == around
        smaller, at = smaller[found], at[found]
        latest[smaller] = np.maximum(latest[smaller], last[at])
        inside = np.zeros(len(starts), np.intp)
        np.maximum.at(inside, at, smaller)
        latest[of_order] = np.maximum(latest[of_order], inside[inverse])
    return latest
