# SPDX-License-Identifier: LGPL-2.1-or-later
"""Formats for programs: JSON, CSV, folded stacks, Parquet; and parsing of sizes."""

import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spo_trace.formats.escape import unescape
from spo_trace.limits import MAX_SIZE_CHARACTERS
from spo_trace.reporters.csv_file import render_csv
from spo_trace.reporters.folded import render_folded
from spo_trace.reporters.format import format_rate, format_share, format_size, parse_rate, parse_size
from spo_trace.reporters.json_file import render_json
from spo_trace.reporters.parquet_file import render_parquet

HUGE = 0x400000000000001
TABLE = pd.DataFrame(
    {
        "comm": ['é,"x"\\n', None],
        "swp_entry": pd.array([HUGE, None], "UInt64"),
        "pfn": pd.array([(1 << 63) + 1, None], "UInt64"),
        "slab": pd.array([True, None], "boolean"),
        "share": [0.25, float("nan")],
    }
)


def test_json_is_exact_and_ascii() -> None:
    out = io.StringIO()
    render_json([TABLE], out)
    assert out.getvalue() == (
        '[\n{"comm": "\\u00e9,\\"x\\"\\\\n", "swp_entry": "0x400000000000001", "pfn": 9223372036854775809, '
        '"slab": true, "share": 0.25},\n'
        '{"comm": null, "swp_entry": null, "pfn": null, "slab": null, "share": null}\n]\n'
    )
    assert json.loads(out.getvalue())[0]["pfn"] == (1 << 63) + 1


@pytest.mark.parametrize("tables", [[], [TABLE.head(0)], [TABLE.head(0), TABLE.head(0)]])
def test_json_without_rows(tables: list[pd.DataFrame]) -> None:
    out = io.StringIO()
    render_json(tables, out)
    assert json.loads(out.getvalue()) == []


def test_json_of_several_tables_is_one_array() -> None:
    out = io.StringIO()
    render_json([TABLE.head(1), TABLE.head(0), TABLE], out)
    assert len(json.loads(out.getvalue())) == 3


MISREAD = ["null", "NA", "None", "nan", "#N/A", "007", "1e3", "-.5", "inf", "True", "2026-11-28", "12:30", '""']


def test_csv_distinguishes_empty_from_missing_and_names_from_numbers() -> None:
    # GIVEN names that readers of CSV misread, and the same words in columns with fixed values
    table = pd.DataFrame({"comm": ["", None, "dd", *MISREAD], "type": ["", None, "1", *MISREAD]})
    out = io.StringIO()
    # WHEN
    render_csv([table], out)
    read = pd.read_csv(io.StringIO(out.getvalue()))
    # THEN each name is written as another text that can be decoded
    assert read["comm"].isna().tolist() == table["comm"].isna().tolist()
    names = read["comm"].dropna().tolist()
    assert names[:2] == ['""', "dd"]
    assert [unescape(name).decode() for name in names[2:]] == MISREAD
    # AND numbers printed by the kernel stay numbers
    assert read["type"].tolist()[:3:2] == ['""', "1"]
    assert out.getvalue().splitlines()[4] == r"\156ull,null"


def test_csv_has_plain_numbers_under_one_header() -> None:
    out = io.StringIO()
    render_csv([TABLE.head(1), TABLE.tail(1)], out)
    assert out.getvalue() == (
        'comm,swp_entry,pfn,slab,share\n"é,""x""\\n",0x400000000000001,9223372036854775809,True,0.25\n,,,,\n'
    )


def test_folded_stacks_begin_with_the_outermost_frame() -> None:
    table = pd.DataFrame(
        {
            "comm": ["dd", "a;b c", None, "none"],
            "stack": [("in+0x1/0x2", "m;d+0x1/0x2 [m]", "out+0x1/0x2"), ("f+0x1/0x2",), ("(no stack)",), ("g",)],
            "total_bytes": [4096, 8192, 1, 0],
            "swap_bytes": pd.array([None, 4096, 0, 0], "Int64"),
        }
    )
    out = io.StringIO()
    render_folded(table, out)
    assert out.getvalue() == (
        "dd;out+0x1/0x2;m:d+0x1/0x2 [m];in+0x1/0x2 4096\na:b c;f+0x1/0x2 8192\n(unknown comm);(no stack) 1\n"
    )
    out = io.StringIO()
    render_folded(table, out, weight="swap_bytes")
    assert out.getvalue() == "a:b c;f+0x1/0x2 4096\n"


def test_parquet_is_exact() -> None:
    schema = pa.schema([("swp_entry", pa.uint64()), ("comm", pa.string())])
    tables = [pa.table([[HUGE], ["a"]], schema), pa.table([[HUGE + 1, None], [None, "b"]], schema)]
    out = io.BytesIO()
    render_parquet(tables, schema, out)
    found = pq.read_table(io.BytesIO(out.getvalue()))
    assert found.schema.equals(schema)
    assert found.to_pydict() == {"swp_entry": [HUGE, HUGE + 1, None], "comm": ["a", None, "b"]}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (-4096, "-4.00 KiB"),
        (1536 << 10, "1.50 MiB"),
        (9 << 42, "36.00 TiB"),
        (1 << 70, "1024.00 EiB"),
        (0.5, "0.50 B"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert format_size(size) == text


def test_signed_sizes_and_rates() -> None:
    assert [format_size(n, signed=True) for n in (4096, -4096, 0)] == ["+4.00 KiB", "-4.00 KiB", "0 B"]
    assert (format_rate(2048), format_share(0.12345)) == ("+2.00 KiB/s", "12.3%")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512K", 512 << 10),
        ("1.5G", 3 << 29),
        ("64MiB", 64 << 20),
        ("64 mb", 64 << 20),
        ("1Mi", 1 << 20),
        ("1.5 kib", 1536),
        ("2T", 2 << 40),
        ("9007199254740993", 9007199254740993),
        ("9" * (MAX_SIZE_CHARACTERS - 1) + "E", int("9" * (MAX_SIZE_CHARACTERS - 1)) << 60),
    ],
)
def test_sizes_are_parsed(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("", "K", "-1", "1i", "iB", "1MiBi", "1e3", "1.K", ".5K", "1KK", "0x10", "nan", "inf", "1 2", "1MiB/s"),
        "9" * (MAX_SIZE_CHARACTERS + 1),
    ],
)
def test_invalid_sizes(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size|is too long for a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("0", 0),
        ("10K/s", 10240),
        ("36K/h", 10.24),
        ("1.5MiB/min", 26214.4),
        ("0/day", 0),
        ("1G / day", 2**30 / 86400),
    ],
)
def test_rates_are_parsed(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text", ["", "fast", "512", "1MiB", "1K/", "1K/week", "-1K/s", "/s", "1K/s/s", "9" * 400 + "K/s"]
)
def test_invalid_rates(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is too long"):
        parse_rate(text)
