# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame that contains a semicolon stays one frame in every output."""

import csv
import gzip
import io
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from spo_trace.stacks.text import split_frames
from tests.support import MACHINE, capture, entry, in_process, page

FRAMES = ("prep_new_page+0x1c/0x48", "evil;name+0x1/0x2 [mod;x]", "outer+0x1/0x2")
SYMBOLS = ("prep_new_page", "evil;name", "outer")
STACK = [frame.encode() for frame in FRAMES]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a snapshot, and three captures of one boot in which the stack grows."""
    directory = tmp_path_factory.mktemp("semicolons")
    for number in range(3):
        pages = b"".join(page(0x100 + n, comm=b"d;d", stack=STACK) for n in range(number + 1))
        files = {"uptime": b"%d.00 1.00\n" % (100 + number), "page_owner": pages}
        swap = {"swap_page_owner": entry(1, b"d;d", stack=STACK)}
        capture(directory / "series" / str(number), {**MACHINE, **files, **swap})
        spo.snapshot(directory / f"{number}.spo", from_=directory / "series" / str(number))
    return directory


def output(place: Path, *arguments: str) -> str:
    """Return what a command prints."""
    run = in_process(*arguments, cwd=place)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


@pytest.mark.parametrize(("key", "frames"), [("stack", FRAMES), ("symbols", SYMBOLS)])
def test_report_and_diff(place: Path, key: str, frames: tuple[str, ...]) -> None:
    for command in (["report", "0.spo"], ["diff", "0.spo", "1.spo"]):
        # One line per frame in a table
        lines = output(place, *command, "--by", key).splitlines()
        assert [line.strip() for line in lines if line.startswith("    ")][-3:] == list(frames)
        # One cell per stack elsewhere, in which the frames can be separated
        (row,) = csv.DictReader(io.StringIO(output(place, *command, "--by", key, "-f", "csv")))
        assert split_frames(row[key]) == frames
        (record,) = json.loads(output(place, *command, "--by", key, "-f", "json"))
        assert split_frames(record[key]) == frames
        markdown = output(place, *command, "--by", key, "-f", "markdown").splitlines()[2]
        assert split_frames(markdown.split(" | ")[0].removeprefix("| ").strip("`")) == frames


def test_a_condition_on_a_stack_matches_the_text_of_csv(place: Path) -> None:
    for condition in ('stack.str.contains("evil")', r'symbols == "prep_new_page;evil\073name;outer"'):
        assert len(json.loads(output(place, "report", "0.spo", "--where", condition, "-f", "json"))) == 1


def test_profiles(place: Path) -> None:
    # Folded stacks have no escape: a colon replaces a semicolon
    assert output(place, "export", "0.spo", "-f", "folded") == (
        "d:d;outer+0x1/0x2;evil:name+0x1/0x2 [mod:x];prep_new_page+0x1c/0x48 8192\n"
    )
    shared = json.loads(output(place, "export", "0.spo", "-f", "speedscope"))["shared"]["frames"]
    assert [frame["name"] for frame in shared] == ["d;d", "outer", "evil;name", "prep_new_page"]
    output(place, "export", "0.spo", "-f", "pprof", "-o", "x.pb.gz")
    strings = gzip.decompress((place / "x.pb.gz").read_bytes())
    assert b"evil;name" in strings and b"evil;name+0x1/0x2 [mod;x]" in strings


@pytest.mark.parametrize(
    "arguments", [["export", "0.spo", "-f", "html"], ["diff", "0.spo", "1.spo", "--html", "d.html"]]
)
def test_pages(place: Path, arguments: list[str]) -> None:
    printed = output(place, *arguments)
    page = (place / "d.html").read_text() if arguments[0] == "diff" else printed
    data = json.loads(re.search(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.S)[1])  # type: ignore[index]
    assert data["frames"] == list(FRAMES)
    assert data["stacks"]["frames"] == [[0, 1, 2]]
    assert data["stacks"]["callsite"] == ["evil;name [mod;x]"]


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_every_record(place: Path, format: str) -> None:
    name = f"all.{format}"
    output(place, "export", "0.spo", "-f", format, "-o", name)
    if format == "csv":
        stacks = [row["stack"] for row in csv.DictReader(io.StringIO((place / name).read_text()))]
    elif format == "json":
        stacks = [row["stack"] for row in json.loads((place / name).read_text())]
    else:
        stacks = pq.read_table(place / name)["stack"].to_pylist()
    assert [split_frames(stack) for stack in stacks] == [FRAMES, FRAMES]


def test_samples_recordings_and_trends(place: Path) -> None:
    # GIVEN a recording by stack
    captures = [place / "series" / str(number) for number in range(3)]
    samples = list(spo.watch(["comm", "stack"], from_=captures, record=place / "recording"))
    assert [sample.table["stack"].tolist() for sample in samples] == [[FRAMES]] * 3
    # THEN the stack and the keys derived from it are the same as in snapshots
    for key, expected in (("stack", FRAMES), ("symbols", SYMBOLS), ("callsite", "evil;name [mod;x]")):
        for source in (place / "recording", [place / f"{number}.spo" for number in range(3)]):
            assert spo.series(source, key)[key].tolist() == [expected] * 3
            assert spo.trend(source, key)[key].tolist() == [expected]
    lines = output(place, "trend", "recording", "--by", "stack").splitlines()
    assert [line.strip() for line in lines[2:]] == list(FRAMES)
    # AND a label has one function per frame
    watched = output(place, "watch", "--from", "series", "--by", "stack")
    assert "evil;name < outer" in watched
