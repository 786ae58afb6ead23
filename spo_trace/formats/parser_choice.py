# SPDX-License-Identifier: LGPL-2.1-or-later
"""The choice of a parser: the compiled scanner if it is available, else the reference parser."""

from collections.abc import Collection, Iterator
from functools import partial

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats import page_owner, swap_page_owner
from spo_trace.formats.fast.batches import TextFormat, fast_batches
from spo_trace.formats.fast.pages import PAGE_NAMES, ScannedPages
from spo_trace.formats.fast.scanner import PAGE_ROW, SWAP_ROW
from spo_trace.formats.fast.swap import SWAP_NAMES, ScannedSwap
from spo_trace.formats.record import RejectSink
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import located_in_input, records_in, runs_in
from spo_trace.native import library
from spo_trace.native.library import Library

__all__ = ["PAGES", "SWAP", "page_batches", "swap_batches"]

PAGES = TextFormat(page_owner.FILE, schema.PAGES, PAGE_ROW, PAGE_NAMES, ScannedPages, page_owner.record_parser)
SWAP = TextFormat(
    swap_page_owner.FILE,
    schema.SWAP,
    SWAP_ROW,
    SWAP_NAMES,
    ScannedSwap,
    partial(swap_page_owner.entry_parser, bits=64),
)


def page_batches(
    text: KernelText,
    stacks: StackTable,
    reject: RejectSink,
    *,
    jobs: int = 1,
    columns: Collection[str] = schema.PAGES.names,
) -> Iterator[pa.RecordBatch]:
    """Yield at least these columns of `schema.PAGES` of page_owner text, rows in order; both parsers give the same.

    `jobs`: number of parallel scanners. Text that can't be parsed goes to `reject`.
    """
    kept = pa.schema([field for field in schema.PAGES if field.name in columns])
    reject = located_in_input(text, reject)
    compiled = library.load()
    if compiled is None:
        return (batch.select(kept.names) for batch in page_owner.page_batches(records_in(text), stacks, reject))
    return _scanned(compiled, PAGES._replace(schema=kept), text, stacks, reject, jobs)


def swap_batches(
    text: KernelText, stacks: StackTable, reject: RejectSink, *, bits: int = 64, jobs: int = 1
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `schema.SWAP` of swap_page_owner text, as `page_batches` does; `bits`: the word size."""
    reject = located_in_input(text, reject)
    compiled = library.load()
    if compiled is None or bits != 64:
        return swap_page_owner.swap_batches(records_in(text), stacks, reject, bits=bits)
    return _scanned(compiled, SWAP, text, stacks, reject, jobs)


def _scanned(
    compiled: Library, of: TextFormat, text: KernelText, stacks: StackTable, reject: RejectSink, jobs: int
) -> Iterator[pa.RecordBatch]:
    with runs_in(text, jobs) as runs:
        yield from fast_batches(compiled, of, runs, stacks, reject, jobs=jobs)
