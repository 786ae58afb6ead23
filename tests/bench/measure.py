# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measurement of one command: wall time, processor time, peak memory.

The peak that wait4(2) returns includes the memory of this process at the time of fork(2), so this process has to stay
small: it imports neither pyarrow nor pandas, and reads the results only after all measurements.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

__all__ = ["Run", "Runs", "measure"]


class Run(NamedTuple):
    """The cost of one run; `cpu_seconds` is user and system time of all its threads and children."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Runs(NamedTuple):
    """All runs of one command, in the order of the rounds."""

    runs: tuple[Run, ...]

    @property
    def seconds(self) -> list[float]:
        """Return the wall time of each run."""
        return [run.seconds for run in self.runs]

    @property
    def cpu_seconds(self) -> float:
        """Return the median of the processor times."""
        return median(run.cpu_seconds for run in self.runs)

    @property
    def peak_bytes(self) -> int:
        """Return the largest peak of resident memory of all runs."""
        return max(run.peak_bytes for run in self.runs)


def measure(command: Sequence[str | Path], output: Path, *, one_processor: bool = False) -> Run:
    """Run `command` with its standard output to `output`; raise CalledProcessError with its messages if it fails."""
    errors = output.with_suffix(".err")
    with output.open("wb") as out, errors.open("wb") as err, _processors(one_processor):
        start = perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), stderr=errors.read_text("utf-8"))
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10)


# A child inherits its parent's CPU affinity, and spo-trace uses as many jobs as it may use processors.
@contextmanager
def _processors(one: bool) -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)} if one else allowed)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
