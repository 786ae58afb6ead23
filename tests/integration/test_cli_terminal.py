# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables on a terminal have its width, a bold header, colours and a total; in a pipe they have none of these."""

import os
import re
from pathlib import Path

import pytest

from tests.support import MACHINE, capture, entry, in_process, page, spo_trace
from tests.terminal import in_terminal

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*3\d")
BOLD = b"\x1b[1m"
STYLES = re.compile(rb"\x1b\[[\d;]*[mK]")

COMMANDS = (["report", "b", "--by", "memcg"], ["report", "b", "--by", "stack"], ["diff", "a", "b"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with two captures, in which an owner with a long name grows, and another moves to swap."""
    directory = tmp_path_factory.mktemp("place")
    charged = b"Charged to memcg a-memory-cgroup-with-a-name-of-more-than-sixty-characters-0123456789.service \n"
    files = {"page_owner": page(comm=b"dd"), "swap_page_owner": b"", "uptime": b"100.0 1\n"}
    capture(directory / "a", {**MACHINE, **files})
    grown = page(0x1000, 9, comm=b"a name of 15 B!", tail=charged)
    files = {"page_owner": grown, "swap_page_owner": entry(1, b"dd"), "uptime": b"110.0 1\n"}
    capture(directory / "b", {**MACHINE, **files})
    return directory


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_table_fits_the_terminal(place: Path, command: list[str]) -> None:
    code, seen = in_terminal(command, place, columns=60)
    assert code == 0
    lines = seen.splitlines()
    # THEN the header and the total are bold, and all lines between them fit
    first, *_, last = (number for number, line in enumerate(lines) if BOLD in line)
    shown = [STYLES.sub(b"", line).decode() for line in lines[first : last + 1]]
    assert len(shown) >= 4 and max(map(len, shown)) <= 60
    assert "mem" in shown[0] and "total" in shown[-1]


def test_no_color_is_honoured(place: Path) -> None:
    _, seen = in_terminal(["diff", "a", "b"], place)
    assert COLOUR.search(seen)
    _, seen = in_terminal(["diff", "a", "b"], place, env={"NO_COLOR": "1"})
    assert BOLD in seen and not COLOUR.search(seen)
    _, seen = in_terminal(["diff", "a", "b"], place, env={"TERM": "dumb"})
    assert BOLD not in seen and not COLOUR.search(seen)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_pipe_gets_plain_text(place: Path, command: list[str]) -> None:
    # GIVEN variables that make other programs colour what they write to a pipe, and a narrow terminal elsewhere
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "20"}
    run = spo_trace(*command, cwd=place, env={**forced, "HOME": str(place), "PATH": os.defpath})
    assert run.returncode == 0
    assert run.stdout == in_process(*command, cwd=place).stdout
    assert b"\x1b" not in run.stdout + run.stderr and "…".encode() not in run.stdout
    assert not re.search(rb"^total ", run.stdout, re.MULTILINE)


def test_columns_that_do_not_fit_are_named(place: Path) -> None:
    _, seen = in_terminal(["diff", "a", "b"], place, columns=60)
    assert b"Left out, because the terminal is narrow: rate, total A; -o FILE has all columns" in seen
    _, seen = in_terminal(["diff", "a", "b"], place, columns=120)
    assert b"Left out" not in seen
