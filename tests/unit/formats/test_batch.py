# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows to record batches."""

import pyarrow as pa
import pytest

from spo_trace.formats import batch
from spo_trace.formats.batch import parsed_batches, to_batch
from spo_trace.formats.record import KernelText, Malformed, Record, Reject, gathered

SCHEMA = pa.schema([("number", pa.uint64()), ("name", pa.dictionary(pa.int32(), pa.string()))])


def parse(record: Record) -> tuple[int, str]:
    if b"bad" in record.text:
        raise Malformed("it is bad", record.text.index(b"bad"))
    return len(record.text), "x" if record.folded else record.text.decode()


def batches_of(texts: list[bytes]) -> tuple[list[pa.RecordBatch], list[Reject]]:
    rejects: list[Reject] = []
    return list(
        parsed_batches("file", SCHEMA, KernelText("name", records=gathered(texts)), parse, rejects.append)
    ), rejects


def test_types_are_those_of_the_schema() -> None:
    made = to_batch(SCHEMA, [(2**64 - 1, "a"), (0, "b"), (None, None), (1, "a")])
    assert made.schema == SCHEMA
    assert made.to_pydict() == {"number": [2**64 - 1, 0, None, 1], "name": ["a", "b", None, "a"]}
    assert made["name"].dictionary.to_pylist() == ["a", "b"]


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        to_batch(SCHEMA, [(1, "a"), (1,)])


@pytest.mark.parametrize(("rows", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3])])
def test_batches_are_bounded(rows: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_BATCH_ROWS", 3)
    made, rejects = batches_of([b"%d" % number for number in range(rows)])
    assert [each.num_rows for each in made] == sizes
    assert [name for each in made for name in each["name"].to_pylist()] == [str(number) for number in range(rows)]
    assert rejects == []


def test_a_malformed_record_leaves_the_others() -> None:
    made, rejects = batches_of([b"one", b"\ntwo bad", b"three"])
    assert made[0]["name"].to_pylist() == ["one", "three"]
    assert rejects == [Reject("file", 8, 2, "it is bad", b"\ntwo bad", True)]


def test_return_characters_are_taken_out_only_if_a_record_is_malformed_with_them() -> None:
    # GIVEN a record that is fine as it is, and one that is bad either way, on its third line
    made, rejects = batches_of([b"a\r\nb", b"a\r\nb\r\nc bad\r\n"])
    # THEN the first is not touched, and the reject of the second has its bytes, and their place
    assert made[0]["name"].to_pylist() == ["a\r\nb"]
    assert rejects == [Reject("file", 4 + 8, 1 + 1 + 2, "it is bad", b"a\r\nb\r\nc bad\r\n", True)]
