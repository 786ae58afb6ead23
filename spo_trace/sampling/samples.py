# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repeated samples of who owns memory and swap."""

import datetime
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.diff import seconds_between
from spo_trace.analysis.keys import FRAME_KEYS
from spo_trace.analysis.question import Question
from spo_trace.collect.machine_facts import facts_before
from spo_trace.collect.read_log import Progress
from spo_trace.collect.snapshot import collect
from spo_trace.errors import Argument, Call, SpoTraceError, UsageError
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.formats.record import Reject
from spo_trace.sampling.stack_counts import KernelCounts
from spo_trace.schema import SCHEMA_VERSION
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.meta import Meta, SourceFacts
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.source import Source

__all__ = ["METHODS", "SERIES_AMOUNTS", "Sample", "amounts_of", "check_method", "swap_in_all_or_none", "take_samples"]

METHODS = ("auto", "counts", "full")

SERIES_AMOUNTS = ["mem_bytes", "swap_bytes", "total_bytes"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one sample.

    `number` starts at 1; `seconds` is the time since the first sample. `table`: the keys, then mem_bytes, swap_bytes
    and total_bytes (the first two are missing if `method` is `counts`, swap_bytes also if its owners are unknown).
    `took`: duration of the read in seconds. `meta`: that of a snapshot; with `counts`, only the machine and warnings.
    """

    number: int
    seconds: float
    taken_at: str
    method: str
    took: float
    table: pd.DataFrame
    meta: Meta


def take_samples(
    sources: Iterable[Source],
    question: Question,
    *,
    method: str = "auto",
    jobs: int | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Sample]:
    """Yield a sample of each source, all of one boot; `page_size` in bytes replaces that of the sources.

    `method`: one of METHODS. `auto` reads the kernel's own count for each stack if it exists and suffices for the
    question, otherwise all records. Raise SpoTraceError if two sources are of different boots or in the wrong order.
    """
    rejects: Counter[str] = Counter()
    counts = KernelCounts(lambda reject: _count(rejects, reject))
    first: Meta | None = None
    last = -1.0
    for number, source in enumerate(sources, 1):
        started = time.monotonic()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        rejects.clear()
        # A change of method within a series would look like growth: keep the method of the first sample.
        method, table, meta = _read(source, question, method, counts, jobs, page_size, progress)
        lost = [f"{name}: {number} records can't be parsed" for name, number in rejects.items()]
        meta = replace(meta, warnings=[*meta.warnings, *lost])
        first = first or meta
        seconds = seconds_between(first, meta)
        _check_order(number, seconds, last)
        assert seconds is not None
        last = seconds
        took = time.monotonic() - started
        yield Sample(number, seconds, meta.machine.taken_at or now, method, took, table, meta)


def check_method(method: str, question: Question) -> None:
    """Raise UsageError for a method that does not exist, or that cannot answer the question."""
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}", hint=f"choose one of {', '.join(METHODS)}")
    if method == "counts" and not _is_about_stacks(question):
        raise UsageError(
            ("the kernel's counts are by stack only: they cannot be used with other keys or ", Argument("where")),
            hint=(Argument("by"), f" with some of {', '.join(FRAME_KEYS)}, or ", Argument("method", "full")),
        )


# Whether the kernel's counts for each stack are enough to answer the question.
def _is_about_stacks(question: Question) -> bool:
    return question.condition.text is None and set(question.keys) <= set(FRAME_KEYS)


def amounts_of(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Return the table of a sample from a snapshot.

    If no record matches, the table has one row with null keys, so that a recording still contains the sample.
    """
    # grouped_by() drops question.sort, which may be an order that only a table of growth has.
    keys = question.keys
    table = attribute(snap, question.grouped_by(keys))[[*keys, *SERIES_AMOUNTS]]
    if len(table):
        return table
    known = {"total_bytes": 0} | {
        f"{name}_bytes": 0 for name in ("mem", "swap") if name not in snap.meta.unknown_amounts
    }
    return pd.DataFrame({name: [known.get(name, pd.NA)] for name in table.columns})


def swap_in_all_or_none(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table`; without swap if only some samples have it, because it would appear as growth."""
    lacking = table["swap_bytes"].isna() & table["mem_bytes"].notna()
    if lacking.all() or not lacking.any():
        return table
    return table.assign(swap_bytes=unknown_numbers(table), total_bytes=table["mem_bytes"])


def _count(rejects: Counter[str], reject: Reject) -> None:
    rejects[reject.file] += 1


def _read(
    source: Source,
    question: Question,
    method: str,
    counts: KernelCounts,
    jobs: int | None,
    page_size: int | None,
    progress: Progress | None,
) -> tuple[str, pd.DataFrame, Meta]:
    if method != "full" and _is_about_stacks(question):
        warnings: list[str] = []
        machine = facts_before(source, warnings, page_size)
        # Without boot_id or uptime, the records of page_owner show the boot and the time. The counts do not.
        has_time = machine.boot_id is not None and machine.uptime_start is not None
        table = counts.read(source, question.keys, machine.page_size) if has_time else None
        if table is not None:
            return "counts", table, Meta(SCHEMA_VERSION, machine, source=SourceFacts(source.kind), warnings=warnings)
        if method == "counts":
            why = source.why_missing("show_stacks").text if has_time else "the capture lacks boot_id or uptime"
            raise SpoTraceError(
                f"no counts of stacks: {why}", hint=(Argument("method", "auto"), " reads page_owner instead")
            )
    return "full", *_read_in_full(source, question, jobs, page_size, progress)


def _read_in_full(
    source: Source, question: Question, jobs: int | None, page_size: int | None, progress: Progress | None
) -> tuple[pd.DataFrame, Meta]:
    with naming_full_disk(), tempfile.TemporaryDirectory(dir=scratch_directory()) as directory:
        snap = collect(source, Path(directory) / "sample.spo", jobs=jobs, page_size=page_size, progress=progress)
        return amounts_of(snap, question), snap.meta


def _check_order(number: int, seconds: float | None, last: float) -> None:
    if seconds is None:
        raise SpoTraceError(
            f"samples {number} and 1 are of different boots, or their times are unknown",
            hint=(
                "samples must be of one boot, with boot_id and uptime; to compare two boots: ",
                Call("diff", a="A", b="B"),
            ),
        )
    if seconds <= last:
        raise SpoTraceError(
            f"sample {number} was not taken after the previous one", hint="give the captures in chronological order"
        )
