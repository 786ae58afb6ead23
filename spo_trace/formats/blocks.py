# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text in blocks of many whole records, for the compiled scanner: out of a plain file, or as it comes."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from spo_trace.formats.record import LONGEST_PIECE, SEPARATOR, KernelText, Records

__all__ = ["BLOCK_BYTES", "Block", "file_blocks", "framed_blocks", "stream_blocks"]

# Some 11,000 records: what Python does once for each block does not count, and a few blocks are little memory.
BLOCK_BYTES = 1 << 23

# The last record of a block begins this near its end; a kernel prints at most a page for one.
_WINDOW = 1 << 16

Fill = Callable[[memoryview], int]


class Block(NamedTuple):
    """Hold where a run of whole records stands in a text, and how to get it.

    `fill` puts its bytes, `size` at most, into a buffer, and returns how many there are: less if the file has become
    shorter. `ends`: where each record ends, as read(2) returned them; None where the text tells.
    """

    offset: int
    size: int
    fill: Fill
    ends: npt.NDArray[np.int64] | None = None


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
        yield Block(start, end - start, partial(part.fill, start))
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

    def fill(self, start: int, buffer: memoryview) -> int:
        """Read what stands from `start` on into `buffer`; return how much it is."""
        done = 0
        try:
            while done < len(buffer) and (count := os.preadv(self._fd, [buffer[done:]], start + done)):
                done += count
        except OSError as error:
            self._text.problem = f"part of it can't be read: {error.strerror}"
        return done

    def _read(self, start: int, size: int) -> bytes:
        buffer = bytearray(size)
        return bytes(buffer[: self.fill(start, memoryview(buffer))])


def stream_blocks(chunks: Iterable[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the text of `chunks` in blocks of about `block_bytes`, cut where a record starts."""
    offset = 0
    for pieces, size in _cut(chunks, block_bytes):
        yield Block(offset, size, _joiner(pieces))
        offset += size


def framed_blocks(blocks: Iterable[Records]) -> Iterator[Block]:
    """Yield records that read(2) framed, in the blocks in which they come."""
    offset = 0
    for text, ends in blocks:
        if text:
            yield Block(offset, len(text), _joiner([text]), np.frombuffer(ends, np.int64))
            offset += len(text)


def _joiner(pieces: list[bytes]) -> Fill:
    def fill(buffer: memoryview) -> int:
        # The one copy that is made of all the text.
        at = 0
        for piece in pieces:
            buffer[at : at + len(piece)] = piece
            at += len(piece)
        return at

    return fill


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
