# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads of page_owner that fail with ENOMEM; native/collect/memory_lack.c does the same and explains it."""

import errno
import os
from enum import Enum, auto
from time import sleep

from spo_trace.collector.stacks import LONGEST_RECORD
from spo_trace.limits import ENOMEM_FIRST_PAUSE, MAX_ENOMEM_PAUSES, MAX_ENOMEM_SECONDS

__all__ = ["Found", "Lack"]

_NEAR = 1 << 13
_ROUNDS = 3


class Found(Enum):
    """Name what became of a read that failed."""

    PASSED = auto()
    SKIPPED = auto()
    LASTS = auto()


class Lack:
    """Wait for memory, and step over records that are too large for the kernel's buffer.

    `known`: a position that could be read. `too_large`: the number of records that were stepped over. `repeated`: the
    number of reads that succeeded when they were repeated.
    """

    def __init__(self, fd: int) -> None:
        self.known: int | None = None
        self.too_large = 0
        self.repeated = 0
        self._fd = fd
        self._left = MAX_ENOMEM_SECONDS
        self._has_waited = False

    def pass_by(self, position: int, end: int) -> tuple[Found, int]:
        """Return what became of the read at a position, and the next position to read."""
        found = self._try_at(position)
        if found is not Found.SKIPPED:
            self.repeated += found is Found.PASSED
            return found, position
        next_position = self._first_readable(position, end)
        if next_position is None:
            return Found.LASTS, position
        self.too_large += next_position <= end
        return Found.SKIPPED, next_position

    def _try_at(self, position: int) -> Found:
        for number in range(MAX_ENOMEM_PAUSES + 1):
            if self._is_readable(position):
                return Found.PASSED
            if self._is_too_large(position):
                return Found.SKIPPED
            pause = ENOMEM_FIRST_PAUSE * 2**number
            if self._left < pause:
                break
            self._left -= pause
            sleep(pause)
        # A first record that is too large looks like a lack of memory.
        if self.known is None and not self._has_waited:
            self._has_waited = True
            return Found.SKIPPED
        return Found.LASTS

    def _is_too_large(self, position: int) -> bool:
        if self.known is None:
            return self._has_waited
        return all(self._is_readable(self.known) and not self._is_readable(position) for _ in range(_ROUNDS))

    def _is_readable(self, position: int) -> bool:
        try:
            os.pread(self._fd, LONGEST_RECORD, position)
        except OSError as error:
            return error.errno != errno.ENOMEM
        return True

    # Mostly it is near; a large hole is crossed in growing steps.
    def _first_readable(self, bad: int, end: int) -> int | None:
        near = bad + _NEAR
        while bad < near and bad < end:
            found = self._try_at(bad + 1)
            if found is not Found.SKIPPED:
                return bad + 1 if found is Found.PASSED else None
            bad += 1
        step = 1
        while (good := min(bad + step, end + 1)) <= end:
            found = self._try_at(good)
            if found is Found.LASTS:
                return None
            if found is Found.PASSED:
                break
            bad, step = good, step * 2
        while good - bad > 1:
            middle = (good + bad) // 2
            found = self._try_at(middle)
            if found is Found.LASTS:
                return None
            good, bad = (middle, bad) if found is Found.PASSED else (good, middle)
        return good
