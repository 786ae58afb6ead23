# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which parser reads page_owner: the reference parser at once, or the compiled scanner where it pays."""

import logging
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain

import pyarrow as pa

from spo_trace.formats import page_owner
from spo_trace.formats.record import KernelText, RejectSink
from spo_trace.formats.stack_table import StackTable

__all__ = ["pages"]

# The scanner takes about half a second to load; the reference parser has read this much by then.
_WORTH_IT = 24 << 20


def pages(text: KernelText, stacks: StackTable, reject: RejectSink, *, jobs: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `schema.PAGES` of page_owner text, in its order: the same by either parser.

    `jobs`: how many scanners run at once. What can't be parsed goes to `reject`.
    """
    if text.records is not None or find_spec("numba") is None:
        return page_owner.page_batches(text, stacks, reject)
    chunks = iter(text.chunks)
    head, size = _first(chunks, _WORTH_IT)
    text.chunks = chain(head, chunks)
    if size < _WORTH_IT:
        return page_owner.page_batches(text, stacks, reject)
    from spo_trace.formats.compiled import use_cache

    if not use_cache():
        logging.getLogger(__name__).info("compiling the scanner, once on this machine: some 10 seconds")
    from spo_trace.formats.fast_pages import fast_page_batches

    return fast_page_batches(text, stacks, reject, jobs=jobs)


def _first(chunks: Iterator[bytes], enough: int) -> tuple[Iterable[bytes], int]:
    head: list[bytes] = []
    size = 0
    while size < enough and (chunk := next(chunks, None)) is not None:
        head.append(chunk)
        size += len(chunk)
    return head, size
