# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API for repeated samples: take them (watch), read recorded ones (series), fit a line (trend)."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from spo_trace.analysis.arguments import number_of, path_of, seconds_of
from spo_trace.analysis.question import Question
from spo_trace.analysis.trend import trend as fit_trend
from spo_trace.api.snapshot import Paths, access_given, as_list, opened, timeout_of
from spo_trace.collect.read_log import Progress
from spo_trace.errors import Argument, Call, UsageError
from spo_trace.reporters.notebook import Table
from spo_trace.sampling.method import checked_method
from spo_trace.sampling.recording import Recording
from spo_trace.sampling.samples import Sample, take_samples
from spo_trace.sampling.series import Samples, Series, open_series
from spo_trace.sampling.usual_key import with_key_of_samples
from spo_trace.snapshots.page_size import parse_page_size
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.backends import STACKS_TIMEOUT
from spo_trace.sources.memory_plan import LIVE_METHODS
from spo_trace.sources.series import choose_series, paced

__all__ = ["series", "trend", "watch", "watch_question"]


def watch(
    by: str | Sequence[str] | None = None,
    *,
    where: str | None = None,
    method: str = "auto",
    interval: float | None = None,
    count: int | None = None,
    from_: Paths | None = None,
    backend: str | None = None,
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
    record: str | os.PathLike[str] | None = None,
    force: bool = False,
    owner: str | None = None,
    mode: int | None = None,
    page_size: str | int | None = None,
    progress: Progress | None = None,
) -> Iterator[Sample]:
    """Yield `count` samples of the owners of memory and swap (None: forever), `interval` seconds apart.

    The samples are of this machine (by default 5 seconds apart), of the captures or directories of captures `from_`, or
    of the stages of a simulated scenario. `method`: `counts` (the kernel's page count per stack: cheap, memory and swap
    together, only for keys of the stack; since Linux 6.17.6 most slab is missing), `memory` or `text` (every record, as
    for `snapshot`), or `auto` (counts if they answer the question and have all stacks, else every record).
    `stacks_timeout`: page_owner_stacks is skipped if reading it returns no data for this many seconds. `page_size`: of
    the machine, if the captures do not contain it. `record`: a directory to store each sample in, for `series` and
    `trend`; `owner` and `mode` as for `snapshot`.

    The default of `by` is comm, or what an aggregate has in its place (see `attribute`).

    >>> for sample in spo.watch("caller", from_="leak", backend="simulator", count=2):
    ...     print(f"{sample.seconds:.0f} s: {sample.table['caller'][0]}")
    0 s: __handle_mm_fault
    60 s: __handle_mm_fault
    """
    return watch_question(
        with_key_of_samples(Question.of(by, where), backend, as_list(from_)),
        method=method,
        interval=interval,
        count=count,
        from_=from_,
        backend=backend,
        jobs=jobs,
        stacks_timeout=stacks_timeout,
        record=record,
        force=force,
        owner=owner,
        mode=mode,
        page_size=page_size,
        progress=progress,
    )


def watch_question(
    question: Question,
    *,
    method: str,
    interval: float | None,
    count: int | None,
    from_: Paths | None,
    backend: str | None,
    jobs: int | None,
    stacks_timeout: float,
    record: str | os.PathLike[str] | None,
    force: bool,
    owner: str | None,
    mode: int | None,
    page_size: str | int | None,
    progress: Progress | None,
    keep: bool = False,
    wait: Callable[[float], None] | None = None,
) -> Iterator[Sample]:
    """Yield samples as `watch` does, for a parsed question; `keep` as for `take_samples`, `wait` as for `paced`."""
    method = checked_method(method, question)
    interval, count = seconds_of(interval, "interval"), number_of(count, "count", least=1)
    jobs, stacks_timeout = number_of(jobs, "jobs", least=1), timeout_of(stacks_timeout)
    size = None if page_size is None else parse_page_size(page_size)
    access = access_given(owner, mode)
    pause = (0.0 if from_ else 5.0) if interval is None else interval
    recording = None
    if record is not None:
        recording = Recording(Path(path_of(record, "record")), question, access=access, force=force)
    how = method if method in LIVE_METHODS else "auto"
    sources = paced(choose_series(backend, as_list(from_), jobs, stacks_timeout, how), pause, count, wait)
    samples = take_samples(sources, question, method=method, jobs=jobs, page_size=size, progress=progress, keep=keep)
    return _recorded(samples, recording)


# A separate generator, so that watch checks its arguments when it is called and not at the first sample.
def _recorded(samples: Iterator[Sample], recording: Recording | None) -> Iterator[Sample]:
    with recording or nullcontext():
        for sample in samples:
            if recording:
                recording.add(sample)
            yield sample


def series(
    samples: Samples,
    by: str | Sequence[str] | None = None,
    *,
    where: str | None = None,
) -> Table:
    """Return the samples of a recording, a directory of snapshots, or a list of snapshots, in long form.

    Columns: sample, seconds (since the first), the keys and key_known (as in `attribute`), mem_bytes, swap_bytes,
    swap_cache_bytes and total_bytes; swap is missing (NA) unless its owners are known in all samples. `by`: default:
    the keys of the recording, or stack for snapshots. All samples must be of one boot.

    >>> list(spo.series("day", by="comm").columns)
    ['sample', 'seconds', 'comm', 'key_known', 'mem_bytes', 'swap_bytes', 'swap_cache_bytes', 'total_bytes']
    """
    return Table(_opened(samples, by, where).table)


def trend(
    samples: Samples,
    by: str | Sequence[str] | None = None,
    *,
    where: str | None = None,
    weight: str = "total",
) -> Table:
    """Fit a straight line to the samples of each owner, largest `rate_low` first; `samples` as for `series`.

    Columns: the keys and key_known, first_bytes, last_bytes, rate (bytes per second), rate_error (its standard error),
    rate_low (the lower bound of the rate, with 95 % confidence) and steadiness (R²). `weight`: total, mem or swap.

    >>> list(spo.trend("day", by="comm")["comm"].head(2))
    ['sampler', 'worker']
    """
    found = _opened(samples, by, where)
    return Table(fit_trend(found.table, found.keys, weight=weight))


def _opened(samples: Samples, by: str | Sequence[str] | None, where: str | None) -> Series:
    question = Question.of("stack" if by is None else by, where)
    if isinstance(samples, str | os.PathLike):
        return open_series(samples, question, default_keys=by is None)
    if isinstance(samples, Snapshot) or not isinstance(samples, Iterable):
        raise UsageError(
            (
                Argument("samples"),
                " must be a recording, a directory of snapshots, or a list of three or more snapshots",
            ),
            hint=("take samples: ", Call("watch", record="DIR")),
        )
    return open_series([opened(sample, "samples") for sample in samples], question, default_keys=by is None)
