# SPDX-License-Identifier: LGPL-2.1-or-later
"""The experiment in the RFC's cover letter: its awk programs give its figures for the simulated files."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE_OWNER = "sys/kernel/debug/page_owner"
SWAP_PAGE_OWNER = "sys/kernel/debug/swap_page_owner"

# The letter's programs, verbatim; COMM is a shell variable in them.
ALL_PAGES = r"""/^Page allocated/ { PAGES+=2^$5 } END { print PAGES*4096/1024^2 " MiB" }"""
ALL_ENTRIES = r"""/^Page allocated/ { PAGES+=1 } END { print PAGES*4096/1024^2 " MiB" }"""
OF_COMM = r"""/^Page allocated .* \(COMM\)/ { PAGES+=2^$5 } END { print PAGES*4096/1024^2 " MiB" }"""

RELATIVE = 0.03
ABSOLUTE_MIB = 0.05

BEFORE = [
    ("0-initial", "page_owner", 91.2578),
    ("0-initial", "total - free", 91),
    ("1-dd256", "dd", 256.559),
    ("1-dd256", "cat", 0.464844),
    ("2-swapped", "page_owner", 450.445),
    ("2-swapped", "total - free", 452),
    ("2-swapped", "swap used", 264),
    ("3-back", "dd", 1.66016),
    ("3-back", "cat", 258.309),
]
AFTER = [
    ("0-initial", "page_owner", 97),
    ("0-initial", "total - free", 98),
    ("0-initial", "swap_page_owner", 0),
    ("1-dd256", "dd", 256.504),
    ("1-dd256", "cat", 0.175781),
    ("2-swapped", "page_owner", 449.258),
    ("2-swapped", "total - free", 452),
    ("2-swapped", "swap used", 278),
    ("2-swapped", "swap_page_owner", 278.793),
    ("3-back", "dd", 256.445),
    ("3-back", "cat", 7.80859),
]


def awk(program: str, path: Path) -> float:
    command = ["awk", "-F", "[ ,]", program, str(path)]
    printed = subprocess.run(
        command, check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    )
    return float(printed.stdout.split()[0])


def free_m(stage: Path) -> dict[str, int]:
    """Return the numbers of `free -m` for /proc/meminfo: MiB, rounded down."""
    lines = (stage / "proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) // 1024 for line in lines}


def figure(stage: Path, name: str) -> float:
    meminfo = free_m(stage)
    match name:
        case "page_owner":
            return awk(ALL_PAGES, stage / PAGE_OWNER)
        case "swap_page_owner":
            return awk(ALL_ENTRIES, stage / SWAP_PAGE_OWNER)
        case "total - free":
            return meminfo["MemTotal"] - meminfo["MemFree"]
        case "swap used":
            return meminfo["SwapTotal"] - meminfo["SwapFree"]
        case comm:
            return awk(OF_COMM.replace("COMM", comm), stage / PAGE_OWNER)


@pytest.mark.parametrize(
    ("scenario", "stage", "name", "letter"),
    [("rfc-before", *row) for row in BEFORE] + [("rfc-after", *row) for row in AFTER],
)
def test_figure_equals_the_letters(
    play: Callable[[str], Path], scenario: str, stage: str, name: str, letter: float
) -> None:
    # GIVEN the letter's experiment, replayed
    # WHEN its awk program, or free -m, is run on a stage
    simulated = figure(play(scenario) / stage, name)
    # THEN the result is the figure in the letter
    assert simulated == pytest.approx(letter, rel=RELATIVE, abs=ABSOLUTE_MIB)


@pytest.mark.parametrize("scenario", ["rfc-before", "rfc-after"])
def test_guest_has_the_letters_size(play: Callable[[str], Path], scenario: str) -> None:
    meminfo = free_m(play(scenario) / "0-initial")
    assert (meminfo["MemTotal"], meminfo["SwapTotal"]) == (458, 1023)


def test_without_the_rfc_there_is_no_swap_page_owner(play: Callable[[str], Path]) -> None:
    assert not list(play("rfc-before").rglob("swap_page_owner"))
    assert b"(swapped)" not in (play("rfc-before") / "3-back" / PAGE_OWNER).read_bytes()


def test_with_the_rfc_every_swapped_in_page_of_dd_is_marked(play: Callable[[str], Path]) -> None:
    # GIVEN dd's pages that were in swap
    stages = play("rfc-after")
    swapped_out = (stages / "2-swapped" / SWAP_PAGE_OWNER).read_bytes().count(b" (dd), ")
    # WHEN cat has read the file again
    text = (stages / "3-back" / PAGE_OWNER).read_bytes()
    # THEN dd owns each of them, with the mark, and swap has no records of them
    marked = [line for line in text.split(b"\n") if b"(dd), " in line and line.endswith(b" ns (swapped)")]
    assert len(marked) == swapped_out > 65000
    assert b" (dd), " not in (stages / "3-back" / SWAP_PAGE_OWNER).read_bytes()
