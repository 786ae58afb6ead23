# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics of this machine: read once, or whenever somebody asks for newer ones.

This module and what it imports take little memory: this machine is read before numpy, pandas and pyarrow are loaded,
which would be listed, too.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from spo_trace.collect.reading import read_machine
from spo_trace.errors import SpoTraceError
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.printable import printable
from spo_trace.snapshots.directory import snapshot_directory
from spo_trace.sources.live_capture import LiveRequest, ReadProgress

if TYPE_CHECKING:
    from spo_trace.reporters.openmetrics import Metric
    from spo_trace.snapshots.meta import Meta

__all__ = ["LatestMetrics", "page_columns", "read_metrics"]

_logger = logging.getLogger(__name__)

# The cost of a reading counts the pages of its own processes.
_OF_COST = ("tgid",)


def read_metrics(
    request: LiveRequest, top: int, *, page_size: int | None = None, progress: ReadProgress | None = None
) -> "tuple[list[Metric], Meta]":
    """Read a machine into a snapshot that is removed again, and return its metrics and its metadata."""
    with naming_full_disk(), tempfile.TemporaryDirectory(dir=scratch_directory()) as directory:
        target = Path(directory) / "now.spo"
        with (
            snapshot_directory(target) as output,
            read_machine(output, request, swap="auto", progress=progress) as reading,
        ):
            from spo_trace.analysis.metrics import snapshot_metrics
            from spo_trace.collect.snapshot import source_of, write_snapshot

            write_snapshot(
                output,
                source_of(reading),
                reading,
                swap="auto",
                strict=False,
                jobs=request.jobs,
                page_columns=page_columns(),
                page_size=page_size,
                progress=None,
            )
        from spo_trace.snapshots.reader import Snapshot

        snap = Snapshot(target)
        return snapshot_metrics(snap, top), snap.meta


def page_columns() -> list[str]:
    """Return the columns of pages that the metrics of a machine are made of."""
    from spo_trace.analysis.metrics import metric_columns
    from spo_trace.analysis.swap_cache import SwapCache

    return [*metric_columns(), *SwapCache.WITH_TRACE, *_OF_COST]


class LatestMetrics:
    """Share metrics between threads that ask for them and one thread that reads them, at most every `max_age` seconds.

    However many threads ask, the machine is read by one at a time, and only if somebody asks.
    """

    def __init__(self, read: "Callable[[], Sequence[Metric]]", max_age: float) -> None:
        """Read the first metrics at once; raise what `read` raises."""
        self._read, self._max_age = read, max_age
        self._changed = threading.Condition()
        self._is_wanted = False
        self._began = monotonic()
        self._metrics: Sequence[Metric] | None = read()

    def get(self) -> "Sequence[Metric] | None":
        """Return metrics whose reading began at most `max_age` seconds ago, or wait for them; None if it failed."""
        with self._changed:
            while monotonic() - self._began > self._max_age:
                self._is_wanted = True
                self._changed.notify_all()
                self._changed.wait()
            return self._metrics

    def renew(self) -> None:
        """Wait until somebody asks for newer metrics, and read them; log an error, and keep it for `max_age`."""
        with self._changed:
            while not self._is_wanted:
                self._changed.wait()
        began, metrics = monotonic(), self._try()
        with self._changed:
            self._metrics, self._is_wanted = metrics, False
            # A reading that takes longer than `max_age` is still an answer to those who wait.
            self._began = began if monotonic() - began <= self._max_age else monotonic()
            self._changed.notify_all()

    def _try(self) -> "Sequence[Metric] | None":
        try:
            return self._read()
        except (SpoTraceError, OSError, MemoryError) as error:
            _logger.warning("no metrics: %s", printable(str(error)))
            return None
