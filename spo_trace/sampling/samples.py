# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take samples: who owns memory and swap, again and again."""

import datetime
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.diff import seconds_between
from spo_trace.analysis.keys import FRAME_KEYS, check_keys
from spo_trace.analysis.where import Where
from spo_trace.collect.machine_facts import facts_before
from spo_trace.collect.read_log import Progress
from spo_trace.collect.snapshot import collect
from spo_trace.errors import Argument, Call, SpoTraceError, UsageError
from spo_trace.files.private_directories import scratch_directory
from spo_trace.formats.record import Reject
from spo_trace.sampling.stack_counts import KernelCounts
from spo_trace.schema import SCHEMA_VERSION
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.meta import MachineFacts, Meta, SourceFacts
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.source import Source

__all__ = ["METHODS", "SERIES_AMOUNTS", "Question", "Sample", "amounts_of", "swap_in_all_or_none", "take_samples"]

METHODS = ("auto", "counts", "full")

SERIES_AMOUNTS = ["mem_bytes", "swap_bytes", "total_bytes"]


@dataclass(frozen=True, slots=True)
class Question:
    """Say what each sample is to tell: the keys, a condition on rows, and how it is read (one of METHODS)."""

    keys: list[str]
    where: str | None = None
    method: str = "auto"

    def __post_init__(self) -> None:
        """Raise UsageError for a key, a condition or a method that can't be."""
        check_keys(self.keys)
        Where(self.where)
        if self.method not in METHODS:
            raise UsageError(f"there is no method {self.method!r}", hint=f"choose one of {', '.join(METHODS)}")
        if self.method == "counts" and not self.for_counts:
            raise UsageError(
                ("the kernel counts by stack alone: not by other keys, and without ", Argument("where")),
                hint=(Argument("by"), f" with some of {', '.join(FRAME_KEYS)}, or ", Argument("method", "full")),
            )

    @property
    def for_counts(self) -> bool:
        """Tell whether the kernel's counts for each stack can answer it."""
        return self.where is None and set(self.keys) <= set(FRAME_KEYS)


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one sample.

    `number` counts from 1, `seconds` from the first one. `table`: the keys, then mem_bytes, swap_bytes (both missing
    where `method` is `counts`, swap where its owners are not known) and total_bytes. `took`: seconds that reading it
    took. `meta`: as of a snapshot; with `counts`, of the machine and warnings alone.
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
    jobs: int | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Sample]:
    """Yield a sample of each source, all of one boot; `page_size` in bytes, in place of what the sources tell.

    `auto` reads the kernel's own count for each stack where it has them and the question is about stacks alone, else
    every record. Raise SpoTraceError if two are not of one boot, or in the wrong order.
    """
    rejects: Counter[str] = Counter()
    counts = KernelCounts(lambda reject: _count(rejects, reject))
    first: Meta | None = None
    last = -1.0
    for number, source in enumerate(sources, 1):
        started = time.monotonic()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        rejects.clear()
        method, table, meta = _read(source, question, counts, jobs, page_size, progress)
        # Two ways of counting in one series would look like growth.
        question = replace(question, method=method)
        lost = [f"{name}: {number} records can't be parsed" for name, number in rejects.items()]
        meta = replace(meta, warnings=[*meta.warnings, *lost])
        first = first or meta
        seconds = seconds_between(first, meta)
        _check_order(number, seconds, last)
        assert seconds is not None
        last = seconds
        took = time.monotonic() - started
        yield Sample(number, seconds, meta.machine.taken_at or now, method, took, table, meta)


def amounts_of(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Return a snapshot's answer as a sample's table; if nobody owns anything, with a row of nobody: it is one too."""
    table = attribute(snap, question.keys, where=question.where)[[*question.keys, *SERIES_AMOUNTS]]
    if len(table):
        return table
    known = [name for name in ("mem", "swap") if name not in snap.meta.unknown_amounts]
    zeros = {"total_bytes": 0} | {f"{name}_bytes": 0 for name in known}
    return pd.DataFrame({name: [zeros.get(name, pd.NA)] for name in table.columns})


def swap_in_all_or_none(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of samples without swap, if only some of them tell it: it would seem to come from nowhere."""
    lacking = table["swap_bytes"].isna() & table["mem_bytes"].notna()
    if lacking.all() or not lacking.any():
        return table
    return table.assign(swap_bytes=unknown_numbers(table), total_bytes=table["mem_bytes"])


def _count(rejects: Counter[str], reject: Reject) -> None:
    rejects[reject.file] += 1


def _read(
    source: Source,
    question: Question,
    counts: KernelCounts,
    jobs: int | None,
    page_size: int | None,
    progress: Progress | None,
) -> tuple[str, pd.DataFrame, Meta]:
    if question.method != "full" and question.for_counts:
        warnings: list[str] = []
        machine = facts_before(source, warnings, page_size)
        table = counts.read(source, question.keys, machine.page_size) if _has_time(machine) else None
        if table is not None:
            return "counts", table, Meta(SCHEMA_VERSION, machine, source=SourceFacts(source.kind), warnings=warnings)
        if question.method == "counts":
            why = source.why_missing("show_stacks").text if _has_time(machine) else "no boot_id and uptime with it"
            raise SpoTraceError(
                f"no counts of stacks: {why}", hint=(Argument("method", "auto"), " reads page_owner then")
            )
    return "full", *_read_in_full(source, question, jobs, page_size, progress)


# The records of page_owner contain times, too; the counts do not.
def _has_time(machine: MachineFacts) -> bool:
    return machine.boot_id is not None and machine.uptime_start is not None


def _read_in_full(
    source: Source, question: Question, jobs: int | None, page_size: int | None, progress: Progress | None
) -> tuple[pd.DataFrame, Meta]:
    directory = Path(tempfile.mkdtemp(dir=scratch_directory()))
    try:
        snap = collect(source, directory / "sample.spo", jobs=jobs, page_size=page_size, progress=progress)
        table = amounts_of(snap, question)
    finally:
        shutil.rmtree(directory)
    return table, snap.meta


def _check_order(number: int, seconds: float | None, last: float) -> None:
    if seconds is None:
        raise SpoTraceError(
            f"sample {number} is not of the boot that sample 1 is of, or does not tell when it was taken",
            hint=(
                "samples are of one boot, with boot_id and uptime; two boots are compared by: ",
                Call("diff", a="A", b="B"),
            ),
        )
    if seconds <= last:
        raise SpoTraceError(
            f"sample {number} was not taken after the one before it", hint="name the captures in the order of time"
        )
