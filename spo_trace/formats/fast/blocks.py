# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text in blocks of many whole records, for the compiled scanner: out of a plain file, or as it comes."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from spo_trace.formats.record import LONGEST_PIECE, SEPARATOR, KernelText, Records

__all__ = ["BLOCK_BYTES", "Block", "Buffer", "Filled", "file_blocks", "framed_blocks", "stream_blocks"]

# Some 11,000 records: what Python does once for each block does not count, and a few blocks are little memory.
BLOCK_BYTES = 1 << 23

# The last record of a block begins this near its end; a kernel prints at most a page for one.
_WINDOW = 1 << 16

# The compiled scanner looks so far past the end (SPO_PADDING in native/scan.h).
_PADDING = 64


class Buffer:
    """Hold the bytes of one block after the other."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def room(self, size: int, kept: int = 0) -> memoryview:
        """Return `size` bytes or more to write to; the first `kept` are what they were."""
        if len(self._bytes) < size + _PADDING:
            # Not zeros, and no more than is used is memory.
            larger = np.empty(size + _PADDING, np.uint8)
            larger[:kept] = self._bytes[:kept]
            self._bytes = larger
        return self._bytes.data[:-_PADDING]

    def padded(self, size: int) -> npt.NDArray[np.uint8]:
        """Return the first `size` bytes, behind which there are zeros."""
        self._bytes[size : size + _PADDING] = 0
        return self._bytes[:size]


class Filled(NamedTuple):
    """Hold how many bytes a block has, and where each record ends, as read(2) returned them; None: the text tells."""

    size: int
    ends: npt.NDArray[np.int64] | None = None


class Block(NamedTuple):
    """Hold where a run of whole records begins in a text, and how to get it: `fill` puts its bytes into a buffer.

    `offset` is None where that is not known before the block in front of it is filled.
    """

    offset: int | None
    fill: Callable[[Buffer], Filled]


def file_blocks(text: KernelText, file: BinaryIO, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield a plain file in blocks of about `block_bytes`, cut where a record starts.

    Only what tells where to cut is read here; whoever fills the blocks reads them, in any order. What can't be read is
    told in `text.problem`.
    """
    part = _Part(text, file.fileno())
    size = os.fstat(file.fileno()).st_size
    start = 0
    text.position = lambda: start
    while start < size:
        end = size if size - start <= block_bytes else part.cut_before(start, start + block_bytes, size)
        yield Block(start, partial(part.fill, start, end - start))
        start = end


class _Part:
    """Read parts of a file."""

    def __init__(self, text: KernelText, fd: int) -> None:
        self._text = text
        self._fd = fd

    def cut_before(self, start: int, end: int, size: int) -> int:
        """Return where to cut so that a block from `start` ends near `end`."""
        for window in (_WINDOW, end - start):
            begin = max(start, end - window)
            if (at := self._read(begin, end - begin).rfind(SEPARATOR)) >= 0:
                return begin + at + 1
        # One that is larger than a block; what is no record is cut where frame_records() cuts it.
        at = self._read(start, LONGEST_PIECE + len(SEPARATOR)).find(SEPARATOR)
        return min(start + (at + 1 if at >= 0 else LONGEST_PIECE), size)

    def fill(self, start: int, size: int, buffer: Buffer) -> Filled:
        """Read `size` bytes from `start` on, or as many as the file still has."""
        return Filled(self._read_into(buffer.room(size)[:size], start))

    def _read(self, start: int, size: int) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self._read_into(memoryview(buffer), start)])

    def _read_into(self, buffer: memoryview, start: int) -> int:
        done = 0
        try:
            while done < len(buffer) and (count := os.preadv(self._fd, [buffer[done:]], start + done)):
                done += count
        except OSError as error:
            self._text.problem = f"part of it can't be read: {error.strerror}"
        return done


def stream_blocks(chunks: Iterable[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the text of `chunks` in blocks of about `block_bytes`, cut where a record starts."""
    offset = 0
    for pieces, size in _cut(chunks, block_bytes):
        yield Block(offset, partial(_join, pieces))
        offset += size


def framed_blocks(blocks: Iterable[Records]) -> Iterator[Block]:
    """Yield records that read(2) framed, in the blocks in which they come."""
    offset = 0
    for text, ends in blocks:
        if text:
            yield Block(offset, partial(_join, [text], ends=np.frombuffer(ends, np.int64)))
            offset += len(text)


def _join(pieces: list[bytes], buffer: Buffer, ends: npt.NDArray[np.int64] | None = None) -> Filled:
    # The one copy that is made of all the text.
    view = buffer.room(sum(map(len, pieces)))
    at = 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return Filled(at, ends)


def _cut(chunks: Iterable[bytes], block_bytes: int) -> Iterator[tuple[list[bytes], int]]:
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size < block_bytes:
            continue
        start = chunk.rfind(SEPARATOR) + 1
        if not start:
            # It may begin in an earlier piece. Text without a record start for long is no page_owner text, and is cut
            # where frame_records() cuts it.
            chunk = b"".join(pieces)
            pieces = [chunk]
            start = chunk.rfind(SEPARATOR) + 1 or (size - len(SEPARATOR)) // LONGEST_PIECE * LONGEST_PIECE
        rest = chunk[start:]
        if size > len(rest):
            yield [*pieces[:-1], chunk[:start]], size - len(rest)
        pieces, size = [rest], len(rest)
    if size:
        yield pieces, size
