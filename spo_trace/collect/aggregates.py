# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read an aggregate, or dumps of single pages, in place of page_owner."""

import datetime

from spo_trace import schema
from spo_trace.collect.read_log import ReadLog
from spo_trace.collect.rows import RowWriter
from spo_trace.collect.stack_files import StackFiles
from spo_trace.errors import SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.batch import to_batches
from spo_trace.formats.page_dump import dump_batches
from spo_trace.formats.page_owner_sort import sorted_batches
from spo_trace.formats.page_owner_stacks import StackRecord
from spo_trace.formats.rows import AggregateRow
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text_reader import chunks_in, located_in_input
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.source import Source

__all__ = ["aggregate_of", "modified_at", "read_aggregate"]

_TEXTS = {AggregateKind.PAGE_OWNER_SORT: sorted_batches, AggregateKind.PAGE_DUMP: dump_batches}


def aggregate_of(source: Source) -> AggregateKind | None:
    """Return what a source has in place of page_owner, None if it has page_owner or swap_page_owner."""
    return source.aggregate if isinstance(source, CaptureSource) else None


def modified_at(source: Source) -> str | None:
    """Return when the file of an aggregate, or of sites alone, was modified last (UTC), None if that is unknown."""
    seconds = source.modified_at if isinstance(source, CaptureSource) else None
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def read_aggregate(
    kind: AggregateKind, source: Source, stacks: StackTable, stack_files: StackFiles, log: ReadLog, rows: RowWriter
) -> None:
    """Write the rows of an aggregate. Raise SpoTraceError if it has numbers of allocations, but not of pages."""
    if kind not in _TEXTS:
        _read_counts(kind, stack_files, stacks, log, rows)
        return
    text = source.open(kind.value)
    assert text is not None
    with log.reading(text) as counts:
        rows.write_aggregates(counts, _TEXTS[kind](chunks_in(text), stacks, located_in_input(text, log.reject)))


def _read_counts(
    kind: AggregateKind, stack_files: StackFiles, stacks: StackTable, log: ReadLog, rows: RowWriter
) -> None:
    # The kernel prints each stack once. If a stack is repeated, its last count is used.
    latest = {record.key: record for record in stack_files.records(kind.value)}
    counts = log.files[kind.value]
    counts.records = 0
    found = [_count_row(kind, record, stacks) for record in latest.values()]
    rows.write_aggregates(counts, to_batches(schema.AGGREGATES, found))


def _count_row(kind: AggregateKind, record: StackRecord, stacks: StackTable) -> AggregateRow:
    if record.nr_base_pages is None:
        raise SpoTraceError(
            f"{kind.shown} has the number of allocations (stack_count), but not of pages",
            hint="read page_owner, or show_stacks of Linux 6.9 or later, which prints nr_base_pages",
        )
    lines, handle = (b"", record.handle) if kind is AggregateKind.SHOW_HANDLES else (record.stack or b"", None)
    stack_id = stacks.intern_printed(lines, handle)
    stacks[stack_id].nr_base_pages = record.nr_base_pages
    # The kernel's counter is negative if it is saturated.
    pages = record.nr_base_pages if record.nr_base_pages >= 0 else None
    return AggregateRow(stack_id=stack_id, allocations=record.stack_count, base_pages=pages)
