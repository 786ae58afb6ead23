# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions and thresholds that can never match get a warning: their silence would look like good news."""

import json
from pathlib import Path

import pytest

from tests.support import ANON, FS, MACHINE, capture, entry, in_process, page, snapshot_of

NOBODY = 'comm == "nobody"'
WARNING = f"spo-trace: warning: no records match --where {NOBODY!r}\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with four snapshots of one boot, 10 s apart, in which several names grow."""
    directory = tmp_path_factory.mktemp("place")
    (directory / "series").mkdir()
    for number in range(4):
        grown = b"".join(page(0x1000 * n, 2 * number, b"p%d" % n, stack=ANON) for n in range(1, 6))
        files = {
            "page_owner": page(stack=FS) + grown,
            "swap_page_owner": entry(1),
            "uptime": b"%d.0 1\n" % (100 + 10 * number),
        }
        snapshot_of(directory / "series", {**MACHINE, **files}, name=str(number))
    return directory


@pytest.mark.parametrize(
    "command",
    [
        ("report", "series/0.spo"),
        ("diff", "series/0.spo", "series/3.spo"),
        ("diff", "series/0.spo", "series/3.spo", "--fail-above", "1"),
        ("trend", "series", "--by", "comm"),
        ("trend", "series", "--by", "comm", "--fail-above", "0"),
        ("export", "series/0.spo"),
    ],
    ids=" ".join,
)
def test_a_condition_without_a_match_gets_a_warning(place: Path, command: tuple[str, ...]) -> None:
    run = in_process(*command, "--where", NOBODY, cwd=place)
    assert run.returncode == 0 and WARNING in run.stderr.decode()
    some = in_process(*command, "--where", 'comm == "p1"', cwd=place)
    assert "no rows match" not in some.stderr.decode()


def test_the_error_of_a_threshold_names_the_owners_and_their_growth(place: Path) -> None:
    run = in_process("diff", "series/0.spo", "series/3.spo", "--fail-above", "200K", cwd=place)
    assert run.returncode == 3
    said = "error: 5 rows grew by more than 200K: p1 by 252.00 KiB, p2 by 252.00 KiB, p3 by 252.00 KiB and 2 more\n"
    assert run.stderr.decode().endswith(said)
    run = in_process(
        "diff", "series/0.spo", "series/3.spo", "--by", "stack", "--sort", "stack", "--fail-above", "1", cwd=place
    )
    assert run.stderr.decode().endswith("error: 1 row grew by more than 1: do_anonymous_page by 1.23 MiB\n")


@pytest.mark.parametrize("limit", ["lots", "1MiB/s", "-1", "1 block", ""])
def test_an_invalid_size_gets_a_hint(place: Path, limit: str) -> None:
    run = in_process("diff", "series/0.spo", "series/3.spo", f"--fail-above={limit}", cwd=place)
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr.decode() == (
        f"spo-trace: error: --fail-above: {limit!r} is not a size\n"
        "  hint: a size such as 4096, 512K, 64Mi, 64MiB or 1.5G; K, M, G … are of 1024 each\n"
    )


def test_snapshots_in_the_wrong_order_get_a_warning(place: Path) -> None:
    # WHEN diff gets the snapshots in the wrong order
    run = in_process("diff", "series/3.spo", "series/0.spo", "-f", "json", cwd=place)
    # THEN a warning shows the right command, and the rate is still that of growth over time
    said = "series/0.spo was taken 30.0 s before series/3.spo"
    fix = "name the earlier snapshot first: spo-trace diff series/0.spo series/3.spo\n"
    assert run.returncode == 0 and f"spo-trace: warning: {said}; {fix}" in run.stderr.decode()
    rates = {row["comm"]: row["rate"] for row in json.loads(run.stdout)}
    assert rates["p1"] == 63 * 4096 / 30
    # AND a threshold is refused, as growth would never cross it
    run = in_process("diff", "series/3.spo", "series/0.spo", "--fail-above", "1", cwd=place)
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr.decode() == (
        f"spo-trace: error: {said}: --fail-above would miss growth\n"
        "  hint: name the earlier snapshot first: series/0.spo series/3.spo\n"
    )


def test_no_difference_gets_a_note(place: Path) -> None:
    run = in_process("diff", "series/0.spo", "series/0.spo", cwd=place)
    assert run.stderr.decode() == "Same boot, 0.0 s apart\nNo difference: all rows are equal in both snapshots\n"
    assert "No difference" not in in_process("diff", "series/0.spo", "series/1.spo", cwd=place).stderr.decode()


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        *(("x.json", b"[\n{"), ("x.csv", b"where,pfn,"), ("x.html", b"<!doctype html>"), ("x.pb.gz", b"\x1f\x8b")),
        *(
            ("x.parquet", b"PAR1"),
            ("x.speedscope.json", b'{"$schema":'),
            ("x.folded", b"p1;do_anon"),
            ("x", b"p1;do_anon"),
        ),
    ],
)
def test_the_suffix_chooses_the_format_of_an_export(place: Path, tmp_path: Path, name: str, begins: bytes) -> None:
    run = in_process("export", "series/3.spo", "-o", tmp_path / name, cwd=place)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_name_that_contradicts_its_format_is_refused(place: Path, tmp_path: Path) -> None:
    for command, format, name, told in (
        ("export", "folded", "x.json", "json"),
        ("export", "csv", "x.parquet", "parquet"),
        ("report", "csv", "x.json", "json"),
    ):
        run = in_process(command, "series/3.spo", "-f", format, "-o", tmp_path / name, cwd=place)
        assert run.returncode == 2 and not (tmp_path / name).exists()
        assert f"{name} has the suffix of {told}, but --format is {format}\n  hint: leave out" in run.stderr.decode()
    run = in_process("export", "series/3.spo", "-o", "x.svg", cwd=tmp_path)
    assert (run.returncode, run.stderr.decode().splitlines()[0]) == (
        2,
        "spo-trace: error: x.svg: the suffix .svg is unknown",
    )
    # A speedscope file may end with .json, too.
    assert (
        in_process("export", "series/3.spo", "-f", "speedscope", "-o", tmp_path / "x.json", cwd=place).returncode == 0
    )


