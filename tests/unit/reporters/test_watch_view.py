# SPDX-License-Identifier: LGPL-2.1-or-later
"""The live view in terminals of different sizes, and the plain lines."""

import io
import re
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

from spo_trace.reporters.sparkline import sparkline
from spo_trace.reporters.watch_view import WatchView, render_lines

MIB = 1 << 20


def rows(*labels: str, split: bool = True) -> pd.DataFrame:
    """Return one row per owner, with 8 MiB of memory and 2 MiB of swap, 1 MiB more than a minute before."""
    amount = pd.array([8 * MIB if split else None] * len(labels), "Int64")
    swap = pd.array([2 * MIB if split else None] * len(labels), "Int64")
    return pd.DataFrame(
        {
            **{"label": labels, "mem_bytes": amount, "swap_bytes": swap, "total_bytes": 10 * MIB},
            **{
                "interval_delta": -4096,
                "growth_delta": MIB,
                "rate": MIB / 60,
                "past": [[9 * MIB, 10 * MIB]] * len(labels),
            },
        }
    )


def drawn(view: WatchView, width: int, height: int, encoding: str = "utf-8") -> list[str]:
    """Return the lines of a view in a terminal of the given size."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(view)
    out.flush()
    lines: list[str] = out.buffer.getvalue().decode(encoding).splitlines()
    return [line.rstrip() for line in lines]


def view(*labels: str, split: bool = True, more: int = 0) -> WatchView:
    """Return a view of these owners, and of a number of others that are not passed."""
    total = rows("all", split=split)
    return WatchView(rows(*labels, split=split), total, len(labels) + more, ["box", "7.2"], ["Sample 1", "text"])


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 9), (120, 30), (40, 12), (20, 5), (200, 60)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    lines = drawn(view(*(f"owner-{n}" for n in range(40))), width, height)
    assert len(lines) <= max(height, 6)
    assert max(map(len, lines)) <= width


LARGE = 1024 * MIB - 8192
NUMBER = re.compile(r"[+-]?\d[\d.]* (?:B|KiB|MiB|GiB)(?:/s)?")


@pytest.mark.parametrize("width", [200, 120, 100, 80, 70, 60, 40, 24])
def test_no_number_is_cut(width: int) -> None:
    # GIVEN the longest amounts, and lines above and below with numbers
    amounts = dict.fromkeys(("mem_bytes", "swap_bytes", "total_bytes", "interval_delta", "growth_delta"), LARGE)
    long = rows("a-long-name-of-15", "b").assign(**amounts, rate=-LARGE)
    heading = ["host", "7.2.13", "memory 1023.99 MiB of 1023.99 MiB", "swap 1023.99 MiB"]
    footing = ["Sample 123", "12 warnings at the end", "read in 123.45 s"]
    lines = drawn(WatchView(long, long.head(1), 1234, heading, footing, ["q quit", "x 12345"], 1), width, 24)
    # THEN each number is there as a whole or not at all
    whole = {"1023.99 MiB", "+1023.99 MiB", "-1023.99 MiB/s"}
    table = lines[2:-2]
    assert {number for line in table for number in NUMBER.findall(line)} <= whole
    assert all(NUMBER.sub("", line).split()[-1] in ("b", "a-long-name-of-15") or "…" in line for line in table)
    assert max(map(len, lines)) <= width
    assert lines[0].endswith("swap 1023.99 MiB") and lines[-2].startswith("1,232 more")
    assert not re.search(r"\d\W*…", lines[0] + lines[-2] + lines[-1])


def test_the_selected_row_is_always_shown() -> None:
    many = view(*(f"owner-{n}" for n in range(40)))
    for selected in (0, 4, 5, 39):
        lines = drawn(replace(many, selected=selected, keys=["q quit"]), 80, 10)
        assert any(line.endswith(f" owner-{selected}") for line in lines)
        assert (len(lines), lines[-1]) == (10, "q quit")


def test_the_frames_of_a_stack_share_the_lines() -> None:
    frames = [f"frame_{n}+0x1/0x2" for n in range(30)]
    lines = drawn(replace(view(*"abcdefghijklmnopqrstuvwxyz"), selected=0, frames=frames, keys=["q"]), 80, 24)
    assert len(lines) == 24
    assert [line.split()[-1] for line in lines[3:13]] == list("abcdefghij")
    assert lines[13:22] == [f"    {frame}" for frame in frames[:9]]
    # AND they get the lines that no owner needs
    lines = drawn(replace(view("a"), selected=0, frames=frames, keys=["q"]), 80, 24)
    assert lines[4:22] == [f"    {frame}" for frame in frames[:18]]


def test_unknown_swap_is_not_0() -> None:
    unknown = rows("dd").assign(swap_bytes=pd.array([None], "Int64"))
    lines = drawn(WatchView(unknown, unknown, 1, [""], [""]), 100, 24)
    assert lines[1].split()[:2] == ["mem", "swap"] and lines[2].split()[:3] == ["8.00", "MiB", "?"]
    out = io.StringIO()
    render_lines(unknown, 1, out, header=False)
    assert out.getvalue().split()[:4] == ["1.0", "8.00", "MiB", "?"]


def test_columns_and_rows() -> None:
    lines = drawn(view("dd", "cat"), 100, 24)
    assert lines[0] == "box  7.2"
    assert lines[1].split() == ["mem", "swap", "total", "interval", "growth", "rate", "past", "owner"]
    numbers = "8.00 MiB 2.00 MiB 10.00 MiB -4.00 KiB +1.00 MiB +17.07 KiB/s ▁█"
    assert [" ".join(line.split()) for line in lines[2:]] == [
        *(f"{numbers} {name}" for name in ("all", "dd", "cat")),
        "Sample 1, text",
    ]


def test_a_narrow_terminal_still_shows_owners() -> None:
    lines = drawn(view("a-long-name-of-15"), 36, 9)
    assert lines[1].split() == ["total", "growth", "owner"]
    assert lines[3].endswith("MiB  a-long-…-of-15")


def test_counts_have_no_memory_and_swap() -> None:
    assert drawn(view("dd", split=False), 80, 24)[1].split() == ["total", "interval", "growth", "past", "owner"]


def test_rows_that_do_not_fit_are_counted() -> None:
    lines = drawn(view(*"abcdefgh"), 80, 9)
    assert [line[-1] for line in lines[3:-1]] == ["a", "b", "c", "d"]
    assert lines[-1] == "4 more, Sample 1, text"
    assert drawn(view("a", more=7), 80, 40)[-1] == "7 more, Sample 1, text"


def test_a_terminal_without_unicode() -> None:
    assert "_#" in drawn(view("dd"), 80, 24, "ascii")[2]


def test_names_are_text() -> None:
    # GIVEN names with control characters and markup of rich
    lines = drawn(view("[red]x[/red]", "\x1b[2J", "[/]"), 100, 24)
    assert [line.split()[-1] for line in lines[3:6]] == ["[red]x[/red]", "\\033[2J", "[/]"]
    out = io.StringIO()
    render_lines(rows("a\nb"), 1.0, out, header=False)
    assert out.getvalue().endswith("  a\\nb\n")


def test_plain_lines() -> None:
    out = io.StringIO()
    render_lines(rows("all", "dd"), 60.0, out, header=True)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["seconds", "mem", "swap", "total", "interval", "growth", "rate", "owner"]
    assert lines[2].split("  ")[-1] == "dd"
    assert len({line.index(end) for line, end in zip(lines, ["owner", "all", "dd"], strict=True)}) == 1
    out = io.StringIO()
    render_lines(rows("dd", split=False).assign(rate=float("nan")), 0.0, out, header=False)
    assert out.getvalue().split() == ["0.0", "10.00", "MiB", "-4.00", "KiB", "+1.00", "MiB", "-", "dd"]


def test_sparklines() -> None:
    assert sparkline([], 8) == ""
    assert sparkline([5], 8) == "▁"
    assert sparkline([0, 0, 0], 8) == "▁▁▁"
    assert sparkline(range(16), 8) == "▁▂▃▄▅▆▇█"
    # One more page in a gigabyte is not visible.
    assert sparkline([1 << 30, (1 << 30) + 4096], 8) == "▁▁"
    assert sparkline([0, 1], 8, ascii_only=True) == "_#"
