# SPDX-License-Identifier: LGPL-2.1-or-later
"""Documents outside a terminal are complete: all rows, and the notes that are needed to interpret them."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from spo_trace.analysis.notes import NoteCode
from tests.support import EXECUTABLE, MACHINE, capture, entry, in_process, page, snapshot_of, swaps
from tests.terminal import in_terminal

# More owners than a terminal shows; one of them does not change.
OWNERS = 30
COMMANDS = {
    "report": ("report", "series/2.spo"),
    "diff": ("diff", "series/0.spo", "series/2.spo"),
    "trend": ("trend", "series", "--by", "comm"),
}
EVIL = b"](x)<b>|`"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with three snapshots of one boot, in which all owners but one grow."""
    directory = tmp_path_factory.mktemp("place")
    (directory / "series").mkdir()
    for number in range(3):
        pages = [page(0x1000 * n, min(n, 1) * 2 * number, b"p%02d" % n) for n in range(OWNERS)]
        files = {"page_owner": b"".join(pages), "uptime": b"%d.0 1\n" % (100 + 10 * number)}
        snapshot_of(directory / "series", {**MACHINE, **files}, name=str(number))
    return directory


def number_of_rows(format: str, text: str) -> int:
    """Return the number of rows in a document."""
    if format == "json":
        return len(json.loads(text))
    if format == "csv":
        return len(list(csv.DictReader(io.StringIO(text))))
    return sum(line.startswith(("p", "| `p")) for line in text.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("format", ["table", "csv", "json", "markdown"])
def test_all_rows_go_to_a_pipe_and_to_a_file(place: Path, tmp_path: Path, command: str, format: str) -> None:
    run = in_process(*COMMANDS[command], "-f", format, cwd=place)
    assert number_of_rows(format, run.stdout.decode()) == OWNERS
    assert "more row" not in run.stderr.decode()
    target = tmp_path / "out"
    assert in_process(*COMMANDS[command], "-f", format, "-o", target, cwd=place).returncode == 0
    assert number_of_rows(format, target.read_text()) == OWNERS


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("format", ["table", "csv", "json", "markdown"])
def test_top_applies_everywhere_and_a_note_counts_the_other_rows(place: Path, command: str, format: str) -> None:
    run = in_process(*COMMANDS[command], "-f", format, "--top", 3, cwd=place)
    assert number_of_rows(format, run.stdout.decode()) == 3
    told = run.stdout if format == "markdown" else run.stderr
    assert f"… {OWNERS - 3} more rows: --top 0 shows all" in told.decode()
    all_of_them = in_process(*COMMANDS[command], "-f", format, "--top", 0, cwd=place).stdout.decode()
    assert number_of_rows(format, all_of_them) == OWNERS


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        ("report", "… 10 more rows: --top 0 shows all"),
        ("diff", "… 10 more rows, 1 of them unchanged: --top 0 shows all"),
        ("trend", "… 10 more rows, 1 of them unchanged: --top 0 shows all"),
    ],
)
def test_a_terminal_shows_the_first_rows_and_a_note(place: Path, command: str, left_out: str) -> None:
    code, seen = in_terminal([*COMMANDS[command]], place)
    assert code == 0
    assert number_of_rows("table", seen.decode().replace("\r\n", "\n")) == 20
    assert left_out in seen.decode()
    # --top applies on a terminal too; csv and json have all rows even there.
    _, seen = in_terminal([*COMMANDS[command], "--top", "0"], place)
    assert number_of_rows("table", seen.decode().replace("\r\n", "\n")) == OWNERS
    _, seen = in_terminal([*COMMANDS[command], "-f", "markdown"], place)
    assert number_of_rows("markdown", seen.decode().replace("\r\n", "\n")) == OWNERS


