# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources one after another: this machine again and again, several captures, or a scenario's stages."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.choose import backend_name, choose_source
from spo_trace.sources.live import STACKS_TIMEOUT
from spo_trace.sources.other_input import error_for_path
from spo_trace.sources.source import Source

__all__ = ["choose_series", "paced"]


def choose_series(
    backend: str | None, paths: Sequence[str], jobs: int | None = None, stacks_timeout: float = STACKS_TIMEOUT
) -> Iterator[Source]:
    """Return the sources that samples are taken of; without end for this machine.

    A path is a capture (as for CaptureSource), or a directory of captures: all of them, in the order of their names.
    The simulator's one path is a scenario, each of its stages a sample.
    """
    name = backend_name(backend, paths)
    if name == "live":
        return iter(lambda: choose_source(name, [], jobs=jobs, stacks_timeout=stacks_timeout), None)
    if name == "simulator":
        from spo_trace.sources.simulator import simulated_stages

        return simulated_stages(paths)
    return iter([CaptureSource([path]) for given in paths for path in _captures(given)])


def paced(sources: Iterable[Source], interval: float, count: int | None) -> Iterator[Source]:
    """Yield `count` sources (None: all), `interval` seconds apart, or as soon as a slow reader asks for one."""
    due = time.monotonic()
    for source in islice(sources, count):
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        # What a slow read has missed is not made up for: that would be reading without a pause.
        due = max(due, now) + interval
        yield source


def _captures(path: str) -> list[str]:
    if path == "-":
        raise UsageError(
            "standard input is one capture, and has no second sample", hint=("name captures with ", Argument("from_"))
        )
    if not Path(path).is_dir():
        return [path]
    with suppress(SpoTraceError):
        CaptureSource([path])
        return [path]
    inside = [str(child) for child in sorted(Path(path).iterdir()) if child.is_dir() and _is_capture(child)]
    if not inside:
        raise error_for_path(path) or SpoTraceError(
            f"{path} is no capture, and has none inside",
            hint="a capture has page_owner, as spo-trace capture-script makes it",
        )
    return inside


def _is_capture(directory: Path) -> bool:
    with suppress(SpoTraceError):
        CaptureSource([directory])
        return True
    return False
