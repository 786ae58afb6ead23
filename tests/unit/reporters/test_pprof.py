# SPDX-License-Identifier: LGPL-2.1-or-later
"""The profile.proto of pprof, checked with a decoder of the wire format that does not use our messages."""

import gzip
import io
from collections.abc import Iterator

import pandas as pd
import pytest

from spo_trace.reporters.pprof import render_pprof

TABLE = pd.DataFrame(
    {
        "stack": [("in+0x1/0x2", "out+0x1/0x2 [m]"), ("in+0x1/0x2",)],
        "symbols": [("in", "out"), ("in",)],
        "comm": ["dd", "<b>\xff"],
        "memcg": [pd.NA, "web.slice"],
        "key_known": [False, True],
        "order": pd.array([pd.NA, 9], "UInt8"),
        "mem_pages": [0, 512],
        "swap_pages": [2, 0],
        "swap_cache_pages": [0, 0],
        "mem_bytes": [0, 1 << 21],
        "swap_bytes": [8192, 0],
    }
)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (number, value) of a message: varints as numbers, everything else as bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            yield key >> 3, data[at : at + value]
            at += value
        else:
            assert key & 7 == 0
            yield key >> 3, value


def packed(data: int | bytes) -> list[int]:
    assert isinstance(data, bytes)
    numbers, at = [], 0
    while at < len(data):
        number, at = varint(data, at)
        numbers.append(number)
    return numbers


def message(data: int | bytes) -> dict[int, int | bytes]:
    assert isinstance(data, bytes)
    return dict(fields(data))


def test_every_message_matches_profile_proto() -> None:
    # WHEN two rows are written
    out = io.BytesIO()
    render_pprof(TABLE, out, taken_at="1970-01-01T00:00:01Z", comments=["box"])
    parts = list(fields(gzip.decompress(out.getvalue())))
    several = {number: [value for key, value in parts if key == number] for number in range(1, 15)}
    strings = [value.decode() for value in several[6] if isinstance(value, bytes)]

    def string(index: int | bytes) -> str:
        assert isinstance(index, int)
        return strings[index]

    # THEN the string table begins empty, and sample types have their units
    assert strings[0] == "" and len(set(strings)) == len(strings)
    types = [(string(message(one)[1]), string(message(one)[2])) for one in several[1]]
    assert types == [("mem_bytes", "bytes"), ("swap_bytes", "bytes"), ("pages", "count")]
    # AND a sample has its locations, innermost first, its values, and a label for each key that is known
    samples = [list(fields(one)) for one in several[2] if isinstance(one, bytes)]
    assert [packed(value) for sample in samples for key, value in sample if key == 1] == [[1, 2], [1]]
    assert [packed(value) for sample in samples for key, value in sample if key == 2] == [
        [0, 8192, 2],
        [1 << 21, 0, 512],
    ]
    labels = [[message(value) for key, value in sample if key == 3] for sample in samples]
    told = [[(string(one[1]), string(one.get(2, 0)), one.get(3, 0)) for one in each] for each in labels]
    unknown = [("memcg", "?", 0), ("order", "?", 0)]
    assert told == [
        [("comm", "dd", 0), *unknown],
        [("comm", "<b>\xff", 0), ("memcg", "web.slice", 0), ("order", "", 9)],
    ]
    # AND a location refers to its module and its function, whose system name is the text of the kernel
    locations = [message(one) for one in several[4]]
    assert [(one[1], one[2], message(one[4])) for one in locations] == [(1, 1, {1: 1}), (2, 2, {1: 2})]
    functions = [message(one) for one in several[5]]
    assert [[string(one[key]) for key in (2, 3, 4)] for one in functions] == [
        ["in", "in+0x1/0x2", "vmlinux"],
        ["out", "out+0x1/0x2 [m]", "m"],
    ]
    mappings = [message(one) for one in several[3]]
    assert [(one[1], string(one[5]), one[7], one[8]) for one in mappings] == [(1, "vmlinux", 1, 1), (2, "m", 1, 1)]
    # AND the other fields are set
    assert several[9] == [1_000_000_000] and string(packed(several[13][0])[0]) == "box"
    assert [string(one) for one in several[14]] == ["mem_bytes"]


def test_the_same_table_gives_the_same_bytes() -> None:
    outs = [io.BytesIO(), io.BytesIO()]
    for out in outs:
        render_pprof(TABLE, out)
    assert outs[0].getvalue() == outs[1].getvalue()


@pytest.mark.parametrize(
    ("taken_at", "seconds"),
    [("1970-01-01T00:01:00+00:00", 60), ("1970-01-01T01:01:00+01:00", 60), ("1970-01-01 00:01", 60)]
    + [(text, 0) for text in (None, "", "Thu Jan  1 00:01:00 UTC 1970", "1970-13-01")],
)
def test_an_invalid_date_is_no_error(taken_at: str | None, seconds: int) -> None:
    out = io.BytesIO()
    render_pprof(TABLE, out, taken_at=taken_at)
    assert dict(fields(gzip.decompress(out.getvalue())))[9] == seconds * 1_000_000_000


def test_an_empty_table_is_a_valid_profile() -> None:
    out = io.BytesIO()
    render_pprof(TABLE.head(0), out)
    numbers = {number for number, _ in fields(gzip.decompress(out.getvalue()))}
    # THEN it has sample types, a mapping and strings, but no sample
    assert numbers >= {1, 3, 6, 14} and 2 not in numbers


def test_unknown_amounts_have_no_sample_type() -> None:
    out = io.BytesIO()
    render_pprof(
        TABLE.assign(swap_bytes=pd.array([None] * 2, "Int64"), swap_pages=pd.array([None] * 2, "Int64")),
        out,
        unknown=("swap",),
    )
    parts = list(fields(gzip.decompress(out.getvalue())))
    strings = [value.decode() for key, value in parts if key == 6 and isinstance(value, bytes)]
    types = [message(value)[1] for key, value in parts if key == 1]
    assert [strings[index] for index in types if isinstance(index, int)] == ["mem_bytes", "pages"]
    samples = [list(fields(value)) for key, value in parts if key == 2 and isinstance(value, bytes)]
    assert [packed(value) for sample in samples for key, value in sample if key == 2] == [[0, 0], [1 << 21, 512]]
