# SPDX-License-Identifier: LGPL-2.1-or-later
"""Join a source, the formats and the snapshot writer: the one place where a snapshot is made."""

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spo_trace import schema
from spo_trace.analysis.arguments import number_of
from spo_trace.collect.cost import Cost
from spo_trace.collect.machine_facts import address_bits, facts_after, facts_before
from spo_trace.collect.read_log import Progress, ReadLog
from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.files.access import OWN, Access
from spo_trace.formats.arrays import values_of
from spo_trace.formats.batch import to_batch
from spo_trace.formats.missing import Missing
from spo_trace.formats.page_owner_stacks import StackRecord, stack_records
from spo_trace.formats.parser_choice import page_batches, swap_batches
from spo_trace.formats.rows import StackRow
from spo_trace.formats.stack_table import Stack, StackTable, hash_texts
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.machine.command_line import wants_swap
from spo_trace.snapshots.page_size import PageSizeFrom, contradictions
from spo_trace.snapshots.reader import Snapshot
from spo_trace.snapshots.writer import SnapshotWriter
from spo_trace.sources.choose import default_jobs
from spo_trace.sources.source import Source
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import meaning
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace.probes.running_trace import RunningTrace

__all__ = ["SWAP_MODES", "collect"]

SWAP_MODES = ("auto", "debugfs", "bpf", "none")

_NO_PATCH = (
    "the kernel was booted with page_owner=on,swap but has no swap_page_owner: it lacks the patch, and took the"
    " option for page_owner=on; the owners of swapped pages are not known"
)
_NAMELESS = "stacks are known by their handle alone: page_owner printed it in their place, and nothing told the stack"
_STACK_COUNT = "show_stacks prints stack_count, which counts allocations and not pages (6.9-rc): not used"


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
    """Make the snapshot `target` of what `source` gives, and return it open.

    `jobs`: how many scanners of text run at once, by default `default_jobs()`; the snapshot is the same whatever it is.
    `page_columns`: the columns of pages that are kept, by default all. `page_size`: of the machine, in bytes, in place
    of what the source tells.

    Records that can't be parsed are kept in its rejects.txt and counted; `strict` makes the first one an error.
    Raise SpoTraceError if the source has no page_owner record at all, or `target` can't be written.
    """
    if swap not in SWAP_MODES:
        raise UsageError(f"there is no swap mode {swap!r}", hint=f"choose one of {', '.join(SWAP_MODES)}")
    jobs = number_of(jobs, "jobs", least=1) or default_jobs()
    tables = schema.TABLES if page_columns is None else schema.with_page_columns(page_columns)
    with SnapshotWriter(target, force=force, access=access, ahead=jobs > 1, tables=tables) as writer:
        log = ReadLog(writer.reject, strict=strict, progress=progress)
        writer.commit(_Collection(source, writer, log, jobs, tables, page_size).run(swap))
    return Snapshot(target)


