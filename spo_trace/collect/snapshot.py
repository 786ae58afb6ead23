# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take a snapshot: read a source, parse its files and write the tables."""

import datetime
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spo_trace import schema
from spo_trace.analysis.arguments import number_of
from spo_trace.collect.aggregates import aggregate_of, modified_at, read_aggregate
from spo_trace.collect.blocks import Blocks
from spo_trace.collect.cost import CostMeter
from spo_trace.collect.has_records import check_has_records
from spo_trace.collect.machine_facts import facts_after, facts_before, with_block_sizes
from spo_trace.collect.machine_tables import write_machine_tables
from spo_trace.collect.memcg_paths import with_memcg_paths
from spo_trace.collect.read_log import Progress, ReadLog
from spo_trace.collect.reading import MachineReading, check_swap_mode, read_machine
from spo_trace.collect.rows import RowWriter
from spo_trace.collect.sites import write_sites
from spo_trace.collect.stack_files import StackFiles
from spo_trace.collect.stack_rows import stack_row
from spo_trace.collect.swap_owners import SwapOwners
from spo_trace.files.access import OWN, Access
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.batch import to_batch
from spo_trace.formats.parser_choice import page_batches
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, KernelText, Outcome
from spo_trace.reporters.format import counted
from spo_trace.snapshots.directory import snapshot_directory
from spo_trace.snapshots.meta import FileCounts, Meta, Origin, SourceFacts
from spo_trace.snapshots.method import Method
from spo_trace.snapshots.reader import Snapshot
from spo_trace.snapshots.writer import SnapshotWriter
from spo_trace.sources.backends import default_jobs
from spo_trace.sources.collected import CollectedSource
from spo_trace.sources.live import LiveSource
from spo_trace.sources.live_capture import ReadProgress
from spo_trace.sources.memory_plan import Choice
from spo_trace.sources.source import Source
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace.probes.running_trace import RunningTrace

__all__ = ["collect", "source_of", "write_snapshot"]

_HANDLE_ONLY = "known by handle only: page_owner printed it in place of the stack, and no file has both"


