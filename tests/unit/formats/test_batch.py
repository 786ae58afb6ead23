# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows joined to record batches."""

import pyarrow as pa
import pytest

from spo_trace.formats import batch
from spo_trace.formats.batch import Draft, RecordParser, parsed_batches, to_batch
from spo_trace.formats.body import Body, BodyReader, Tail
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Malformed, Record, Reject, split_records
from spo_trace.formats.rows import PageRow, SwapRow
from spo_trace.formats.stack_table import StackTable

NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema([("pfn", pa.uint64()), ("comm", NAME)])


def row(pfn: int | None = None, comm: str | None = None, stack_id: int = 0) -> PageRow:
    values = {"pfn": pfn, "comm": comm, "stack_id": stack_id}
    return PageRow(**(dict.fromkeys(PageRow._fields) | values))  # type: ignore[arg-type]


def parse(record: Record, bodies: BodyReader) -> Draft:
    if b"bad" in record.text:
        raise Malformed(Reason.LINE, record.text.index(b"bad"))
    return Draft(lambda stack_id: row(None, record.text.decode(), stack_id), Body(b"", Tail(), ()))


def batches_of(texts: list[bytes]) -> tuple[list[pa.RecordBatch], list[Reject]]:
    rejects: list[Reject] = []
    parser = RecordParser("file", StackTable(), rejects.append, parse)
    schema = pa.schema([("comm", NAME), ("stack_id", pa.uint32())])
    return list(parsed_batches(schema, split_records([b"".join(texts)]), parser)), rejects


def record(text: bytes) -> bytes:
    return b"Page allocated via " + text


def test_types_are_those_of_the_schema() -> None:
    made = to_batch(SCHEMA, [row(2**64 - 1, "a"), row(0, "b"), row(None, None), row(1, "a")])
    assert made.schema == SCHEMA
    assert made.to_pydict() == {"pfn": [2**64 - 1, 0, None, 1], "comm": ["a", "b", None, "a"]}
    assert made["comm"].dictionary.to_pylist() == ["a", "b"]


def test_rows_of_two_tables_are_an_error() -> None:
    swap = SwapRow(1, 0, 1, None, None, None, None, 0, None, "debugfs")
    with pytest.raises(ValueError, match="zip"):
        to_batch(SCHEMA, [row(), swap])


@pytest.mark.parametrize(("rows", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3])])
def test_batches_are_bounded(rows: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_BATCH_ROWS", 3)
    texts = [record(b"%d\n" % number) for number in range(rows)]
    made, rejects = batches_of(texts)
    assert [each.num_rows for each in made] == sizes
    assert [name for each in made for name in each["comm"].to_pylist()] == [text.decode() for text in texts]
    assert rejects == []


def test_a_malformed_record_leaves_the_others() -> None:
    texts = [record(b"one\n"), record(b"two\nbad\n"), record(b"three\n")]
    made, rejects = batches_of(texts)
    assert made[0]["comm"].to_pylist() == [texts[0].decode(), texts[2].decode()]
    offset = len(texts[0]) + texts[1].index(b"bad")
    assert rejects == [Reject("file", offset, 3, Reason.LINE, texts[1], True)]


def test_whitespace_is_normalized_only_if_a_record_is_malformed() -> None:
    # GIVEN a valid record, and one that is malformed on its third line in any case
    texts = [record(b"a\r\nb\n"), record(b"a\r\nb \t\r\nc bad\r\n")]
    made, rejects = batches_of(texts)
    # THEN the first is unchanged, and the reject of the second has its place in the input
    assert made[0]["comm"].to_pylist() == [texts[0].decode()]
    (reject,) = rejects
    assert (reject.offset, reject.line, reject.lost) == (b"".join(texts).index(b"bad"), 5, True)
