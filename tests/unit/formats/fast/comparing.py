# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read kernel text with the reference parser and with the compiled scanner, and compare all results."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from spo_trace.formats import page_owner, swap_page_owner
from spo_trace.formats.batch import parse_or_reject
from spo_trace.formats.fast import batches as fast_batches
from spo_trace.formats.fast.batches import TextFormat
from spo_trace.formats.fast.text_runs import delimited_runs, file_runs, stream_runs
from spo_trace.formats.parser_choice import PAGES, SWAP
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record, Reject
from spo_trace.formats.runs import gathered
from spo_trace.formats.stack_table import Stack, StackTable
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, Outcome
from spo_trace.formats.text_reader import records_in
from spo_trace.native import library

__all__ = [
    "PAGES",
    "SWAP",
    "Read",
    "assert_equal",
    "assert_same",
    "in_chunks",
    "left_records",
    "read_by_reference",
    "read_by_scanner",
    "read_file_by_scanner",
]

_REFERENCE: dict[str, Callable[..., Iterator[pa.RecordBatch]]] = {
    PAGES.file: page_owner.page_batches,
    SWAP.file: swap_page_owner.swap_batches,
}


class Read(NamedTuple):
    """Hold all results of a parser for a text."""

    table: pa.Table
    stacks: list[Stack]
    rejects: list[Reject]

    @property
    def rejected(self) -> list[Reject]:
        """Return the rejects and marks without that of the order, for texts that repeat a record."""
        return [reject for reject in self.rejects if reject.code is not Reason.GOES_BACK]


def read_by_reference(chunks: Iterable[bytes], of: TextFormat = PAGES, *, delimited: bool = False) -> Read:
    """Return the results of the reference parser."""
    stacks, rejects = StackTable(), list[Reject]()
    text = KernelText(of.file, DelimitedRecords(gathered(chunks)) if delimited else Chunks(chunks))
    return read(_REFERENCE[of.file](records_in(text), stacks, rejects.append), of, stacks, rejects)


def read_by_scanner(
    chunks: Iterable[bytes],
    of: TextFormat = PAGES,
    *,
    delimited: bool = False,
    jobs: int = 1,
    run_bytes: int = 1 << 22,
) -> Read:
    """Return the results of the compiled scanner."""
    compiled = library.load()
    assert compiled is not None
    stacks, rejects = StackTable(), list[Reject]()
    runs = delimited_runs(gathered(chunks, run_bytes)) if delimited else stream_runs(chunks, run_bytes)
    batches = fast_batches.fast_batches(compiled, of, runs, stacks, rejects.append, jobs=jobs)
    return read(batches, of, stacks, rejects)


def read_file_by_scanner(text: bytes, of: TextFormat = PAGES, *, jobs: int = 1, run_bytes: int = 1 << 22) -> Read:
    """Return the results of the compiled scanner for a plain file."""
    compiled = library.load()
    assert compiled is not None
    stacks, rejects = StackTable(), list[Reject]()
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        runs = file_runs(file, Outcome(), run_bytes)
        batches = fast_batches.fast_batches(compiled, of, runs, stacks, rejects.append, jobs=jobs)
        return read(batches, of, stacks, rejects)


def read(batches: Iterator[pa.RecordBatch], of: TextFormat, stacks: StackTable, rejects: list[Reject]) -> Read:
    """Return what a parser yields, and the `stacks` and `rejects` that it has filled."""
    # Dictionaries may differ if the values are the same.
    plain = pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in of.schema])
    tables = []
    for batch in batches:
        batch.validate(full=True)
        assert batch.num_rows
        assert batch.schema.equals(of.schema)
        assert all(field.nullable or not batch[field.name].null_count for field in of.schema)
        tables.append(pa.Table.from_batches([batch]).cast(plain))
    return Read(pa.concat_tables([plain.empty_table(), *tables]), list(stacks), rejects)


def assert_same(
    text: bytes | Sequence[bytes],
    of: TextFormat = PAGES,
    *,
    delimited: bool = False,
    jobs: int = 1,
    run_bytes: int = 1 << 22,
    expected: Read | None = None,
) -> Read:
    """Assert that both parsers agree on a text; return the results. A run is at least as large as its last chunk."""
    chunks = in_chunks(text, max(64, run_bytes // 4)) if isinstance(text, bytes) else text
    reference = read_by_reference(chunks, of, delimited=delimited) if expected is None else expected
    scanned = read_by_scanner(chunks, of, delimited=delimited, jobs=jobs, run_bytes=run_bytes)
    assert_equal(scanned, reference)
    return reference


def assert_equal(scanned: Read, reference: Read) -> None:
    """Assert that both results are the same."""
    if not scanned.table.equals(reference.table):
        assert scanned.table.to_pylist() == reference.table.to_pylist()
        pytest.fail("the tables differ")
    assert scanned.stacks == reference.stacks
    assert scanned.rejects == reference.rejects


def in_chunks(text: bytes, size: int) -> list[bytes]:
    """Return a text in chunks of `size` bytes."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def left_records(text: bytes, of: TextFormat = PAGES) -> list[bytes]:
    """Return the records that the scanner leaves to the reference parser."""
    left = []

    def note(record: Record, *rest: Any) -> Any:
        left.append(record.text)
        return parse_or_reject(record, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_batches, "parse_or_reject", note)
        read_by_scanner([text], of)
    return left