def collect(
    source: Source,
    target: Path,
    *,
    swap: str = "auto",
    strict: bool = False,
    force: bool = False,
    access: Access = OWN,
    jobs: int | None = None,
    page_columns: Collection[str] | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Write the snapshot `target` of `source` and return it open.

    `jobs`: number of parallel parsers, by default `default_jobs()`; the snapshot does not depend on it.
    `page_columns`: the columns of pages to keep, by default all. `page_size`: of the machine, in bytes; overrides the
    one in the source.

    Malformed records are counted and kept in rejects.txt; with `strict`, the first one is an error.
    Raise SpoTraceError if neither page_owner nor swap_page_owner has a record (NoRecords if both are missing), or if
    `target` can't be written.
    """
    check_swap_mode(swap)
    # Checked before the target is created.
    jobs = number_of(jobs, "jobs", least=1) or default_jobs()
    with snapshot_directory(target, access=access, force=force) as output:
        reading = None
        if isinstance(source, LiveSource):
            reading = read_machine(output, source.request, swap=swap, progress=_adapted(progress))
            source = source_of(reading)
        write_snapshot(
            output,
            source,
            reading,
            swap=swap,
            strict=strict,
            jobs=jobs,
            page_columns=page_columns,
            page_size=page_size,
            progress=progress,
        )
    return Snapshot(target)


def write_snapshot(
    output: OutputDirectory,
    source: Source,
    reading: MachineReading | None = None,
    *,
    swap: str,
    strict: bool,
    jobs: int,
    page_columns: Collection[str] | None = None,
    page_size: int | None,
    progress: Progress | None,
) -> None:
    """Write the snapshot of a source, and give it its name; the options are those of `collect`.

    `reading`: the reading of this machine of which `source` is the capture; it is closed.
    """
    aggregate = None if reading else aggregate_of(source)
    tables: Mapping[str, pa.Schema] = schema.TABLES
    if aggregate is not None:
        tables = schema.AGGREGATE_TABLES
    elif page_columns is not None:
        # The columns that show whether a page is listed twice are always there.
        tables = schema.with_page_columns({*page_columns, *Blocks.columns("pages")})
    with SnapshotWriter(output, ahead=jobs > 1, tables=tables) as writer:
        log = ReadLog(writer.reject, strict=strict, progress=progress, began=reading.began if reading else None)
        with reading or nullcontext():
            meta = _Collection(source, reading, writer, log, jobs, tables, aggregate).run(swap, page_size)
        writer.commit(meta)


# The collector reports positions, and has counted no records.
def _adapted(progress: Progress | None) -> ReadProgress | None:
    def report(name: str, position: int, last: int | None) -> None:
        assert progress is not None
        progress(KernelText(name, Chunks(()), last, outcome=Outcome(reached=position)), FileCounts())

    return report if progress else None


class _Collection:
    """Hold what the steps of one collection share."""

    def __init__(
        self,
        source: Source,
        reading: MachineReading | None,
        writer: SnapshotWriter,
        log: ReadLog,
        jobs: int,
        tables: Mapping[str, pa.Schema],
        aggregate: AggregateKind | None,
    ) -> None:
        self._source = source
        self._aggregate = aggregate
        self._trace = reading.trace if reading else None
        self._choice = reading.choice if reading else Choice(_method_of(source))
        self._writer = writer
        self._log = log
        self._jobs = jobs
        self._tables = tables
        self._stacks = StackTable()
        self._warnings: list[str] = []
        self._cost = CostMeter(reading) if reading else None
        self._rows = RowWriter(writer, log, tables, self._cost)

    def run(self, swap_mode: str, page_size: int | None) -> Meta:
        """Write all tables, and return the metadata of the snapshot."""
        started = datetime.datetime.now(datetime.UTC)
        machine = facts_before(self._source, self._warnings, page_size)
        self._writer.identify(machine)
        stack_files = StackFiles(self._source, self._log, self._stacks, self._warnings)
        stack_files.read_handles()
        swap = SwapOwners(
            swap_mode, self._source, self._trace, self._stacks, self._warnings, _origin_of(self._choice.method)
        )
        if self._aggregate is not None:
            read_aggregate(self._aggregate, self._source, self._stacks, stack_files, self._log, self._rows)
        else:
            machine = with_block_sizes(self._source, machine, self._read_pages(swap.trace), self._warnings)
            stack_files.read_counts()
        swap_owner = swap.read(machine, self._rows, self._log, self._jobs)
        if not write_sites(self._source, self._writer, self._log, self._warnings):
            check_has_records(self._source, self._log, self._aggregate)
        write_machine_tables(self._source, self._writer, self._log, self._warnings)
        self._rows.check_total(machine.page_size)
        machine = facts_after(self._source, machine, self._warnings)
        self._write_stacks(stack_files.handles_are_kernels)
        options = dict(self._source.options)
        return Meta(
            schema.SCHEMA_VERSION,
            machine,
            tool_version=__version__,
            written_at=started.isoformat(timespec="seconds"),
            source=SourceFacts(self._source.kind, cut_off=options.pop("cut_off", None), options=options),
            swap_owner=swap_owner,
            files=self._log.files,
            missing=stack_files.missing,
            method=self._choice.method if self._aggregate is None else Method.AGGREGATE,
            compared=self._choice.compared,
            method_why=self._choice.why,
            cost=self._cost.total(self._log.files) if self._cost else None,
            warnings=self._warnings,
            page_columns=self._tables["pages"].names if self._has_part_of_pages() else None,
            aggregate=self._aggregate,
            modified_at=modified_at(self._source),
        )

    # Write the rows of pages. Return the order of a pageblock, None if the text does not show it.
    def _read_pages(self, trace: "RunningTrace | None") -> int | None:
        text = self._source.open("page_owner")
        if text is None:
            return None
        columns = self._rows.columns("pages")
        batches: Iterable[pa.RecordBatch] = page_batches(
            text, self._stacks, self._log.reject, jobs=self._jobs, columns=columns
        )
        restored = trace.restore(batches) if trace else batches
        self._rows.write("pages", text, with_memcg_paths(self._source, restored, self._warnings))
        return text.outcome.pageblock_order

    def _has_part_of_pages(self) -> bool:
        return "pages" in self._tables and self._tables is not schema.TABLES

    def _write_stacks(self, handles_are_kernels: bool) -> None:
        if handles_are_kernels:
            self._stacks.fill_handles()
        if self._stacks.handle_only:
            found = counted(self._stacks.handle_only, "stack is", "stacks are")
            self._warnings.append(f"{found} {_HANDLE_ONLY}")
        # In batches, because the rows of all stacks take more memory than the stacks themselves.
        stacks = iter(self._stacks)
        while some := list(islice(stacks, _STACK_ROWS)):
            rows = [stack_row(stack, handles_are_kernels) for stack in some]
            self._writer.write("stacks", to_batch(schema.STACKS, rows))


def source_of(reading: MachineReading) -> Source:
    """Return the source of what was read of this machine."""
    if reading.choice.method is Method.MEMORY:
        from spo_trace.sources.collected_memory import CollectedMemory

        return CollectedMemory(reading.directory, reading.request.planner)
    return CollectedSource(reading.directory, reading.request.root)


def _origin_of(method: Method) -> Origin:
    return Origin.DEBUGFS if method is Method.TEXT else Origin.MEMORY


def _method_of(source: Source) -> Method:
    return Method.DUMP if source.kind == "dump" else Method.TEXT


_STACK_ROWS = 1 << 12
