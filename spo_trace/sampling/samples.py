# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repeated samples of who owns memory and swap."""

import datetime
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from spo_trace.analysis.attribution import PARTS, attribute
from spo_trace.analysis.diff import sample_seconds
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.question import Question
from spo_trace.collect.aggregates import aggregate_of
from spo_trace.collect.machine_facts import facts_before
from spo_trace.collect.read_log import Progress
from spo_trace.collect.snapshot import collect
from spo_trace.errors import Argument, Call, NoRecords, SpoTraceError
from spo_trace.files.scratch import naming_full_disk
from spo_trace.formats.record import Reject
from spo_trace.reporters.format import counted
from spo_trace.sampling.kept import KeptSnapshots
from spo_trace.sampling.method import MethodReason, checked_method, counts_lack_stacks, is_about_stacks
from spo_trace.sampling.stack_counts import KernelCounts, counts_table
from spo_trace.schema import KEY_KNOWN, SCHEMA_VERSION
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.meta import Meta, SourceFacts
from spo_trace.snapshots.method import Method
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.source import Source

__all__ = ["SERIES_AMOUNTS", "Sample", "amounts_of", "swap_in_all_or_none", "take_samples"]

# Methods that read every record.
_OF_RECORDS = ("memory", "text")

# The table of a sample for another question.
Answer = Callable[[Question], pd.DataFrame]

