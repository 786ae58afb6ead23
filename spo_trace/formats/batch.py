# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records to rows, rows to Arrow record batches."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from spo_trace.formats.arrays import array_of, record_batch
from spo_trace.formats.record import KernelText, Malformed, Record, Reject, RejectSink, frame_records

__all__ = ["Row", "parse_or_reject", "parsed_batches", "to_batch"]

Row = tuple[Any, ...]

# Enough that the cost of a batch does not matter, little enough that a batch of rows fits the processor's caches.
_BATCH_ROWS = 1 << 14


def parsed_batches(
    file: str, schema: pa.Schema, text: KernelText, parse: Callable[[Record], Row], reject: RejectSink
) -> Iterator[pa.RecordBatch]:
    """Yield what `parse` makes of each record of `text`, in order; what it calls Malformed goes to `reject`."""
    rows: list[Row] = []
    for record in frame_records(text):
        if (row := parse_or_reject(file, record, parse, reject)) is not None:
            rows.append(row)
        if len(rows) == _BATCH_ROWS:
            yield to_batch(schema, rows)
            rows.clear()
    if rows:
        yield to_batch(schema, rows)


def parse_or_reject(file: str, record: Record, parse: Callable[[Record], Row], reject: RejectSink) -> Row | None:
    """Return what `parse` makes of a record; None, the record going to `reject`, if that is nothing."""
    if not record.text.strip():
        return None
    try:
        return _parse_folding(record, parse)
    except Malformed as malformed:
        reject(Reject.whole(file, record, malformed.reason, malformed.at))
        return None


# A capture that went over a serial line or through a mail has CR LF at its line ends.
def _parse_folding(record: Record, parse: Callable[[Record], Row]) -> Row:
    try:
        return parse(record)
    except Malformed:
        if b"\r\n" not in record.text:
            raise
    text = record.text.replace(b"\r\n", b"\n")
    try:
        return parse(record._replace(text=text, folded=True))
    except Malformed as malformed:
        raise Malformed(malformed.reason, malformed.at + text.count(b"\n", 0, malformed.at)) from None


def to_batch(schema: pa.Schema, rows: Sequence[Row]) -> pa.RecordBatch:
    """Return `rows`, whose values stand in the order of `schema`, as a record batch."""
    columns = zip(schema, zip(*rows, strict=True), strict=True)
    return record_batch({field.name: array_of(field.type, values) for field, values in columns}, schema)
