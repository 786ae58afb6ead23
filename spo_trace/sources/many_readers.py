# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner read in PFN ranges by parallel readers, its records in order of PFN."""

import errno
from collections.abc import Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spo_trace.formats.runs import Buffer, Filled, Run
from spo_trace.formats.text import Outcome
from spo_trace.sources.kernel_file import LONGEST_RECORD, Positioned, Stop, number_of
from spo_trace.sources.one_reader import NEAR, count_too_large, first_readable, record_at

__all__ = ["positions_are_pfns", "range_runs"]

# PFNs in a range: enough for about _WANTED_BYTES of text, which is small enough to bound memory and large enough to
# amortise the cost per range. At most NEAR: if a record in the range is too large, first_readable() then tries every
# later PFN of the range, and misses no record.
_LEAST, _FIRST, _MOST = 1 << 10, 1 << 11, NEAR
_WANTED_BYTES = 6 << 20

# Initial size of a reader's buffer: usually more than the text of a range.
_FIRST_ROOM = 8 << 20


class _Part(NamedTuple):
    """Hold the result of reading a range.

    `next_pfn`: no record lies between the range and this PFN; None after the last record.
    """

    size: int
    ends: npt.NDArray[np.int64]
    next_pfn: int | None
    too_large: int


def positions_are_pfns(file: Positioned) -> bool:
    """Test whether a file that was just opened can be read from any PFN; leave its position at the beginning.

    8f0efa81dfbc, 6.1: positions are PFNs. Before, they count from the lowest PFN and can't be set.
    """
    try:
        file.seek(0)
        record = file.read()
        pfn = number_of(record)
        found = pfn is not None and file.position() == pfn + 1
        file.seek(0)
    except OSError as error:
        if error.errno not in (errno.ESPIPE, errno.ENOMEM):
            raise
        return False
    return found


def range_runs(files: Sequence[Positioned], outcome: Outcome, last_pfn: int | None = None) -> Iterator[Run]:
    """Yield the records of page_owner, in order of PFN, in runs that are read when they are filled.

    `files`: the same file, opened once for each reader; as many threads may fill runs at the same time. Every run must
    be filled: its result determines where later runs begin, and which one is the last. The records do not depend on
    the number of readers. The runs cover every PFN from 0 until the kernel reports no more records; a zone that was
    added after `last_pfn` was read is included. Records that do not fit the kernel's buffer are skipped and counted in
    `outcome`.
    """
    ranges = _Ranges(files, outcome, last_pfn)
    return (Run(None, partial(ranges.fill, span)) for span in ranges)


class _Ranges:
    """Hand out PFN ranges, their size adapted to the amount of text in the last ones."""

    def __init__(self, files: Sequence[Positioned], outcome: Outcome, last_pfn: int | None) -> None:
        self._readers = len(files)
        self._idle: SimpleQueue[Positioned] = SimpleQueue()
        for file in files:
            self._idle.put(file)
        self._outcome = outcome
        self._last_pfn = last_pfn or 0
        self._lock = Lock()
        self._start = 0
        self._size = _FIRST
        self._ended = False

    def __iter__(self) -> Iterator[range]:
        while not self._ended:
            with self._lock:
                span = range(self._start, self._start + self._next_size())
                self._start = span.stop
            yield span

    # Smaller towards the last PFN, so that all readers finish at about the same time.
    def _next_size(self) -> int:
        left = self._last_pfn - self._start
        return min(self._size, max(left // (2 * self._readers), _LEAST)) if left > 0 else self._size

    def fill(self, span: range, buffer: Buffer) -> Filled:
        """Read a range with an idle reader."""
        file = self._idle.get()
        try:
            part = _read_range(file, span, buffer)
        finally:
            self._idle.put(file)
        with self._lock:
            self._note(part)
        return Filled(part.size, part.ends)

    # Adapt the size and start of the following ranges.
    def _note(self, part: _Part) -> None:
        count_too_large(self._outcome, part.too_large)
        if part.size > 2 * _WANTED_BYTES:
            self._size = max(self._size // 2, _LEAST)
        elif part.size < _WANTED_BYTES // 2:
            self._size = min(self._size * 2, _MOST)
        if part.next_pfn is None:
            self._ended = True
        else:
            self._outcome.reached = max(self._outcome.reached, part.next_pfn)
            # Skip the hole: otherwise the kernel would search it again for each range, only to find the same record.
            self._start = max(self._start, part.next_pfn)


# The record of a page of order > 0 is at its head: if that is before the range, the range has no record of the page.
def _read_range(file: Positioned, span: range, buffer: Buffer) -> _Part:
    file.seek(span.start)
    ends: list[npt.NDArray[np.int64]] = []
    size = too_large = 0
    room = buffer.room(_FIRST_ROOM)
    while True:
        batch = file.read_many(room[size:], span.stop)
        ends.append(np.frombuffer(batch.ends, np.int64) + size)
        size += batch.ends[-1] if batch.ends else 0
        if batch.stop is Stop.TOO_LARGE:
            failed = file.position()
            # The kernel may have been out of memory only for a moment.
            position = failed if record_at(file, failed) is not None else first_readable(file, failed, span.stop)
            # If no position up to span.stop is readable, the record that is too large is in a later range, which counts
            # it together with those right before it.
            too_large += failed < position <= span.stop
            if position >= span.stop:
                return _Part(size, np.concatenate(ends), span.stop, too_large)
            file.seek(position)
        elif batch.stop is Stop.FULL:
            # If there is room left, a signal interrupted the read, which is then continued.
            if len(room) - size < LONGEST_RECORD:
                room = buffer.room(2 * len(room), kept=size)
        else:
            next_pfn = batch.next_pfn if batch.stop is Stop.PAST else None
            return _Part(size, np.concatenate(ends), next_pfn, too_large)
