# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cut text into runs of whole records for the compiled scanner: from a plain file or from a stream."""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from spo_trace.formats.record import LONGEST_PIECE, SEPARATOR
from spo_trace.formats.runs import Buffer, FileRun, Filled, Records, Run
from spo_trace.formats.text import Outcome

__all__ = ["FILE_RUN_BYTES", "RUN_BYTES", "delimited_runs", "file_runs", "stream_runs"]

# About 11,000 records: large enough to amortise what Python does per run, small enough to keep a few in memory.
RUN_BYTES = 1 << 23

# Of files, only a part of a run is in memory at a time.
FILE_RUN_BYTES = 1 << 24

# To find where to cut, this many bytes are searched first; a kernel prints at most a page for one record.
_WINDOW = 1 << 16


def file_runs(file: BinaryIO, outcome: Outcome, run_bytes: int = FILE_RUN_BYTES) -> Iterator[FileRun]:
    """Yield a plain file in runs of about `run_bytes`, cut where a record starts.

    Only the bytes around a cut are read here. A read error is noted in `outcome.problem`.
    """
    plain = _PlainFile(outcome, file.fileno())
    size = os.fstat(file.fileno()).st_size
    start = 0
    while start < size:
        end = size if size - start <= run_bytes else plain.cut_before(start, start + run_bytes, size)
        outcome.reached = end
        yield FileRun(start, end - start, file.fileno(), plain.failed)
        start = end


class _PlainFile:
    """Find where to cut a plain file."""

    def __init__(self, outcome: Outcome, fd: int) -> None:
        self._outcome = outcome
        self._fd = fd

    def cut_before(self, start: int, end: int, size: int) -> int:
        """Return where to cut so that a run from `start` ends near `end`."""
        for window in (_WINDOW, end - start):
            begin = max(start, end - window)
            if (at := self._read(begin, end - begin).rfind(SEPARATOR)) >= 0:
                return begin + at + 1
        # The record is larger than a run. Text without records is cut where split_records() cuts it.
        if pieces := _whole_pieces(end - start):
            return start + pieces
        at = self._read(start, LONGEST_PIECE + len(SEPARATOR)).find(SEPARATOR)
        return min(start + (at + 1 if at >= 0 else LONGEST_PIECE), size)

    def failed(self, number: int) -> None:
        """Note a read error, by its errno."""
        self._outcome.problem = f"part of it can't be read: {os.strerror(number)}"

    def _read(self, start: int, size: int) -> bytes:
        pieces = []
        try:
            while size and (piece := os.pread(self._fd, size, start)):
                pieces.append(piece)
                start += len(piece)
                size -= len(piece)
        except OSError as error:
            self.failed(error.errno or 0)
        return b"".join(pieces)


def stream_runs(chunks: Iterable[bytes], run_bytes: int = RUN_BYTES) -> Iterator[Run]:
    """Yield the text of `chunks` in runs of about `run_bytes`, cut where a record starts."""
    offset = 0
    for pieces, size in _cut(chunks, run_bytes):
        yield Run(offset, partial(_join, pieces))
        offset += size


def delimited_runs(runs: Iterable[Records]) -> Iterator[Run]:
    """Yield the delimited records of each of `runs` as one run."""
    offset = 0
    for text, ends in runs:
        if text:
            yield Run(offset, partial(_join, [text], ends=np.frombuffer(ends, np.int64)))
            offset += len(text)


def _join(pieces: list[bytes], buffer: Buffer, ends: npt.NDArray[np.int64] | None = None) -> Filled:
    # The text is copied here and nowhere else.
    view = buffer.room(sum(map(len, pieces)))
    at = 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return Filled(at, ends)


def _cut(chunks: Iterable[bytes], run_bytes: int) -> Iterator[tuple[list[bytes], int]]:
    pieces: list[bytes] = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size < run_bytes:
            continue
        start = chunk.rfind(SEPARATOR) + 1
        if not start:
            # A separator may span pieces. Text without a record start is cut where split_records() cuts it.
            chunk = b"".join(pieces)
            pieces = [chunk]
            start = chunk.rfind(SEPARATOR) + 1 or _whole_pieces(size)
        rest = chunk[start:]
        if size > len(rest):
            yield [*pieces[:-1], chunk[:start]], size - len(rest)
        pieces, size = [rest], len(rest)
    if size:
        yield pieces, size


# The number of bytes of whole pieces in text without a separator; one may begin in the last bytes.
def _whole_pieces(size: int) -> int:
    return max(0, size - len(SEPARATOR)) // LONGEST_PIECE * LONGEST_PIECE