SERIES_AMOUNTS = [*(f"{name}_bytes" for name in PARTS), "total_bytes"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Hold one sample.

    `number` starts at 1; `seconds` is the time since the first sample. `table`: the keys, key_known, mem_bytes,
    swap_bytes, swap_cache_bytes and total_bytes (only the last is known if `method` is `counts`; the amounts of swap
    are missing also if its owners are unknown). `took`: duration of the read in seconds. `meta`: that of a snapshot;
    with `counts`, only the machine and warnings. `method_reason`: why all samples of the series are read by `method`.
    `answer` returns the table for another question, if samples are kept: of the first sample, and of each other one
    until the next one is taken.
    """

    number: int
    seconds: float
    taken_at: str
    method: str
    took: float
    table: pd.DataFrame
    meta: Meta
    method_reason: MethodReason = MethodReason.ASKED
    answer: Answer | None = None

    @property
    def lacks_stacks(self) -> bool:
        """Return whether the table may lack stacks, because the kernel does not count all of them."""
        return self.method == "counts" and counts_lack_stacks(self.meta.machine.kernel_release)


def take_samples(
    sources: Iterable[Source],
    question: Question,
    *,
    method: str = "auto",
    jobs: int | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
    keep: bool = False,
) -> Iterator[Sample]:
    """Yield a sample of each source, all of one boot; `page_size` in bytes replaces that of the sources.

    `keep`: samples can be asked further questions. `method`: one of METHODS. `auto` reads the kernel's own count for
    each stack if it exists, has all stacks and suffices for the question, otherwise all records. Raise SpoTraceError if
    two sources are of different boots or in the wrong order.
    """
    with KeptSnapshots(keep=keep) as kept:
        yield from _samples(sources, question, method, _Reader(jobs, page_size, progress, kept))


def _samples(sources: Iterable[Source], question: Question, method: str, reader: "_Reader") -> Iterator[Sample]:
    first: Meta | None = None
    last = -1.0
    reason: MethodReason | None = None
    for number, source in enumerate(sources, 1):
        started = time.monotonic()
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        # A change of method within a series would look like growth: keep the method of the first sample.
        method, why, table, meta, answer = reader.read(source, question, method)
        reason = reason or why
        first = first or meta
        seconds = sample_seconds(first, meta)
        _check_order(number, seconds, last)
        assert seconds is not None
        last = seconds
        took = time.monotonic() - started
        taken_at = meta.machine.taken_at or now
        kept = answer if reader.kept.keep else None
        yield Sample(number, seconds, taken_at, method, took, table, meta, reason, kept)


def amounts_of(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Return the table of a sample from a snapshot.

    If no record matches, the table has one row with null keys, so that a recording still contains the sample.
    """
    # grouped_by() drops question.sort, which may be an order that only a table of growth has.
    keys = question.keys
    table = attribute(snap, question.grouped_by(keys))[[*owner_columns(keys), *SERIES_AMOUNTS]]
    if len(table):
        return table
    known = {KEY_KNOWN: True} | {name: 0 for name in SERIES_AMOUNTS if table[name].dtype == "int64"}
    return pd.DataFrame({name: [known.get(name, pd.NA)] for name in table.columns})


def swap_in_all_or_none(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` of all samples; without swap if only some have it, because it would appear as growth."""
    known = table[["mem_bytes", "swap_bytes"]].notna().groupby(table["sample"]).transform("any")
    lacking = known["mem_bytes"] & ~known["swap_bytes"]
    if lacking.all() or not lacking.any():
        return table
    unknown = dict.fromkeys(("swap_bytes", "swap_cache_bytes"), unknown_numbers(table))
    return table.assign(**unknown, total_bytes=table["mem_bytes"].fillna(0))


class _Reading(NamedTuple):
    method: str
    why: MethodReason
    table: pd.DataFrame
    meta: Meta
    answer: Answer


class _Reader:
    """Read samples; stacks of the kernel's counts are read once for all of them."""

    def __init__(self, jobs: int | None, page_size: int | None, progress: Progress | None, kept: KeptSnapshots) -> None:
        self.kept = kept
        self._jobs, self._page_size, self._progress = jobs, page_size, progress
        self._rejects: Counter[str] = Counter()
        self._counts = KernelCounts(self._count)

    def _count(self, reject: Reject) -> None:
        self._rejects[reject.file] += 1

    def read(self, source: Source, question: Question, method: str) -> _Reading:
        """Return a sample, with the method that was used."""
        self._rejects.clear()
        reading = self._read(source, question, method)
        unparsed = [f"{name}: {counted(lost, 'record')} can't be parsed" for name, lost in self._rejects.items()]
        return reading._replace(meta=replace(reading.meta, warnings=[*reading.meta.warnings, *unparsed]))

    def _read(self, source: Source, question: Question, method: str) -> _Reading:
        records = partial(self._records, source, question)
        # An aggregate is small, and its text is what is asked about.
        if method in _OF_RECORDS or aggregate_of(source) is not None:
            return records(MethodReason.ASKED)
        if not is_about_stacks(question):
            return records(MethodReason.QUESTION)
        warnings: list[str] = []
        machine = facts_before(source, warnings, self._page_size)
        why = MethodReason.ASKED if method == "counts" else MethodReason.COUNTS_SUFFICE
        if method == "auto" and counts_lack_stacks(machine.kernel_release):
            try:
                return records(MethodReason.COUNTS_LACK_STACKS)
            except NoRecords:
                why = MethodReason.NO_RECORDS
        # Without boot_id or uptime, the records of page_owner show the boot and the time. The counts do not.
        has_time = machine.boot_id is not None and machine.uptime_start is not None
        counts = self._counts.read(source) if has_time else None
        if counts:
            meta = Meta(SCHEMA_VERSION, machine, source=SourceFacts(source.kind), warnings=warnings)
            answer = partial(_of_counts, counts, machine.page_size)
            return _Reading("counts", why, answer(question), meta, answer)
        if method == "counts":
            text = source.why_missing("show_stacks").text if has_time else "the capture lacks boot_id or uptime"
            raise SpoTraceError(
                f"no counts of stacks: {text}", hint=(Argument("method", "auto"), " reads page_owner instead")
            )
        return records(MethodReason.NO_COUNTS)

    def _records(self, source: Source, question: Question, why: MethodReason) -> _Reading:
        with naming_full_disk(), self.kept.directory() as directory:
            snap = collect(
                source,
                directory / "sample.spo",
                jobs=self._jobs,
                page_size=self._page_size,
                progress=self._progress,
            )
            method = "memory" if snap.meta.method is Method.MEMORY else "text"
            reading = _Reading(method, why, amounts_of(snap, question), snap.meta, partial(amounts_of, snap))
        # Until the next sample, others need it more: 10 MiB after a sample of 35,000 records.
        pa.default_memory_pool().release_unused()
        return reading


def _of_counts(counts: dict[tuple[str, ...], int], page_size: int, question: Question) -> pd.DataFrame:
    checked_method("counts", question)
    return counts_table(counts, question.keys, page_size)


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
