# SPDX-License-Identifier: LGPL-2.1-or-later
"""How far reading is, when each file was read, and by which processes; native/collect/progress.c does the same."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from spo_trace.collector.messages import CollectError
from spo_trace.collector.output import Output

__all__ = ["Progress", "Reading"]

_INTERVAL = 0.1


class Reading:
    """One file that is being read; `repeated`: the number of reads that were repeated."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.repeated = 0


class Progress:
    """Report to the descriptor `fd`, None for nobody, and keep what the files `reads` and `pids` contain."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self._started = monotonic()
        self._reported = 0.0
        self._reads: list[str] = []
        self._pids = [os.getpid()]

    @contextmanager
    def reading(self, name: str) -> Iterator[Reading]:
        """Measure the reading of a file."""
        self._report(name, 0)
        reading, began = Reading(name), monotonic()
        yield reading
        times = (1000 * (began - self._started), 1000 * (monotonic() - began))
        self._reads.append(f"{name} {times[0]:.0f} {times[1]:.0f} {reading.repeated}\n")

    def at(self, name: str, position: int) -> None:
        """Report the position of the next record, at most ten times per second."""
        if self._fd is not None and monotonic() - self._reported >= _INTERVAL:
            self._report(name, position)

    def child(self, pid: int) -> None:
        """Note a process."""
        self._pids.append(pid)

    def write(self, output: Output) -> None:
        """Write the files `reads` and `pids`."""
        output.text("reads", "".join(self._reads).encode())
        output.text("pids", "".join(f"{pid}\n" for pid in self._pids).encode())

    def _report(self, name: str, position: int) -> None:
        if self._fd is None:
            return
        self._reported = monotonic()
        try:
            os.write(self._fd, b"%b %d\n" % (name.encode(), position))
        except OSError as error:
            raise CollectError("nobody reads the progress any more") from error
