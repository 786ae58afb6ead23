# SPDX-License-Identifier: LGPL-2.1-or-later
"""Series of sources: this machine repeatedly, several captures, or the stages of a scenario."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.sources.aggregate_series import aggregates_in
from spo_trace.sources.backends import STACKS_TIMEOUT, backend_name
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.choose import captured, check_method_for, choose_source
from spo_trace.sources.input_file import entries
from spo_trace.sources.other_input import error_for_path
from spo_trace.sources.source import Source

__all__ = ["choose_series", "paced"]


def choose_series(
    backend: str | None,
    paths: Sequence[str],
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
    method: str = "auto",
) -> Iterator[Source]:
    """Return the sources of samples; for this machine, an endless series.

    A path is a capture (see CaptureSource) or a directory of captures, which are used in order of name. For the
    simulator, the only path is a scenario; each of its stages is a sample. `method`: one of LIVE_METHODS.
    """
    name = backend_name(backend, paths)
    check_method_for(name, method)
    if name == "live":
        from spo_trace.memory.planner import Planner

        live = partial(choose_source, name, [], jobs=jobs, stacks_timeout=stacks_timeout, method=method)
        return iter(partial(live, planner=Planner()), None)
    if name == "simulator":
        from spo_trace.sources.simulator import simulated_stages

        return simulated_stages(paths)
    return iter([captured(sample) for given in paths for sample in _captures(given)])


def paced(sources: Iterable[Source], interval: float, count: int | None) -> Iterator[Source]:
    """Yield `count` sources (None: all), `interval` seconds apart, or immediately if a read took longer."""
    due = time.monotonic()
    for source in islice(sources, count):
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
        # Missed samples are skipped: to catch up would mean reading without a pause.
        due = max(due, now) + interval
        yield source


def _captures(path: str) -> list[list[str]]:
    if path == "-":
        raise UsageError(
            "standard input is only one capture, so only one sample",
            hint=("name captures with ", Argument("from_")),
        )
    if not Path(path).is_dir():
        return [[path]]
    with suppress(SpoTraceError):
        CaptureSource([path])
        return [[path]]
    # A simulate that was killed can leave an incomplete capture under a hidden name.
    visible = [child for child in entries(Path(path)) if not child.name.startswith(".")]
    inside = [[str(child)] for child in visible if child.is_dir() and _is_capture(child)]
    inside = inside or aggregates_in(Path(path))
    if not inside:
        raise error_for_path(path) or SpoTraceError(
            f"{path} is not a capture and contains none",
            hint="a capture has page_owner, as made by spo-trace capture-script",
        )
    return inside


def _is_capture(directory: Path) -> bool:
    with suppress(SpoTraceError):
        CaptureSource([directory])
        return True
    return False
