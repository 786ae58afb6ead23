# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rendered tables, compared literally."""

import io

import pandas as pd

from spo_trace.reporters.balance import render_balance
from spo_trace.reporters.table import render_table


def rendered(table: pd.DataFrame, *, markdown: bool = False) -> str:
    """Return the rendered text."""
    out = io.StringIO()
    render_table(table, out, markdown=markdown)
    return out.getvalue()


def attribution(**keys: list[object]) -> pd.DataFrame:
    """Return an attribution of two rows."""
    amounts = {
        "mem_pages": [1173, 0],
        "swap_pages": [64535, 1],
        "mem_bytes": [4804608, 0],
        "swap_bytes": [264335360, 4096],
        "total_bytes": [269139968, 4096],
        "share": [0.99998, 0.00002],
    }
    return pd.DataFrame({**keys, **amounts})


def test_a_trend() -> None:
    table = pd.DataFrame(
        {
            **{"comm": ["dd", "cat"], "first_bytes": [0, 4096], "last_bytes": [1 << 20, 0], "rate": [1024.0, -512.0]},
            **{"rate_error": [0.0, 2048.0], "rate_low": [1024.0, -9999.0]},
            "steadiness": pd.array([1.0, None], "Float64"),
        }
    )
    assert rendered(table) == (
        "comm     first      last         rate        error     at least  steadiness\n"
        "dd         0 B  1.00 MiB  +1.00 KiB/s       ±0 B/s  +1.00 KiB/s      100.0%\n"
        "cat   4.00 KiB       0 B     -512 B/s  ±2.00 KiB/s  -9.76 KiB/s\n"
    )


def test_an_attribution() -> None:
    assert rendered(attribution(comm=["dd", None], pid=pd.array([7, None], "Int64").tolist())) == (
        "comm  pid       mem        swap       total   share\n"
        "dd    7    4.58 MiB  252.09 MiB  256.67 MiB  100.0%\n"
        "-     -         0 B    4.00 KiB    4.00 KiB    0.0%\n"
    )


def test_stacks_are_below_the_numbers() -> None:
    assert rendered(attribution(comm=["dd", "x"], stack=[("a;a+0x1/0x2", "b+0x3/0x4 [m]"), ("(no stack)",)])) == (
        "comm       mem        swap       total   share\n"
        "dd    4.58 MiB  252.09 MiB  256.67 MiB  100.0%\n"
        "    a;a+0x1/0x2\n"
        "    b+0x3/0x4 [m]\n"
        "x          0 B    4.00 KiB    4.00 KiB    0.0%\n"
        "    (no stack)\n"
    )


def test_a_difference() -> None:
    table = pd.DataFrame(
        {
            "comm": ["new", "gone"],
            "mem_bytes_delta": [4096, -1024],
            "swap_bytes_delta": [0, -512],
            "total_bytes_a": [0, 1536],
            "total_bytes_b": [4096, 0],
            "total_bytes_delta": [4096, -1536],
            "rate": [409.6, -153.6],
        }
    )
    assert rendered(table) == (
        "comm    mem B-A  swap B-A   total A   total B  total B-A         rate\n"
        "new   +4.00 KiB       0 B       0 B  4.00 KiB  +4.00 KiB  +409.60 B/s\n"
        "gone  -1.00 KiB    -512 B  1.50 KiB       0 B  -1.50 KiB  -153.60 B/s\n"
    )


def test_no_rows_and_no_keys() -> None:
    assert rendered(attribution(comm=["a", "b"]).head(0)) == "comm  mem  swap  total  share\n"
    assert rendered(attribution().head(1)) == (
        "     mem        swap       total   share\n4.58 MiB  252.09 MiB  256.67 MiB  100.0%\n"
    )


def test_markdown() -> None:
    assert rendered(attribution(comm=["dd", None], stack=[("a;a", "b"), ("c",)]), markdown=True) == (
        "| comm | stack | mem | swap | total | share |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
        "| `dd` | `a\\073a;b` | 4.58 MiB | 252.09 MiB | 256.67 MiB | 100.0% |\n"
        "| - | `c` | 0 B | 4.00 KiB | 4.00 KiB | 0.0% |\n"
    )


def test_a_balance() -> None:
    table = pd.DataFrame(
        [
            ("memory", "machine", "MemTotal − MemFree", 25052, 25052 * 4096, None, ""),
            ("memory", "listed", "page_owner", 24150, 24150 * 4096, None, ""),
            ("memory", "difference", "difference", 902, 902 * 4096, None, ""),
            ("memory", "explains", "per-CPU free lists", 1072, 1072 * 4096, None, "free, but never listed"),
            ("memory", "rest", "unexplained", -170, -170 * 4096, -0.0068, ""),
            ("memory", "aside", "early pages", 1, 4096, None, "listed"),
            ("memory", "verdict", "verdict", -170, -170 * 4096, -0.0068, "-0.7% unexplained, within 2%"),
            ("swap type 0: /dev/vda", "verdict", "verdict", None, None, None, "hostile \x1b name"),
        ],
        columns=["section", "kind", "item", "pages", "bytes", "share", "note"],
    ).astype({"pages": "Int64", "bytes": "Int64"})
    table["verdict"] = [None] * 6 + ["balanced", "not checked"]
    out = io.StringIO()
    render_balance(table, out)
    assert out.getvalue() == (
        "memory\n"
        "    MemTotal − MemFree      25,052 pages    97.86 MiB\n"
        "  − page_owner              24,150 pages    94.34 MiB\n"
        "  = difference                 902 pages     3.52 MiB\n"
        "  − per-CPU free lists       1,072 pages     4.19 MiB  free, but never listed\n"
        "  = unexplained               -170 pages  -680.00 KiB  -0.7%\n"
        "    early pages                  1 page      4.00 KiB  listed\n"
        "    balanced: -0.7% unexplained, within 2%\n"
        "\n"
        "swap type 0: /dev/vda\n"
        "    not checked: hostile \\033 name\n"
    )


def test_control_characters_are_escaped() -> None:
    # GIVEN names with control characters, which our captures always escape
    table = attribution(comm=["\x1b[2J", "a\nb\u202e"])
    # THEN the control characters are escaped
    assert [line.split("  ")[0] for line in rendered(table).splitlines()] == [
        "comm",
        "\\033[2J",
        "a\\nb\\342\\200\\256",
    ]
