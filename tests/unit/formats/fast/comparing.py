# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read page_owner text by the reference parser and by the compiled scanner, and compare all that they say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from spo_trace import schema
from spo_trace.formats import fast_pages
from spo_trace.formats.batch import parse_or_reject
from spo_trace.formats.page_owner import page_batches
from spo_trace.formats.record import KernelText, Record, Reject
from spo_trace.formats.stack_table import Stack, StackTable

__all__ = ["Read", "assert_same", "in_chunks", "left_records", "read_by_reference", "read_by_scanner"]

# Dictionaries may differ where their values do not.
_PLAIN = pa.schema(
    [
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in schema.PAGES
    ]
)


class Read(NamedTuple):
    """Hold all that a parser says of a text."""

    table: pa.Table
    stacks: list[Stack]
    rejects: list[Reject]


def read_by_reference(chunks: Iterable[bytes]) -> Read:
    """Return what the reference parser says."""
    stacks, rejects = StackTable(), list[Reject]()
    return _read(page_batches(KernelText("page_owner", chunks), stacks, rejects.append), stacks, rejects)


def read_by_scanner(chunks: Iterable[bytes], *, jobs: int = 1, block_bytes: int = 1 << 22) -> Read:
    """Return what the compiled scanner says."""
    stacks, rejects = StackTable(), list[Reject]()
    text = KernelText("page_owner", chunks)
    batches = fast_pages.fast_page_batches(text, stacks, rejects.append, jobs=jobs, block_bytes=block_bytes)
    return _read(batches, stacks, rejects)


def _read(batches: Iterator[pa.RecordBatch], stacks: StackTable, rejects: list[Reject]) -> Read:
    tables = []
    for batch in batches:
        batch.validate(full=True)
        assert batch.num_rows
        assert batch.schema.equals(schema.PAGES)
        assert all(field.nullable or not batch[field.name].null_count for field in schema.PAGES)
        tables.append(pa.Table.from_batches([batch]).cast(_PLAIN))
    return Read(pa.concat_tables([_PLAIN.empty_table(), *tables]), list(stacks), rejects)


def assert_same(
    text: bytes | Sequence[bytes], *, jobs: int = 1, block_bytes: int = 1 << 22, expected: Read | None = None
) -> Read:
    """Assert that both parsers say the same of a text; return it. A block is no smaller than its last chunk."""
    chunks = in_chunks(text, max(64, block_bytes // 4)) if isinstance(text, bytes) else text
    reference = read_by_reference(chunks) if expected is None else expected
    scanned = read_by_scanner(chunks, jobs=jobs, block_bytes=block_bytes)
    if not scanned.table.equals(reference.table):
        assert scanned.table.to_pylist() == reference.table.to_pylist()
        pytest.fail("the tables differ")
    assert scanned.stacks == reference.stacks
    assert scanned.rejects == reference.rejects
    return reference


def in_chunks(text: bytes, size: int) -> list[bytes]:
    """Return a text in chunks of `size` bytes."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def left_records(text: bytes) -> list[bytes]:
    """Return the records that the scanner leaves to the reference parser."""
    left = []

    def note(file: str, record: Record, *rest: Any) -> Any:
        left.append(record.text)
        return parse_or_reject(file, record, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_pages, "parse_or_reject", note)
        read_by_scanner([text])
    return left
