# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of rows, which the collector writes (native/collect/row_file.c)."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from spo_trace.memory.problem import Problem

__all__ = ["RowFile"]

_HEAD, _BLOCK, _LOST = struct.Struct("<8sII"), struct.Struct("<II"), struct.Struct("<Q")
_MAGIC, _VERSION = b"spo-rows", 1
_BLOCK_ROWS = 1024
_WORD_BYTES = 8

Rows = npt.NDArray[Any]


class RowFile:
    """Read a file of rows of `kind`; its first field is the key.

    `lost`: the number of records or pages that the collector could not read, after `rows` was read.
    """

    def __init__(self, path: Path, kind: np.dtype[Any]) -> None:
        self._path, self._kind = path, kind
        self.lost = 0

    def rows(self) -> Iterator[Rows]:
        """Yield the rows in order, some at a time; raise Problem if the file is damaged."""
        words = self._kind.itemsize // _WORD_BYTES
        with self._path.open("rb") as file:
            if _HEAD.unpack(self._take(file, _HEAD.size)) != (_MAGIC, _VERSION, words):
                raise self._damaged()
            while True:
                rows, values = _BLOCK.unpack(self._take(file, _BLOCK.size))
                if not rows:
                    break
                if rows > _BLOCK_ROWS or values > rows * words:
                    raise self._damaged()
                masks = np.frombuffer(self._take(file, 2 * rows), "<u2")
                yield self._block(masks, np.frombuffer(self._take(file, _WORD_BYTES * values), "<u8"), words)
            (self.lost,) = _LOST.unpack(self._take(file, _LOST.size))

    # Of each row, a mask tells which words differ from those of the row before; the first word is the distance of keys.
    def _block(self, masks: Rows, values: Rows, words: int) -> Rows:
        changed = masks[:, None] >> np.arange(words, dtype=np.uint16) & 1
        if int(changed.sum()) != len(values) or int(masks.max()) >> words:
            raise self._damaged()
        places = np.cumsum(changed.ravel(), dtype=np.intp).reshape(changed.shape) * changed
        table = np.concatenate([np.zeros(1, np.uint64), values])[np.maximum.accumulate(places, axis=0)]
        table[:, 0] = np.cumsum(table[:, 0])
        return np.ascontiguousarray(table).view(self._kind)[:, 0]

    def _take(self, file: BinaryIO, size: int) -> bytes:
        data = file.read(size)
        if len(data) != size:
            raise self._damaged()
        return data

    def _damaged(self) -> Problem:
        return Problem(f"{self._path.name} is damaged", "read the machine again")
