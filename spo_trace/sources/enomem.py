# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads of page_owner that fail with ENOMEM: the kernel is out of memory, or the record does not fit its buffer.

read_page_owner() (mm/page_owner.c) returns ENOMEM if kmalloc() of its buffer fails, and also if a record needs more
than the buffer. In neither case does the file's position advance. The first error passes, and meanwhile all records
fail; the second is permanent, and other records can be read.
"""

import errno
from collections.abc import Callable, Iterator
from threading import Lock
from time import sleep

from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import Outcome
from spo_trace.limits import ENOMEM_FIRST_PAUSE, MAX_ENOMEM_PAUSES, MAX_ENOMEM_POSITIONS, MAX_ENOMEM_SECONDS
from spo_trace.sources.kernel_file import Positioned

__all__ = ["OutOfMemory", "Retries", "or_enomem", "record_at"]

# How often another record must be readable, and this one not, before this one counts as too large. More than once,
# because the kernel may be out of memory at some reads and not at others.
_ROUNDS = 3


class OutOfMemory(Exception):
    """Signal that the kernel remains out of memory."""


class Retries:
    """Repeat reads that fail for lack of memory, for all readers of a file; count them in `outcome`.

    `known`: a position at which a record was read, None if no record has been read yet.
    """

    def __init__(self, outcome: Outcome, known: int | None = None) -> None:
        self._outcome = outcome
        self._known = known
        self._waited = False
        self._in_vain = 0
        self._lock = Lock()
        self._seconds = MAX_ENOMEM_SECONDS

    def record_at(self, file: Positioned, position: int) -> bytes | None:
        """Return the first record at or after `position`: empty if there is none, None if it does not fit the buffer.

        Raise OutOfMemory if the kernel remains out of memory.
        """
        for pause in self._pauses():
            record = record_at(file, position)
            if record is not None:
                self._known = position if self._known is None else self._known
                with self._lock:
                    self._outcome.retried += pause is not None
                return record
            if self._is_too_large(file, position):
                self._in_vain += self._known is None
                if self._in_vain > MAX_ENOMEM_POSITIONS:
                    raise OutOfMemory
                return None
        # A first record that is too large looks like a lack of memory.
        if self._known is None and not self._waited:
            self._waited = True
            return None
        raise OutOfMemory

    def count_too_large(self, number: int = 1) -> None:
        """Count records that do not fit the kernel's buffer."""
        if number:
            with self._lock:
                skipped = self._outcome.skipped
                skipped[Skipped.TOO_LARGE] = skipped.get(Skipped.TOO_LARGE, 0) + number

    def give_up(self) -> None:
        """Note that the rest of the file is not read."""
        self._outcome.problem = "the kernel ran out of memory (ENOMEM) and did not recover"

    def _is_too_large(self, file: Positioned, position: int) -> bool:
        if self._known is None and not self._waited:
            return False
        for _ in range(_ROUNDS):
            if self._known is not None and record_at(file, self._known) is None:
                return False
            if record_at(file, position) is not None:
                return False
        return True

    # Yield None for the first attempt, and after each pause its length.
    def _pauses(self) -> Iterator[float | None]:
        yield None
        yield 0.0
        for number in range(MAX_ENOMEM_PAUSES):
            pause = ENOMEM_FIRST_PAUSE * 2**number
            with self._lock:
                if self._seconds < pause:
                    return
                self._seconds -= pause
            sleep(pause)
            yield pause


def record_at(file: Positioned, position: int) -> bytes | None:
    """Return the first record at or after `position`: empty if there is none, None on ENOMEM."""
    return or_enomem(lambda: file.pread(position))


def or_enomem(read: Callable[[], bytes]) -> bytes | None:
    """Return what `read` returns, None on ENOMEM."""
    try:
        return read()
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    return None