def test_the_suffix_chooses_the_format_of_a_table(place: Path, tmp_path: Path) -> None:
    for name, begins in (
        ("x.csv", "comm,key_known,mem_pages"),
        ("x.json", "[\n{"),
        ("x.md", "| comm |"),
        ("x.txt", "comm  "),
    ):
        assert in_process("report", "series/0.spo", "-o", tmp_path / name, cwd=place).returncode == 0
        assert (tmp_path / name).read_text().startswith(begins)


def test_a_page_has_a_note_on_malformed_records(tmp_path: Path) -> None:
    capture(tmp_path / "c", {**MACHINE, "page_owner": page() + b"Page allocated via order x\n\n"})
    said = "page_owner: 1 of 2 records are malformed and set aside"
    in_process("report", "c", "--html", "r.html", cwd=tmp_path)
    assert f'<p class="note">{said}' in (tmp_path / "r.html").read_text()
    in_process("diff", "c", "c", "--html", "d.html", cwd=tmp_path)
    html = (tmp_path / "d.html").read_text()
    assert f'<p class="note">A: {said}' in html and f'<p class="note">B: {said}' in html


@pytest.mark.parametrize("arguments", [("report", "series/0.spo", "--html"), ("trend", "series", "--plot")])
def test_a_wrong_plot_is_an_error_before_the_work(place: Path, arguments: tuple[str, ...]) -> None:
    run = in_process(*arguments, "nosuch/x.html", cwd=place)
    assert (run.returncode, run.stdout) == (1, b"")
    assert run.stderr.decode() == (
        "spo-trace: error: nosuch/x.html can't be written: nosuch is not a directory\n"
        f"  hint: name a directory that you can write to with {arguments[-1]}\n"
    )


def test_a_kernel_file_without_owners(tmp_path: Path) -> None:
    capture(tmp_path, {"meminfo": b"MemTotal: 4 kB\n"})
    assert in_process("report", "meminfo", cwd=tmp_path).stderr.decode() == (
        "spo-trace: error: meminfo has no page_owner file\n"
        "  hint: meminfo alone does not contain page owners: also give page_owner, or the directory of both\n"
    )


def test_an_empty_name_is_visible(tmp_path: Path) -> None:
    capture(tmp_path / "c", {**MACHINE, "page_owner": page(comm=b"")})
    assert in_process("report", "c", cwd=tmp_path).stdout.decode().splitlines()[1].startswith('""  ')
    assert in_process("export", "c", cwd=tmp_path).stdout.startswith(b'"";')
    assert in_process("watch", "--from", "c", cwd=tmp_path).stdout.decode().splitlines()[2].endswith('  ""')
    rows = json.loads(in_process("report", "c", "-f", "json", cwd=tmp_path).stdout)
    assert rows[0]["comm"] == ""


def test_trend_is_sorted_as_asked(place: Path) -> None:
    for sort, column in (("least", "rate_low"), ("rate", "rate"), ("last", "last_bytes")):
        run = in_process("trend", "series", "--by", "comm", "--sort", sort, "-f", "json", cwd=place)
        values = [row[column] for row in json.loads(run.stdout) if row["steadiness"] is not None]
        assert values == sorted(values, reverse=True)
    run = in_process("trend", "series", "--by", "comm", "--sort", "comm", "-f", "json", cwd=place)
    assert [row["comm"] for row in json.loads(run.stdout)] == ["dd", "p1", "p2", "p3", "p4", "p5"]


def test_watch_for_programs(place: Path) -> None:
    captures = [argument for number in range(3) for argument in ("--from", f"series/{number}.files")]
    # WHEN the same samples are written as lines of JSON and as CSV
    lines = in_process("watch", *captures, "-f", "json", cwd=place).stdout.decode().splitlines()
    header, *rows = in_process("watch", *captures, "-f", "csv", cwd=place).stdout.decode().splitlines()
    # THEN they have every owner of every sample, with the column names of the API and the growth that diff shows
    names = [
        "sample",
        "seconds",
        "comm",
        "key_known",
        "mem_bytes",
        "swap_bytes",
        "swap_cache_bytes",
        "total_bytes",
        "interval_delta",
        "growth_delta",
        "rate",
    ]
    assert header.split(",") == names and len(rows) == len(lines) == 6 * 3
    told = [json.loads(line) for line in lines]
    assert all(list(row) == names for row in told)
    assert rows == [",".join("" if value is None else str(value) for value in row.values()) for row in told]
    last = {row["comm"]: row for row in told if row["sample"] == 3}["p1"]
    grown = json.loads(in_process("diff", "series/0.spo", "series/2.spo", "-f", "json", cwd=place).stdout)
    truth = {row["comm"]: row for row in grown}["p1"]
    assert (last["growth_delta"], last["rate"], last["seconds"]) == (truth["total_bytes_delta"], truth["rate"], 20.0)
