# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records parsed to rows, and rows joined to Arrow record batches."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from spo_trace.formats.arrays import array_of, record_batch
from spo_trace.formats.body import Body, BodyReader
from spo_trace.formats.distinct import DistinctNames
from spo_trace.formats.garbage import is_garbage, rejected_garbage
from spo_trace.formats.key_order import KeyOrder
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Malformed, Record, Reject, RejectSink
from spo_trace.formats.rows import OwnerRow, Row
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.whitespace import normalized

__all__ = ["Draft", "RecordParser", "parse_or_reject", "parsed_batches", "to_batch", "to_batches"]

# Large enough to amortise the cost of a batch, small enough for the processor's caches.
_BATCH_ROWS = 1 << 14

# Codes of text in a record that is kept: the text is part of another record, which is lost.
_LOST_ALTHOUGH_KEPT = frozenset({Reason.CUT_OFF, Reason.NO_FIRST_LINE, Reason.MARKED})

# Codes of single lines, which are counted one by one.
_LINES = frozenset({Reason.LINE, Reason.PFN_LINE, Reason.STACK_GAP})


class Draft(NamedTuple):
    """Hold a parsed record: `row` makes its row, given a stack_id; `marks` are codes of MARKS."""

    row: Callable[[int], OwnerRow]
    body: Body
    marks: tuple[Reason, ...] = ()


class RecordParser:
    """Turn records into rows. `read` only parses; `row` also adds to the stacks and passes rejects to the sink."""

    def __init__(
        self, file: str, stacks: StackTable, reject: RejectSink, read: Callable[[Record, BodyReader], Draft]
    ) -> None:
        self.file = file
        self.reject = reject
        self._stacks = stacks
        self._read = read
        self._bodies = BodyReader()
        self._names = {column: DistinctNames(column) for column in ("comm", "memcg")}

    def read(self, record: Record) -> Draft:
        """Parse a record; raise Malformed if that fails."""
        return self._read(record, self._bodies)

    def row(self, record: Record, draft: Draft) -> OwnerRow:
        """Return a record's row; add its stack to the table, and pass what was not understood to the sink."""
        for code in (*draft.marks, *draft.body.marks):
            self.reject(Reject.mark(self.file, record, code))
        if draft.body.tail.grep:
            self.reject(Reject.mark(self.file, record, Reason.GREP, draft.body.tail.grep))
        if draft.body.unknown:
            self._reject_unknown(record, draft.body)
        row = draft.row(self._stacks.intern_printed(draft.body.stack, draft.body.tail.handle))
        for column, names in self._names.items():
            if name := getattr(row, column, None):
                names.add(name)
        return row

    def _reject_unknown(self, record: Record, body: Body) -> None:
        places = record.places(start for start, _, _ in body.unknown)
        for (start, end, code), (offset, line) in zip(body.unknown, places, strict=True):
            text = record.text[start:end]
            number = max(1, text.count(b"\n")) if code in _LINES else 1
            self.reject(Reject(self.file, offset, line, code, text, code in _LOST_ALTHOUGH_KEPT, number))


def parsed_batches(schema: pa.Schema, records: Iterable[Record], parser: RecordParser) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all records in order, in batches."""
    rows: list[OwnerRow] = []
    order = KeyOrder()
    for record in records:
        if (row := parse_or_reject(record, parser)) is not None:
            rows.append(row)
            order.see(row[0], record)
        if len(rows) == _BATCH_ROWS:
            yield to_batch(schema, rows)
            rows.clear()
    if rows:
        yield to_batch(schema, rows)
    order.report(parser.file, parser.reject)


def parse_or_reject(record: Record, parser: RecordParser) -> OwnerRow | None:
    """Return a record's row; None if the record is blank, or is rejected to the parser's sink.

    A record that was not understood in full is parsed again with normalized whitespace, unless it is delimited: then it
    comes from the kernel itself.
    """
    if not record.text.strip():
        return None
    if is_garbage(record):
        parser.reject(rejected_garbage(parser.file, record))
        return None
    given = record
    result = _try(parser, record)
    if (isinstance(result, Malformed) or result.body.unknown) and not record.delimited:
        clean = normalized(record)
        if clean is not None and _is_better(again := _try(parser, clean.record), result):
            for code, number in clean.marks.items():
                if number and not isinstance(again, Malformed):
                    parser.reject(Reject.mark(parser.file, record, code, number))
            record, result = clean.record, again
    if isinstance(result, Malformed):
        parser.reject(_rejected(parser.file, record, result)._replace(text=given.text))
        return None
    return parser.row(record, result)


def _try(parser: RecordParser, record: Record) -> Draft | Malformed:
    try:
        return parser.read(record)
    except Malformed as malformed:
        return malformed


def _is_better(again: Draft | Malformed, first: Draft | Malformed) -> bool:
    if isinstance(first, Malformed):
        return True
    return not isinstance(again, Malformed) and len(again.body.unknown) < len(first.body.unknown)


def _rejected(file: str, record: Record, malformed: Malformed) -> Reject:
    if malformed.code in (Reason.BEFORE_FIRST, Reason.OUTSIDE):
        return rejected_garbage(file, record)
    return Reject.whole(file, record, malformed.code, malformed.at)


def to_batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """Return the columns in `schema` of at least one row as a record batch."""
    columns = dict(zip(rows[0]._fields, zip(*rows, strict=True), strict=True))
    return record_batch({field.name: array_of(field.type, columns[field.name]) for field in schema}, schema)


def to_batches(schema: pa.Schema, rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    """Yield rows as record batches, none without rows."""
    left = iter(rows)
    while some := list(islice(left, _BATCH_ROWS)):
        yield to_batch(schema, some)
