# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables for a terminal: what fits, what is shortened, and that no number ever is."""

import io
import re

import pandas as pd
import pytest
from rich.cells import cell_len

from spo_trace.analysis.totals import totals
from spo_trace.reporters.cells import amount_text
from spo_trace.reporters.fitting import shortened
from spo_trace.reporters.table import render_table
from spo_trace.reporters.terminal_table import render_on_terminal

MIB = 1 << 20
NUMBER = re.compile(r"[+-]?\d[\d.]* (?:B|KiB|MiB|GiB)")


def attribution(**keys: list[object]) -> pd.DataFrame:
    """Return an attribution of two rows."""
    amounts = {"mem_bytes": [300 * MIB, 0], "swap_bytes": [4096, 20 * MIB], "total_bytes": [300 * MIB + 4096, 20 * MIB]}
    return pd.DataFrame({**keys, **amounts, "share": [0.9375, 0.0625]})


def difference(*names: str) -> pd.DataFrame:
    """Return a difference with all columns that `diff` shows, with the longest amounts."""
    large = 1023 * MIB + MIB // 2
    amounts = {"mem_bytes_delta": large, "swap_bytes_delta": -large, "total_bytes_a": large, "total_bytes_b": large}
    return pd.DataFrame({"comm": names, **amounts, "total_bytes_delta": 0, "rate": -large / 7})


def rendered(table: pd.DataFrame, width: int) -> tuple[list[str], list[str]]:
    """Return the lines without styles, and the titles of the columns that are left out."""
    out = io.StringIO()
    left_out = render_on_terminal(table, totals(table), out, width=width)
    return out.getvalue().splitlines(), left_out


def test_a_table_that_fits_has_a_total_and_is_otherwise_the_plain_one() -> None:
    table = attribution(comm=["dd", "x"], pid=[7, 123456])
    lines, left_out = rendered(table, 100)
    assert lines == [
        "comm   pid            mem       swap       total   share",
        "dd     7       300.00 MiB   4.00 KiB  300.00 MiB   93.8%",
        "x      123456         0 B  20.00 MiB   20.00 MiB    6.2%",
        "total          300.00 MiB  20.00 MiB  320.00 MiB  100.0%",
    ]
    assert left_out == []


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 30])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    table = difference("a-very-long-name", "/system.slice/system-getty.slice/getty@tty1.service")
    plain = io.StringIO()
    render_table(table, plain)
    lines, left_out = rendered(table, width)
    # THEN each number is one of the table without a terminal, and no line is longer than the terminal
    known = {*NUMBER.findall(plain.getvalue()), *(amount_text(name, size) for name, size in totals(table).items())}
    shown = [NUMBER.findall(line) for line in lines[1:]]
    assert {number for row in shown for number in row} <= known
    assert max(map(cell_len, lines)) <= width
    # AND every column that is not there is named
    columns = len(shown[0])
    assert columns + len(left_out) == 6 and columns >= 2
    assert lines[0].endswith("swap B-A") if width <= 40 else "total B-A" in lines[0]
    assert len(lines) == 4


def test_a_terminal_that_is_too_narrow_for_the_numbers_gets_longer_lines() -> None:
    lines, left_out = rendered(attribution(comm=["daemon", "x"]), 10)
    assert lines[1] == "…  300.00 MiB   4.00 KiB"
    assert left_out == ["share", "total"]


def test_names_are_shortened_and_numbers_among_the_keys_are_not() -> None:
    table = attribution(memcg=["/a/very/long/path/of/a.service", "b"], swp_entry=[2**63 - 1, 1])
    lines, _ = rendered(table, 70)
    assert lines[1].split()[:2] == ["/a/very…ervice", "9223372036854775807"]
    assert {len(line) for line in lines[:2]} <= set(range(60, 71))


def test_stacks_are_shortened_too() -> None:
    frames = ("a_function_with_quite_a_long_name+0x12/0x34 [module]", "f+0x1/0x2")
    lines, _ = rendered(attribution(comm=["dd", "x"], stack=[frames, frames[1:]]), 44)
    assert len(lines[2]) == 44 and lines[2].endswith("+0x12/0x34 [module]")
    assert lines[3] == "    f+0x1/0x2"


def test_the_total_of_stacks_alone_is_behind_the_amounts() -> None:
    lines, _ = rendered(attribution(stack=[("a",), ("b",)]), 80)
    assert lines[-1] == "300.00 MiB  20.00 MiB  320.00 MiB  100.0%  total"


def test_what_is_unknown_is_unknown_in_the_total() -> None:
    table = attribution(comm=["dd", "x"]).assign(swap_bytes=pd.array([None, None], "Int64"))
    assert rendered(table, 80)[0][-1].split() == ["total", "300.00", "MiB", "?", "320.00", "MiB", "100.0%"]


def test_no_rows_have_no_total() -> None:
    assert rendered(attribution(comm=["a", "b"]).head(0), 80)[0] == ["comm  mem  swap  total  share"]


def test_names_that_are_wide_or_hostile() -> None:
    lines, _ = rendered(attribution(comm=["漢字漢字漢字漢字漢字", "\x1b[2J[bold]x"]), 60)
    assert len({cell_len(line) for line in lines[1:]}) == 1
    assert lines[2].startswith("\\033[2J[bold]x ")


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "ab…ef"),
        ("abcdef", 4, "ab…f"),
        ("abcdef", 2, "a…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, "…"),
        ("漢字漢字", 5, "漢…字"),
        ("漢字漢字", 4, "漢…"),
    ],
)
def test_a_name_keeps_its_beginning_and_its_end(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short
    assert cell_len(short) <= max(width, 1)


def test_terminals_without_unicode() -> None:
    assert shortened("abcdefghij", 7, "...") == "ab...ij"
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    render_on_terminal(attribution(comm=["a-long-name-of-24-letters", "x"]), {}, out, width=40)
    out.seek(0)
    assert out.read().splitlines()[1].startswith("a-long-...letters  ")
