# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner read in PFN ranges by parallel readers, its records in order of PFN."""

import errno
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spo_trace.formats.runs import Buffer, Filled, Run
from spo_trace.formats.text import Outcome
from spo_trace.sources.enomem import OutOfMemory, Retries, record_at
from spo_trace.sources.kernel_file import LONGEST_RECORD, Positioned, Stop, number_of
from spo_trace.sources.one_reader import NEAR, first_readable

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
        self._retries = Retries(outcome, 0 if record_at(files[0], 0) else None)
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
            part = _read_range(file, self._retries, span, buffer)
        finally:
            self._idle.put(file)
        with self._lock:
            self._note(part)
        return Filled(part.size, part.ends)

    # Adapt the size and start of the following ranges.
    def _note(self, part: _Part) -> None:
        self._retries.count_too_large(part.too_large)
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
def _read_range(file: Positioned, retries: Retries, span: range, buffer: Buffer) -> _Part:
    file.seek(span.start)
    part = _Reading(buffer)
    while True:
        batch = file.read_many(part.room(), span.stop)
        part.add(batch.ends)
        if batch.stop is Stop.ENOMEM:
            try:
                if (result := _past_enomem(file, retries, span, part)) is not None:
                    return result
            except OutOfMemory:
                retries.give_up()
                return part.ended(None)
        elif batch.stop is not Stop.FULL:
            return part.ended(batch.next_pfn if batch.stop is Stop.PAST else None)


class _Reading:
    """Hold what was read of a range so far."""

    def __init__(self, buffer: Buffer) -> None:
        self.too_large = 0
        self._buffer = buffer
        self._room = buffer.room(_FIRST_ROOM)
        self._size = 0
        self._ends: list[npt.NDArray[np.int64]] = []

    def room(self) -> memoryview:
        """Return room for at least one record."""
        # If there is room left, a signal interrupted the last read, which is then continued.
        if len(self._room) - self._size < LONGEST_RECORD:
            self._room = self._buffer.room(2 * len(self._room), kept=self._size)
        return self._room[self._size :]

    def add(self, ends: "array[int]") -> None:
        """Add the records that were read into the room."""
        self._ends.append(np.frombuffer(ends, np.int64) + self._size)
        self._size += ends[-1] if ends else 0

    def add_one(self, record: bytes) -> None:
        """Add a record that was read by itself."""
        self.room()[: len(record)] = record
        self.add(array("q", [len(record)]))

    def ended(self, next_pfn: int | None) -> _Part:
        """Return the whole part."""
        return _Part(self._size, np.concatenate(self._ends), next_pfn, self.too_large)


# Read one record, or step over one that is too large. Return the part if that ends it.
def _past_enomem(file: Positioned, retries: Retries, span: range, part: _Reading) -> _Part | None:
    failed = file.position()
    record = retries.record_at(file, failed)
    if record == b"":
        return part.ended(None)
    if record is not None:
        pfn = number_of(record)
        if pfn is None:
            raise OSError(errno.ENOMEM, "the record after a lack of memory has no PFN")
        if pfn >= span.stop:
            return part.ended(pfn)
        part.add_one(record)
        file.seek(pfn + 1)
        return None
    position = first_readable(file, retries, failed, span.stop)
    # If no position up to span.stop is readable, the record that is too large is in a later range, which counts it
    # together with those right before it.
    part.too_large += position <= span.stop
    if position >= span.stop:
        return part.ended(span.stop)
    file.seek(position)
    return None
