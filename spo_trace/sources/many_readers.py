# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner read by several readers at once, each in PFN ranges of its own, its records in order of PFN."""

import errno
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from spo_trace.formats.record import KernelText, Records
from spo_trace.sources.kernel_file import Positioned, Stop, number_of
from spo_trace.sources.one_reader import NEAR, count_too_large, first_readable, record_at

__all__ = ["positions_are_pfns", "read_ranges"]

# PFNs in a range: as many as give about this much text, so that few ranges at a time are little memory, and few enough
# of them that what is done for each is no matter. In the largest too, every PFN behind a record that is too large is
# near it.
_LEAST, _FIRST, _MOST = 1 << 10, 1 << 11, NEAR
_WANTED_BYTES = 2 << 20


class _Part(NamedTuple):
    """Hold what is in a range. `next_pfn`: no record is between the range and this PFN; None after the last one."""

    blocks: list[Records]
    next_pfn: int | None
    too_large: int


def positions_are_pfns(file: Positioned) -> bool:
    """Tell by what it does whether a file just opened can be read from any PFN on, which is left at its beginning.

    Since Linux 6.1 it can; before, positions count from the lowest PFN, and can't be set.
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


def read_ranges(files: Sequence[Positioned], text: KernelText) -> Iterator[Records]:
    """Yield the records of page_owner in blocks, in order of PFN: the same whatever number of `files` reads it.

    Each of `files` is a reader: the same file, opened once more. Together they cover every PFN from 0 on until the
    kernel says that there are no more records, so that no zone is missed that came after /proc/zoneinfo was read.
    Records that do not fit the kernel's buffer are stepped over and counted in `text`.
    """
    ranges = _Ranges()
    text.position = lambda: ranges.reached
    idle = list(files)
    with ThreadPoolExecutor(len(idle), thread_name_prefix=text.name) as pool:
        pending: deque[Future[_Part]] = deque()
        try:
            for span in ranges:
                pending.append(pool.submit(_read_by_one_of, idle, span))
                # One range more than there are readers is under way: none waits while the oldest is taken.
                if len(pending) > len(files):
                    yield from ranges.taken(pending.popleft().result(), text)
            while pending:
                yield from ranges.taken(pending.popleft().result(), text)
        finally:
            for future in pending:
                future.cancel()


class _Ranges:
    """Deal out one PFN range after the other, their size fitted to how much text the last ones had."""

    def __init__(self) -> None:
        self.reached = 0
        self._start = 0
        self._size = _FIRST
        self._ended = False

    def __iter__(self) -> Iterator[range]:
        while not self._ended:
            span = range(self._start, self._start + self._size)
            self._start = span.stop
            yield span

    def taken(self, part: _Part, text: KernelText) -> list[Records]:
        """Return a part's blocks, and note what it says of the ranges that are still to come."""
        count_too_large(text, part.too_large)
        size = sum(len(block.text) for block in part.blocks)
        if size > 2 * _WANTED_BYTES:
            self._size = max(self._size // 2, _LEAST)
        elif size < _WANTED_BYTES // 2:
            self._size = min(self._size * 2, _MOST)
        if part.next_pfn is None:
            self._ended = True
        else:
            self.reached = part.next_pfn
            # Over a hole: each reader would search all of it for the one record behind it.
            self._start = max(self._start, part.next_pfn)
        return part.blocks


def _read_by_one_of(idle: list[Positioned], span: range) -> _Part:
    file = idle.pop()
    try:
        return _read_range(file, span)
    finally:
        idle.append(file)


# A page of order > 0 that begins before the range has its record at its head: its other pages print none.
def _read_range(file: Positioned, span: range) -> _Part:
    file.seek(span.start)
    blocks: list[Records] = []
    too_large = 0
    while True:
        records, stop, next_pfn = file.read_many(span.stop)
        if records.ends:
            blocks.append(records)
        if stop is Stop.TOO_LARGE:
            failed = file.position()
            # Memory may have run out for a moment alone.
            position = failed if record_at(file, failed) is not None else first_readable(file, failed, span.stop)
            # What is too large at the end too is counted by the range that it is in (with what is so just before it).
            too_large += failed < position <= span.stop
            if position >= span.stop:
                return _Part(blocks, span.stop, too_large)
            file.seek(position)
        elif stop is not Stop.FULL:
            return _Part(blocks, next_pfn if stop is Stop.PAST else None, too_large)
