# SPDX-License-Identifier: LGPL-2.1-or-later
"""A debugfs file that hands over one record for each read(2), and what to do when it can't."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from spo_trace.formats.record import KernelText

__all__ = ["KernelFile", "Positioned", "read_records"]

# page_owner gives at most a page (PAGE_SIZE, up to 64 KiB) for each read since 5.0, and at most what is asked before.
_BUFFER = 1 << 16

_NEAR = 1024

_PFN = re.compile(rb"\nPFN (0x[0-9a-f]+|\d+) |\nSWP entry (0x[0-9a-f]+)\n")

TOO_LARGE = "record larger than the kernel's buffer (ENOMEM)"


class Positioned(Protocol):
    """Read at the file's own position, or at one given."""

    def read(self) -> bytes:
        """Return the next record, empty at the end."""
        ...

    def pread(self, position: int) -> bytes:
        """Return the first record at or after `position`, which is left where it was."""
        ...

    def position(self) -> int:
        """Return the file's position."""
        ...


class KernelFile:
    """Read an open debugfs file, its descriptor closed on exit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def read(self) -> bytes:
        """Return the next record, empty at the end."""
        return os.read(self._fd, _BUFFER)

    def pread(self, position: int) -> bytes:
        """Return the first record at or after `position`, which is left where it was."""
        return os.pread(self._fd, _BUFFER, position)

    def position(self) -> int:
        """Return the file's position."""
        # lseek(2) is refused up to 6.0, which has no .llseek; fdinfo tells on every version.
        first_line = Path(f"/proc/self/fdinfo/{self._fd}").read_text().split("\n", 1)[0]
        return int(first_line.removeprefix("pos:"))


def read_records(file: Positioned, text: KernelText) -> Iterator[bytes]:
    """Yield a file's records, one for each read(2); step over those that do not fit the kernel's buffer.

    read_page_owner() (mm/page_owner.c) answers ENOMEM for a record that does not fit, and stays where it is:
    every further read would fail too.
    """
    first = last = None
    first_position = 0
    while True:
        try:
            record = file.read()
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            break
        if not record:
            return
        if first is None:
            first, first_position = record, file.position()
        last = record
        yield record
    yield from _read_past(file, text, _base(first, first_position), last)


# The position after a record is pfn + 1 (6.1+), or counts from the lowest PFN (up to 6.0); swap_page_owner's is
# the entry + 1. The first record tells which.
def _base(first: bytes | None, position: int) -> int | None:
    return None if first is None else _number(first) + 1 - position


# Where the very first record is too large, no position after a record is known. `record`, found at `position`, is
# what is read up to its own position; the largest such position is searched for.
def _base_by_search(file: Positioned, record: bytes, position: int) -> int:
    number = _number(record)
    good, bad = position, number + 1
    while bad - good > 1:
        middle = (good + bad) // 2
        found = _record_at(file, middle)
        good, bad = (middle, bad) if found and _number(found) == number else (good, middle)
    return number - good


def _number(record: bytes) -> int:
    # The last one: a comm with a newline can hold such a line, but stands before the true one.
    matches = list(_PFN.finditer(record))
    if not matches:
        raise OSError(errno.ENOMEM, "a record is too large, and those before it do not tell how to step over it")
    return int(matches[-1][1] or matches[-1][2], 0)


def _read_past(file: Positioned, text: KernelText, base: int | None, last: bytes | None) -> Iterator[bytes]:
    position = file.position() if last is None or base is None else _number(last) + 1 - base
    while True:
        try:
            record = file.pread(position)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            position = _first_readable(file, position)
            _count(text)
            continue
        if not record:
            return
        yield record
        if base is None:
            base = _base_by_search(file, record, position)
        position = _number(record) + 1 - base


def _count(text: KernelText) -> None:
    text.skipped = text.skipped or {}
    text.skipped[TOO_LARGE] = text.skipped.get(TOO_LARGE, 0) + 1


# pread() fails while its position is not past the record that is too large. That is mostly near, as most page frames
# are in use, and others like it may follow with good ones between: so step by step first. Over a large hole, double
# the distance until a read succeeds, then halve.
def _first_readable(file: Positioned, bad: int) -> int:
    for position in range(bad + 1, bad + _NEAR):
        if _readable(file, position):
            return position
    bad, step = bad + _NEAR - 1, 1
    while not _readable(file, bad + step):
        bad, step = bad + step, step * 2
    good = bad + step
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if _readable(file, middle) else (good, middle)
    return good


def _readable(file: Positioned, position: int) -> bool:
    return _record_at(file, position) is not None


# None for a record that is too large.
def _record_at(file: Positioned, position: int) -> bytes | None:
    try:
        return file.pread(position)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
    return None
