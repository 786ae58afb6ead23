# SPDX-License-Identifier: LGPL-2.1-or-later
"""Confused inputs and outputs: the message names what they are, and the command in its hint works."""

import re
import shlex
from pathlib import Path

import pytest

from spo_trace.cli import COMMANDS
from tests.support import ANON, FS, MACHINE, capture, in_process, page, snapshot_of

RECORDS = page(1) + page(2, comm=b"cat", stack=FS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a recording, a directory of snapshots of one boot, a snapshot and captures."""
    directory = tmp_path_factory.mktemp("mistakes")
    (directory / "day").mkdir()
    for number in range(1, 4):
        files = {**MACHINE, "uptime": b"%d.00 1.00\n" % (100 * number), "page_owner": RECORDS + page(9, number)}
        snapshot_of(directory, files, name=f"c{number}").path.rename(directory / "day" / f"{number}.spo")
    snapshot_of(directory, {**MACHINE, "page_owner": RECORDS}, name="now")
    capture(directory / "captures" / "1", {**MACHINE, "page_owner": page(stack=ANON)})
    run = in_process("watch", "--from", "c1.files", "--from", "c2.files", "--record", "rec", cwd=directory)
    assert run.returncode == 0, run.stderr
    return directory


READERS = [["report"], ["diff", "now.spo"], ["verify"], ["export"], ["snapshot", "-o", "n.spo", "--from"]]
MIXED_UP = [
    ("rec", "rec is a recording of samples", "show its growth: spo-trace trend rec"),
    (
        "rec/000001.parquet",
        "rec/000001.parquet is one file of the recording rec",
        "name the directory: spo-trace trend rec",
    ),
    ("rec/series.json", "rec/series.json is one file of the recording rec", "name the directory: spo-trace trend rec"),
    (
        "now.spo/pages.parquet",
        "now.spo/pages.parquet is one file of the snapshot now.spo",
        "name the directory: spo-trace report now.spo",
    ),
    (
        "now.spo/snapshot.json",
        "now.spo/snapshot.json is one file of the snapshot now.spo",
        "name the directory: spo-trace report now.spo",
    ),
    (
        "day",
        "day is a directory of snapshots",
        "name one of day/1.spo, day/2.spo, day/3.spo; or show their growth: spo-trace trend day",
    ),
]


@pytest.mark.parametrize("reader", READERS, ids=lambda words: words[0])
@pytest.mark.parametrize(("given", "said", "hint"), MIXED_UP, ids=[given for given, _, _ in MIXED_UP])
def test_an_input_that_is_not_a_capture_is_named(
    place: Path, reader: list[str], given: str, said: str, hint: str
) -> None:
    run = in_process(*reader, given, cwd=place)
    assert run.returncode == 1
    assert run.stderr.decode() == f"spo-trace: error: {said}\n  hint: {hint}\n"


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ("now.spo", "now.spo is a single snapshot; a trend needs three or more", "spo-trace report now.spo"),
        (
            "now.spo/pages.parquet",
            "now.spo/pages.parquet is one file of the snapshot now.spo",
            "spo-trace report now.spo",
        ),
        ("rec/000001.parquet", "rec/000001.parquet is one file of the recording rec", "spo-trace trend rec"),
    ],
)
def test_an_input_that_is_not_a_series_is_named(place: Path, given: str, said: str, hint: str) -> None:
    run = in_process("trend", given, cwd=place)
    assert run.returncode == 1
    assert f"error: {said}\n" in run.stderr.decode() and hint in run.stderr.decode()


def hints(place: Path) -> list[str]:
    """Return every command in the hints of the errors above."""
    errors = [in_process("report", given, cwd=place).stderr.decode() for given, _, _ in MIXED_UP]
    errors += [in_process("trend", given, cwd=place).stderr.decode() for given in ("now.spo", "rec/series.json")]
    errors += [in_process("report", "now.spo", "--where", "comm = dd", cwd=place).stderr.decode()]
    said = [line for text in errors for line in text.splitlines() if line.startswith("  hint: ")]
    return [match for line in said for match in re.findall(r"spo-trace (?:report|trend) \S+|--where .*", line)]


def test_hints_work_as_printed(place: Path) -> None:
    found = hints(place)
    assert len(found) > 6
    for hint in found:
        words = shlex.split(hint.removeprefix("spo-trace "))
        if hint.startswith("--where"):
            words = ["report", "now.spo", *words]
        run = in_process(*words, cwd=place)
        # A recording of two samples is too short, which is another error.
        assert run.returncode == 0 or b"too few samples" in run.stderr, (hint, run.stderr)


@pytest.mark.parametrize(
    "path", ["", "\n", "\t", " ", "\x1b[2J", "a\nb", "x" * 300, "-x", "\udcff", "no/such/", "/dev/null"]
)
@pytest.mark.parametrize(
    "reader", [["report"], ["diff", "now.spo"], ["verify"], ["export"], ["trend"]], ids=lambda w: w[0]
)
def test_invalid_paths_are_an_error_with_a_hint(place: Path, reader: list[str], path: str) -> None:
    run = in_process(*reader, "--", path, cwd=place) if path.startswith("-") else in_process(*reader, path, cwd=place)
    assert run.returncode in (1, 2)
    said = run.stderr.decode()
    assert said.startswith("spo-trace: error: ") and "\n  hint: " in said and said.count("\n") == 2
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "command", [["report"], ["diff", "now.spo"], ["verify"], ["export"], ["trend"]], ids=lambda w: w[0]
)
@pytest.mark.parametrize("name", ["x.xlsx", "x.csv.gz", "x.pdf", "x.spo", "X.Docx"])
def test_unknown_suffixes_are_refused(place: Path, command: list[str], name: str) -> None:
    run = in_process(*command, "day" if command == ["trend"] else "now.spo", "-o", name, cwd=place)
    said = run.stderr.decode()
    assert run.returncode == 2
    assert f"{name}: the suffix {Path(name).suffix} is unknown\n" in said
    assert ".csv" in said and ".json" in said and "-f" in said
    assert not (place / name).exists()


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x.txt", b"comm"), ("x.CSV", b"comm,"), ("x.Json", b"["), ("x.md", b"| comm"), ("plain", b"comm ")],
)
def test_known_suffixes_choose_the_format(place: Path, name: str, begins: bytes, tmp_path: Path) -> None:
    run = in_process("report", "now.spo", "-o", tmp_path / name, cwd=place)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_given_format_works_with_any_suffix(place: Path, tmp_path: Path) -> None:
    assert in_process("report", "now.spo", "-f", "csv", "-o", tmp_path / "x.dat", cwd=place).returncode == 0


@pytest.mark.parametrize("name", ["x.pdf", "x.xlsx"])
def test_a_page_needs_an_html_suffix(place: Path, name: str) -> None:
    run = in_process("report", "now.spo", "--html", name, cwd=place)
    assert (run.returncode, b"hint: name it NAME.html" in run.stderr) == (2, True)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_h_prints_help(place: Path, command: str) -> None:
    short, long = (in_process(*command.split(), word, cwd=place) for word in ("-h", "--help"))
    assert (short.returncode, short.stdout) == (0, long.stdout)
    assert b"-h, --help" in short.stdout