@pytest.mark.parametrize("format", ["view", "csv", "json"])
def test_watch_prints_all_owners_and_one_note_about_cut_rows(place: Path, format: str) -> None:
    captures = [argument for n in range(3) for argument in ("--from", f"series/{n}.files")]
    run = in_process("watch", *captures, "-f", format, cwd=place)
    per_sample = OWNERS + (format == "view")
    header = 0 if format == "json" else 1
    assert len(run.stdout.splitlines()) == 3 * per_sample + header
    assert b"more owner" not in run.stderr
    run = in_process("watch", *captures, "-f", format, "--top", 4, cwd=place)
    assert len(run.stdout.splitlines()) == 3 * (4 + (format == "view")) + header
    assert run.stderr.decode().count("… 26 more owners, left out of each sample: --top 0 shows all") == 1


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with two captures of different kernels; swap is unknown in one, a record damaged in both."""
    directory = tmp_path_factory.mktemp("odd")
    files = {**MACHINE, "page_owner": page(comm=EVIL) + page(0x200)[:-1], "swaps": swaps(vda=5)}
    capture(directory / "a", files)
    other = {"swap_page_owner": entry(1), "uname": b"Linux box 6.12.0<b> #1 `x` SMP x86_64\n"}
    capture(directory / "b", {**files, **other})
    return directory


NOTED = {
    ("report", "a"): {
        NoteCode.INCOMPLETE_INPUT: "page_owner: 1 of 2 records are malformed",
        NoteCode.TOTAL: "Total: 4.00 KiB in memory; the owners of swap are unknown",
        NoteCode.SWAP_UNKNOWN: "Not included: 20.00 KiB of swap with unknown owners",
    },
    ("diff", "a", "b", "--by", "stack"): {
        NoteCode.INCOMPLETE_INPUT: "A: page_owner: 1 of 2 records are malformed",
        NoteCode.DIFFERENT_KERNELS: "Different kernels (7.2.13",
        NoteCode.SWAP_LEFT_OUT: "Only one snapshot has the owners of swap: swap is left out",
        NoteCode.STACKS_MATCHED: "100.0% of the pages (2 of 2) have a stack that is in both, matched by",
        NoteCode.NO_DIFFERENCE: "No difference: all rows are equal in both snapshots",
    },
    ("report", "b", "--where", 'comm == "nobody"'): {
        NoteCode.NO_ROWS_MATCH: "no records match --where",
        NoteCode.TOTAL: "Total: 0 B in memory, 0 B in swap",
    },
}


@pytest.mark.parametrize("command", NOTED, ids=lambda words: " ".join(words[:2]))
def test_notes_are_part_of_a_document(odd: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    # GIVEN the notes on stderr; the warnings of a snapshot come first, without its side
    texts = [text.removeprefix("A: ") for text in NOTED[command].values()]
    plain = in_process(*command, cwd=odd).stderr.decode()
    assert all(text in plain for text in texts)
    # THEN a file contains them, as Markdown or as text, and stderr has them as well
    for name in ("x.md", "x.txt"):
        run = in_process(*command, "-o", tmp_path / name, cwd=odd)
        table, _, notes = (tmp_path / name).read_text().partition("\n\n")
        assert table.splitlines()[0].lstrip("| ").startswith(("comm", "common", "mem"))
        lines = [line.removeprefix("- ").replace("`", "") for line in notes.splitlines()]
        for text in NOTED[command].values():
            assert any(line.startswith(text) for line in lines), (text, lines)
        assert all(text in run.stderr.decode() for text in texts)
    # AND so does Markdown on stdout, without a copy on stderr
    run = in_process(*command, "-f", "markdown", cwd=odd)
    assert run.stdout.decode() == (tmp_path / "x.md").read_text()
    assert "Total: " not in run.stderr.decode()
    # AND csv and json do not contain them
    for format in ("csv", "json"):
        run = in_process(*command, "-f", format, cwd=odd)
        assert all(text in run.stderr.decode() for text in texts)


def test_names_in_notes_are_escaped(odd: Path) -> None:
    text = in_process("diff", "a", "b", "-f", "markdown", cwd=odd).stdout.decode()
    assert "`6.12.0<b>` `#1` `` `x` `` SMP" in text


@pytest.mark.parametrize("command", NOTED, ids=lambda words: " ".join(words[:2]))
def test_an_envelope_has_codes_totals_and_rows(odd: Path, command: tuple[str, ...]) -> None:
    rows = json.loads(in_process(*command, "-f", "json", cwd=odd).stdout)
    run = in_process(*command, "-f", "json", "--envelope", cwd=odd)
    whole = json.loads(run.stdout)
    assert list(whole) == ["notes", "total", "rows"] and whole["rows"] == rows
    found: dict[str, str] = {}
    for note in whole["notes"]:
        assert list(note) == ["code", "text"]
        found.setdefault(note["code"], note["text"])
    for code, text in NOTED[command].items():
        assert found[code].startswith(text)
    # What is unknown is null in the total, too.
    unknown = _UNKNOWN[" ".join(command[:2])]
    assert {name for name, size in whole["total"].items() if size is None} == unknown


_UNKNOWN: dict[str, set[str]] = {
    "report a": {"swap_bytes", "swap_pages", "swap_cache_bytes", "swap_cache_pages"},
    "report b": set(),
    "diff a": {
        *("swap_bytes_a", "swap_bytes_b", "swap_bytes_delta", "moved_bytes"),
        *("swap_cache_bytes_a", "swap_cache_bytes_b", "swap_cache_bytes_delta"),
    },
}


def test_the_total_in_an_envelope_covers_all_rows(place: Path) -> None:
    run = in_process("diff", "series/0.spo", "series/2.spo", "-f", "json", "--envelope", "--top", 1, cwd=place)
    whole = json.loads(run.stdout)
    assert len(whole["rows"]) == 1
    assert whole["total"]["total_bytes_delta"] == 29 * 15 * 4096
    assert [whole["total"][f"{name}_bytes"] for name in ("grown", "shrunk", "moved")] == [29 * 15 * 4096, 0, None]


def test_an_envelope_needs_json(place: Path) -> None:
    for options in ((), ("-f", "csv"), ("-o", "x.md")):
        run = in_process("report", "series/0.spo", "--envelope", *options, cwd=place)
        assert (run.returncode, run.stdout) == (2, b"")
        said = "spo-trace: error: --envelope needs JSON\n  hint: add --format json\n"
        assert run.stderr.decode() == said


def test_notes_follow_the_table_in_one_file(place: Path, tmp_path: Path) -> None:
    # WHEN stdout and stderr go to one file
    with (tmp_path / "both").open("wb") as file:
        subprocess.run([EXECUTABLE, "report", "series/2.spo", "--top", "2"], cwd=place, stdout=file, stderr=file)
    # THEN the notes are below the table
    first, *_, last = (tmp_path / "both").read_text().splitlines()
    assert first.startswith("comm ")
    assert last.startswith("Total: ")
