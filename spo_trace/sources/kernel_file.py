# SPDX-License-Identifier: LGPL-2.1-or-later
"""A debugfs file of which each read(2) returns one record."""

import errno
import os
import re
from array import array
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol

from spo_trace.files.closeable import Closeable
from spo_trace.native.library import load
from spo_trace.sources.read_loop import END, FULL, PAST, ReadLoop

__all__ = ["LONGEST_RECORD", "Batch", "KernelFile", "Positioned", "Stop", "number_of", "read_in_turn"]

# c8f61cfc871f, 5.0: a read of page_owner returns at most PAGE_SIZE (up to 64 KiB); before, at most the requested size.
LONGEST_RECORD = 1 << 16

_NUMBER = re.compile(rb"\nPFN (0x[0-9a-f]+|\d+) |\nSWP entry (0x[0-9a-f]+)\n")


class Stop(Enum):
    """Name why a batch has no more records."""

    FULL = "the buffer is full"
    PAST = "the next record has a PFN past the given end"
    END = "there are no more records"
    ENOMEM = "the kernel is out of memory, or the next record does not fit its buffer"


_STOPS = {FULL: Stop.FULL, PAST: Stop.PAST, END: Stop.END, -errno.ENOMEM: Stop.ENOMEM}


class Batch(NamedTuple):
    """Hold the end of each record that was read (int64), and why reading stopped.

    `next_pfn`: if `stop` is PAST, the PFN of the record past the end, which is not included.
    """

    ends: "array[int]"
    stop: Stop
    next_pfn: int = 0


class Positioned(Protocol):
    """A file of records, read at its own position or at a given one."""

    def read(self) -> bytes:
        """Return the next record, empty at the end."""
        ...

    def read_many(self, room: memoryview, end: int | None = None) -> Batch:
        """Read the next records into `room`, up to PFN `end` (exclusive) if given.

        With `end`, positions must be PFNs. `room` is full when less than LONGEST_RECORD bytes are left.
        """
        ...

    def pread(self, position: int) -> bytes:
        """Return the first record at or after `position`; the file's own position does not change."""
        ...

    def position(self) -> int:
        """Return the file's position."""
        ...

    def seek(self, position: int) -> None:
        """Set the file's position; fails with ESPIPE up to Linux 6.0."""
        ...


class KernelFile(Closeable):
    """Read a debugfs file; a context manager that closes it.

    `print_mode`: text to write to it first; it changes what the file prints for this descriptor.
    """

    def __init__(self, path: Path, print_mode: bytes | None = None) -> None:
        self.path = path
        self._loop: ReadLoop | None = None
        self._fd = os.open(path, (os.O_RDONLY if print_mode is None else os.O_RDWR) | os.O_CLOEXEC)
        if print_mode is not None:
            try:
                os.write(self._fd, print_mode)
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def read(self) -> bytes:
        """Return the next record, empty at the end."""
        return os.read(self._fd, LONGEST_RECORD)

    def read_many(self, room: memoryview, end: int | None = None) -> Batch:
        """Read the next records into `room`, up to PFN `end` (exclusive) if given."""
        library = load()
        if library is None:
            return read_in_turn(self, room, end)
        if self._loop is None:
            self._loop = ReadLoop(library, self._fd, LONGEST_RECORD)
        ends, stop, position = self._loop.read(room, end)
        return Batch(ends, _STOPS[stop], position - 1 if stop == PAST else 0)

    def pread(self, position: int) -> bytes:
        """Return the first record at or after `position`; the file's own position does not change."""
        return os.pread(self._fd, LONGEST_RECORD, position)

    def position(self) -> int:
        """Return the file's position."""
        try:
            return os.lseek(self._fd, 0, os.SEEK_CUR)
        except OSError as error:
            if error.errno != errno.ESPIPE:
                raise
        # 8f0efa81dfbc, 6.1: the file has .llseek. fdinfo has the position on every version.
        first_line = Path(f"/proc/self/fdinfo/{self._fd}").read_text().split("\n", 1)[0]
        return int(first_line.removeprefix("pos:"))

    def seek(self, position: int) -> None:
        """Set the file's position; fails with ESPIPE up to Linux 6.0."""
        os.lseek(self._fd, position, os.SEEK_SET)


def read_in_turn(file: Positioned, room: memoryview, end: int | None) -> Batch:
    """Implement `Positioned.read_many` with one `read` per record."""
    ends = array("q")
    used = 0
    while len(room) - used >= LONGEST_RECORD:
        try:
            record = file.read()
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            return Batch(ends, Stop.ENOMEM)
        if not record:
            return Batch(ends, Stop.END)
        # After a record, the position is its PFN + 1.
        if end is not None and (position := file.position()) > end:
            return Batch(ends, Stop.PAST, position - 1)
        room[used : used + len(record)] = record
        used += len(record)
        ends.append(used)
    return Batch(ends, Stop.FULL)


def number_of(record: bytes) -> int | None:
    """Return the PFN or swap entry that a record prints, None if it prints none."""
    # The last match: a comm with a newline can contain such a line, but it precedes the true one.
    matches = list(_NUMBER.finditer(record))
    return int(matches[-1][1] or matches[-1][2], 0) if matches else None
