# SPDX-License-Identifier: LGPL-2.1-or-later
"""Download the next files of a fleet while one is read: most of the time of a request is waiting."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa

__all__ = ["File", "ReadAhead"]

# Requests at a time. Files of up to _LARGEST bytes are read ahead, so that they take at most 64 MiB of memory.
_AT_A_TIME = 16
_LARGEST = 4 << 20


class File(NamedTuple):
    """Name a file of a table."""

    table: str
    name: str


class ReadAhead:
    """Read files in the order in which they are expected; `read` returns the content of one, or raises."""

    def __init__(self, read: Callable[[File], pa.Buffer]) -> None:
        self._read = read
        self._pool: ThreadPoolExecutor | None = None
        self._expected: deque[File] = deque()
        self._started: dict[File, Future[pa.Buffer]] = {}

    def expect(self, files: Iterable[tuple[File, int]]) -> None:
        """Say which files are read next, with their sizes in bytes; what was expected before is forgotten."""
        self.close()
        self._expected = deque(file for file, size in files if size <= _LARGEST)

    def take(self, file: File) -> pa.Buffer:
        """Return the content of a file; raise what reading it raised."""
        if file not in self._started and file not in self._expected:
            return self._read(file)
        if file not in self._started:
            self._skip_to(file)
        self._start()
        return self._started.pop(file).result()

    def close(self) -> None:
        """Drop what was read and not taken."""
        for future in self._started.values():
            future.cancel()
        self._started.clear()
        self._expected.clear()

    def _skip_to(self, file: File) -> None:
        while self._expected[0] != file:
            self._expected.popleft()

    def _start(self) -> None:
        self._pool = self._pool or ThreadPoolExecutor(_AT_A_TIME)
        while self._expected and len(self._started) < _AT_A_TIME:
            file = self._expected.popleft()
            self._started[file] = self._pool.submit(self._read, file)
