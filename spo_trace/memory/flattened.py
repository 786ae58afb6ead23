# SPDX-License-Identifier: LGPL-2.1-or-later
"""The flattened format of makedumpfile -F and QEMU: pieces of a file with their positions, as written to a pipe."""

import io
import struct
from bisect import bisect_right
from heapq import heappop, heappush
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from spo_trace.limits import MAX_FLATTENED_PIECES
from spo_trace.memory.problem import COPY_AGAIN, Problem

__all__ = ["opened"]

_SIGNATURE = b"makedumpfile\0"
_HEADER_BYTES = 4096
_PIECE = struct.Struct(">qq")
# Headers are written in small pieces, pages in large ones.
_FEW_PIECES, _SMALL_PIECE = 1000, 1024


class _Piece(NamedTuple):
    start: int
    end: int
    offset: int
    number: int


class _Flattened(io.RawIOBase):
    """Read the file that the pieces make; a position that has no piece reads as the end of the file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._pieces = _without_overlaps(_pieces(file))
        self._starts = [piece.start for piece in self._pieces]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < 0:
            raise ValueError("only positions from the start")
        self._at = offset
        return offset

    def read(self, size: int = -1) -> bytes:
        parts = []
        while size > 0:
            found = bisect_right(self._starts, self._at) - 1
            if found < 0 or self._at >= self._pieces[found].end:
                break
            piece = self._pieces[found]
            self._file.seek(piece.offset + self._at - piece.start)
            part = self._file.read(min(size, piece.end - self._at))
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()
        super().close()


def opened(file: BinaryIO) -> BinaryIO:
    """Return the file itself, or the one in it if it is flattened; raise Problem if that is damaged."""
    file.seek(0)
    signature = file.read(len(_SIGNATURE))
    file.seek(0)
    return _Flattened(file) if signature == _SIGNATURE else file  # type: ignore[return-value]


def _pieces(file: BinaryIO) -> list[_Piece]:
    found: list[_Piece] = []
    most = min(MAX_FLATTENED_PIECES, _FEW_PIECES + file.seek(0, io.SEEK_END) // _SMALL_PIECE)
    at = _HEADER_BYTES
    while True:
        file.seek(at)
        header = file.read(_PIECE.size)
        # Without the end mark the dump was cut off; what it has can still be read.
        if len(header) < _PIECE.size:
            return found
        offset, size = _PIECE.unpack(header)
        if offset == size == -1:
            return found
        if offset < 0 or size <= 0 or offset + size >= 1 << 62 or len(found) >= most:
            raise Problem("the flattened dump is damaged", COPY_AGAIN)
        at += _PIECE.size
        found.append(_Piece(offset, offset + size, at, len(found)))
        at += size


# A later piece replaces what earlier ones have at its positions: makedumpfile writes headers again at the end.
def _without_overlaps(pieces: list[_Piece]) -> list[_Piece]:
    found: list[_Piece] = []
    newest: list[tuple[int, _Piece]] = []
    waiting = sorted(pieces, reverse=True)
    borders = sorted({border for piece in pieces for border in (piece.start, piece.end)})
    for start, end in pairwise(borders):
        while waiting and waiting[-1].start <= start:
            piece = waiting.pop()
            heappush(newest, (-piece.number, piece))
        while newest and newest[0][1].end <= start:
            heappop(newest)
        if newest:
            piece = newest[0][1]
            found.append(_Piece(start, end, piece.offset + start - piece.start, piece.number))
    return found