class _Collection:
    """Hold what one collection's steps share."""

    def __init__(
        self,
        source: Source,
        writer: SnapshotWriter,
        log: ReadLog,
        jobs: int,
        tables: Mapping[str, pa.Schema],
        page_size: int | None,
    ) -> None:
        self._source = source
        self._writer = writer
        self._log = log
        self._jobs = jobs
        self._tables = tables
        self._page_size = page_size
        self._stacks = StackTable()
        self._warnings: list[str] = []
        self._missing: dict[str, dict[str, str]] = {}
        self._stacks_blocked = False
        self._cost = Cost() if source.kind == "live" else None

    def run(self, swap: str) -> dict[str, Any]:
        """Write all tables, and return what snapshot.json is to hold."""
        started = datetime.datetime.now(datetime.UTC)
        facts = facts_before(self._source, self._warnings, self._page_size)
        self._read_handles()
        with self._choose_trace(swap) as trace:
            self._read_pages(trace, facts)
            # At once: they are held against each other.
            self._read_nr_base_pages()
            swap_owner = self._read_probes(trace) if trace else self._read_swap(swap, facts)
            swap_owner["kept_by_kernel"] = self._swap_text is not None
        self._refuse_empty()
        after = facts_after(self._source, self._warnings)
        self._stacks.fill_handles()
        if self._stacks.nameless:
            self._warnings.append(f"{self._stacks.nameless:,} {_NAMELESS}")
        self._writer.write("stacks", to_batch(schema.STACKS, [_stack_row(stack) for stack in self._stacks]))
        return {
            "schema_version": schema.SCHEMA_VERSION,
            "tool_version": __version__,
            "written_at": started.isoformat(timespec="seconds"),
            "source": {"kind": self._source.kind, **self._source.options},
            "swap_owner": swap_owner,
            "files": {name: counts.as_json() for name, counts in self._log.files.items()},
            "missing": self._missing,
            "cost": self._cost.as_json(self._log.files) if self._cost else None,
            "warnings": self._warnings,
            **({} if self._tables is schema.TABLES else {"page_columns": self._tables["pages"].names}),
            **facts,
            **after,
        }

    # First, as page_owner may print a handle in place of each stack (print_mode).
    def _read_handles(self) -> None:
        for record in self._stack_records("show_stacks_handles"):
            if record.handle is not None and record.stack is not None:
                self._stacks.know_handle(record.handle, record.stack)

    # A kernel that keeps the owners of swap itself is asked first.
    def _choose_trace(self, mode: str) -> "RunningTrace | AbstractContextManager[None]":
        live = self._source.kind == "live"
        if mode == "bpf" and not live:
            raise UsageError(
                (Argument("swap", "bpf"), f" asks this machine's kernel, not a {self._source.kind}"),
                hint=("leave out ", Argument("swap"), ", or read this machine"),
            )
        if not live or mode not in ("auto", "bpf") or (mode == "auto" and self._swap_text is not None):
            return nullcontext()
        from spo_trace.probes.running_trace import running_trace

        return running_trace(mode, self._stacks) or nullcontext()

    def _read_pages(self, trace: "RunningTrace | None", facts: dict[str, Any]) -> None:
        text = self._source.open("page_owner")
        if text is not None:
            # Whatever is kept, the times are looked at.
            columns = {*self._tables["pages"].names, "ts_nsec"}
            batches: Iterable[pa.RecordBatch] = page_batches(
                text, self._stacks, self._log.reject, jobs=self._jobs, columns=columns
            )
            self._write_rows("pages", text, trace.restore(batches) if trace else batches)
            source = PageSizeFrom(facts["page_size_from"])
            self._warnings += contradictions(facts["page_size"], source, [], text.outcome.pageblock_order)

    def _read_probes(self, trace: "RunningTrace") -> dict[str, Any]:
        self._write_rows("swap", KernelText("bpf", Chunks(())), trace.batches())
        self._warnings += trace.warnings()
        return {"code": None, **trace.facts()}

    @cached_property
    def _swap_text(self) -> KernelText | None:
        return self._source.open("swap_page_owner")

    def _read_swap(self, mode: str, facts: dict[str, Any]) -> dict[str, Any]:
        if mode == "none":
            return {"origin": None, "why": "not asked for", "code": Missing.NOT_ASKED_FOR}
        text = self._swap_text
        if text is not None:
            bits = address_bits(facts["arch"])
            batches = swap_batches(text, self._stacks, self._log.reject, bits=bits, jobs=self._jobs)
            self._write_rows("swap", text, batches)
            return {"origin": "debugfs", "why": None, "code": None}
        why = self._source.why_missing("swap_page_owner")
        if mode == "debugfs":
            hint = (Argument("swap", "auto"), " goes on without it")
            raise SpoTraceError(f"no swap_page_owner: {why.text}", hint=hint)
        if wants_swap(facts["cmdline"]) and why.code is Missing.NO_FILE:
            self._warnings.append(_NO_PATCH)
        return {"origin": None, "why": why.text, "code": why.code}

    def _refuse_empty(self) -> None:
        counts = [self._log.files[name] for name in ("page_owner", "swap_page_owner") if name in self._log.files]
        if any(count.records for count in counts):
            return
        if not counts:
            why = self._source.why_missing("page_owner")
            raise SpoTraceError(
                f"there is no page_owner to read: {why.text}",
                hint=why.hint or "on the machine itself: spo-trace doctor",
            )
        said = [text for count in counts for text in (count.problem, count.first_reject) if text]
        raise SpoTraceError(
            "page_owner holds no record that can be read" + (f": {said[0]}" if said else ": it is empty"),
            hint="the text begins like this: Page allocated via order 0, mask 0x…",
        )

    def _read_nr_base_pages(self) -> None:
        counted = counts_allocations = False
        for record in self._stack_records("show_stacks"):
            if record.stack is not None and record.nr_base_pages is not None:
                self._stacks[self._stacks.intern(record.stack)].nr_base_pages = record.nr_base_pages
                counted = True
            counts_allocations |= record.stack_count is not None
        if counts_allocations:
            self._warnings.append(_STACK_COUNT)
        if not counted:
            for record in self._stack_records("show_handles"):
                if record.handle is not None and record.nr_base_pages is not None:
                    self._stacks[self._stacks.intern_handle(record.handle)].nr_base_pages = record.nr_base_pages

    def _write_rows(self, table: str, text: KernelText, batches: Iterable[pa.RecordBatch]) -> None:
        kept = set(self._tables[table].names)
        with self._log.reading(text) as counts:
            for batch in batches:
                self._writer.write(table, batch.select([n for n in batch.schema.names if n in kept]))
                if self._cost and table == "pages":
                    self._cost.see(batch)
                counts.records += batch.num_rows
                times = values_of(batch.column("ts_nsec"))
                # Time 0 stands for "not known yet" on early pages.
                if (known := times[times > 0]).size:
                    counts.see_times(int(known.min()), int(known.max()))
                self._log.progress(text, counts)
        self._writer.finish(table)

    def _stack_records(self, name: str) -> Iterator[StackRecord]:
        text = self._source.open(name)
        if text is None:
            self._note_missing(name)
            return
        with self._log.reading(text) as counts:
            for record in stack_records(text, self._log.reject):
                counts.records += 1
                yield record

    def _note_missing(self, name: str) -> None:
        why = self._source.why_missing(name)
        self._missing[name] = {"code": why.code, "why": why.text}
        if why.code is Missing.BLOCKED and not self._stacks_blocked:
            # One stuck reader is the reason for all of page_owner_stacks: one warning.
            self._stacks_blocked = True
            self._warnings.append(f"page_owner_stacks is left out: {name}: {why.text}")
        elif why.code in (Missing.READ_ERROR, Missing.PERMISSION):
            self._warnings.append(f"{name} is left out: {why.text}")


def _stack_row(stack: Stack) -> StackRow:
    frames = stack.frames
    # A stack known by its handle alone is still another stack than the next one.
    named = frames or ((f"handle: {stack.handle}",) if stack.handle is not None else ())
    symbols = [function_name(frame) for frame in named]
    category, caller, module = meaning(frames)
    return StackRow(
        stack_id=stack.stack_id,
        stack_hash=hash_texts(named),
        symbol_hash=hash_texts(symbols),
        frames=list(frames),
        handle=stack.handle,
        nr_base_pages=stack.nr_base_pages,
        category=category,
        caller=caller,
        module=module,
    )
