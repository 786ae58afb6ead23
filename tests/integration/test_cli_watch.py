# SPDX-License-Identifier: LGPL-2.1-or-later
"""watch and trend as a user runs them."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support import EXECUTABLE, MACHINE, capture, entry, in_process, page, running, spo_trace
from tests.terminal import in_terminal

IN_FULL = "Each sample reads all records, because this kernel does not count every stack"
MISSING = (
    "tacks are missing, and so is their growth: since Linux 6.17.6, the kernel does not count stacks that were first"
    " allocated without __GFP_RECLAIM, such as most slab"
)
LEAK = ("--from", "leak", "--backend", "simulator")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with recordings of the leaking machine by comm and by stack."""
    directory = tmp_path_factory.mktemp("place")
    for key, said in (("comm", ""), ("stack", f"{IN_FULL}\n")):
        run = in_process("watch", *LEAK, "--by", key, "--record", key, cwd=directory)
        assert run.returncode == 0
        assert run.stderr.decode() == f"{said}Wrote {key}: 10 samples; next: spo-trace trend {key}\n"
    return directory


def test_plain_lines(tmp_path: Path) -> None:
    run = in_process("watch", *LEAK, "--count", 3, "--top", 2, "--sort", "total", cwd=tmp_path)
    lines = run.stdout.decode().splitlines()
    left_out = b"\xe2\x80\xa6 3 more owners, left out of each sample: --top 0 shows all\n"
    assert (run.returncode, run.stderr) == (0, left_out)
    assert lines[0].split() == ["seconds", "mem", "swap", "total", "interval", "growth", "rate", "owner"]
    assert [(line.split()[0], line.split()[-1]) for line in lines[1:]] == [
        *[("0.0", "all"), ("0.0", "web"), ("0.0", "worker")],
        *[("60.0", "all"), ("60.0", "web"), ("60.0", "backup")],
        *[("120.0", "all"), ("120.0", "web"), ("120.0", "backup")],
    ]


def test_a_line_has_the_amounts_of_report_and_diff(tmp_path: Path) -> None:
    in_process("simulate", "leak", "-o", "leak", cwd=tmp_path)
    first, last = "leak/minute-00", "leak/minute-09"
    rows = json.loads(in_process("diff", first, last, "--format", "json", cwd=tmp_path).stdout)
    truth = {row["comm"]: row for row in rows}["worker"]
    run = in_process("watch", "--from", first, "--from", last, "--top", 0, cwd=tmp_path)
    line = next(line for line in run.stdout.decode().splitlines()[::-1] if line.endswith("worker"))
    mib = [f"{truth[name] / (1 << 20):.2f} MiB" for name in ("mem_bytes_b", "swap_bytes_b", "total_bytes_b")]
    growth = [f"{truth['total_bytes_delta'] / (1 << 20):+.2f} MiB"] * 2
    assert line.split() == ["540.0", *" ".join([*mib, *growth, f"{truth['rate'] / 1024:+.2f} KiB/s"]).split(), "worker"]


def test_the_leaks_come_first_and_the_largest_growth_does_not(place: Path) -> None:
    run = in_process("trend", "comm", cwd=place)
    lines = run.stdout.decode().splitlines()
    assert lines[0].split() == ["comm", "first", "last", "rate", "error", "at", "least", "steadiness"]
    assert [line.split()[0] for line in lines[1:3]] == ["sampler", "worker"]
    assert run.stderr.decode() == "10 samples of one boot, over 540.0 s\n"
    # In memory alone, the leak that is swapped out is not visible.
    rows = json.loads(in_process("trend", "comm", "--weight", "mem", "--format", "json", cwd=place).stdout)
    low = {row["comm"]: row["rate_low"] for row in rows}
    assert low["worker"] <= 0 < low["sampler"]


def test_a_recording_by_stack_has_callers(place: Path) -> None:
    run = in_process("trend", "stack", "--by", "caller", "--top", 1, cwd=place)
    assert run.stdout.decode().splitlines()[1].startswith("sample_ring_alloc")


def test_keys_that_are_not_text(tmp_path: Path) -> None:
    in_process("watch", *LEAK, "--by", "pid,order,slab,memcg", "--record", "r", cwd=tmp_path)
    rows = json.loads(in_process("trend", "r", "--format", "json", cwd=tmp_path).stdout)
    first = {"pid": 150, "order": 2, "slab": False, "memcg": None, "first_bytes": 262144, "last_bytes": 4947968}
    assert {name: rows[0][name] for name in first} == first


def test_snapshots_give_the_same_trend(place: Path, tmp_path: Path) -> None:
    in_process("simulate", "leak", "-o", "leak", cwd=tmp_path)
    (tmp_path / "spo").mkdir()
    for stage in (tmp_path / "leak").iterdir():
        in_process("snapshot", "--from", stage, "-o", f"spo/{stage.name}.spo", cwd=tmp_path)
    of_snapshots = in_process("trend", tmp_path / "spo", "--by", "comm", "-f", "csv", cwd=tmp_path)
    assert of_snapshots.stdout == in_process("trend", "comm", "-f", "csv", cwd=place).stdout
    some = in_process("trend", "spo", "--by", "comm", "--where", 'comm == "web"', cwd=tmp_path).stdout.decode()
    assert [line.split()[0] for line in some.splitlines()] == ["comm", "web"]


@pytest.mark.parametrize(
    ("limit", "rows"), [("8K/s", 1), ("9K/s", 0), ("20M/h", 2), ("1G/day", 0), ("0", 3), ("490K/min", 1)]
)
def test_a_leak_test_for_ci(place: Path, limit: str, rows: int) -> None:
    run = in_process("trend", "comm", "--fail-above", limit, cwd=place)
    assert run.returncode == (3 if rows else 0)
    # THEN the rows are named with the lower bound of their rates, as in the table
    table = [re.split("  +", line) for line in run.stdout.decode().splitlines()[1:]]
    named = ", ".join(f"{row[0]} by {row[5].removeprefix('+')}" for row in table[:rows])
    grow = "row grows" if rows == 1 else "rows grow"
    said = run.stderr.decode().splitlines()[1:]
    assert said == (
        [f"spo-trace: error: {rows} {grow} by more than {limit} (95 % confidence): {named}"] if rows else []
    )


@pytest.mark.parametrize("suffix", ["png", "svg", "html"])
def test_plot(place: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"x.{suffix}"
    run = in_process("trend", "comm", "--plot", target, cwd=place)
    assert run.stderr.decode().endswith(f"\nWrote {target}\n")
    drawn = target.read_bytes()
    assert drawn[:4] == {"png": b"\x89PNG", "svg": b"<svg", "html": b"<!DO"}[suffix]
    assert target.stat().st_mode & 0o777 == 0o600
    if suffix != "png":
        # The numbers are those of the table and of the API.
        rows = in_process("trend", "comm", "--top", 3, cwd=place).stdout.decode().splitlines()[1:]
        for row in rows:
            comm, *words = row.split()
            rate, error, low = (" ".join(words[at : at + 2]) for at in (4, 6, 8))
            assert f"{rate} ± {error.removeprefix('±')}: at least {low}" in drawn.decode()
            assert f">{comm}<" in drawn.decode()
    assert in_process("trend", "comm", "--plot", target, cwd=place).returncode == 1
    assert list(tmp_path.iterdir()) == [target]


def test_plot_without_matplotlib(place: Path) -> None:
    with patch.dict(sys.modules, {"matplotlib": None}), patch("spo_trace.cli.trend.find_spec", lambda name: None):
        run = in_process("trend", "comm", "--plot", "x.png", cwd=place)
    assert run.returncode == 1
    assert run.stderr.decode() == (
        "spo-trace: error: --plot needs matplotlib\n"
        "  hint: install it in a checkout of spo-trace: pip install '.[plot]'\n"
    )


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("trend nosuch", 1, "nosuch is not a directory\n  hint: make a recording: spo-trace watch --record DIR\n"),
        ("trend .", 1, ". is not a recording and contains no snapshots\n"),
        ("trend comm --by pid", 2, "comm was not recorded by pid\n  hint: choose from comm\n"),
        ("trend comm --weight pages", 2, "there is no weight 'pages'\n  hint: choose one of total, mem, swap\n"),
        ("trend comm --fail-above 3K/week", 2, "--fail-above: 'week' is not one of s, min, h, day\n"),
        ("trend comm --fail-above fast", 2, "--fail-above: 'fast' is not a size\n"),
        (
            "trend comm --fail-above 1MiB",
            2,
            "--fail-above: '1MiB' is not a rate: the unit of time is missing\n  hint: give a size and ",
        ),
        ("trend comm --sort name", 2, "can't sort by 'name'\n"),
        ("watch --format xml", 2, "there is no format 'xml'\n  hint: choose one of view, csv, json\n"),
        (
            "watch --from leak",
            1,
            "leak can't be read: No such file or directory\n  hint: the simulator has a scenario leak",
        ),
        (
            "trend comm --plot x.gif",
            2,
            "can't plot to x.gif\n  hint: the suffix must be one of .png, .svg, .html\n",
        ),
        ("watch --sort name", 2, "can't sort by 'name'\n"),
        ("watch --method fast", 2, "there is no method 'fast'\n"),
        (
            "watch --method counts",
            2,
            "the kernel's counts are by stack only: they cannot be used with other keys or --where\n",
        ),
        ("watch --record comm", 1, "comm exists\n  hint: choose another name, or replace it with --force\n"),
        ("watch --record . --force", 1, ". exists and is not a recording\n"),
        ("watch --by com", 2, "there is no key 'com'\n"),
        ("watch --from nosuch", 1, "nosuch"),
    ],
)
def test_errors(place: Path, command: str, code: int, said: str) -> None:
    run = in_process(*command.split(), cwd=place)
    assert (run.returncode, run.stdout) == (code, b"")
    assert run.stderr.decode().startswith(f"spo-trace: error: {said}")


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with recordings by counts, of Linux 7.2 and of Linux 6.12."""
    directory = tmp_path_factory.mktemp("counted")
    for release in (b"7.2.13", b"6.12.63"):
        for number in range(3):
            counts = b" leak+0x1/0x2\nnr_base_pages: %d\n\n" % (10 + number)
            files = {**MACHINE, "uptime": b"%d.0 1\n" % (100 + number), "page_owner": page(), "show_stacks": counts}
            files["uname"] = MACHINE["uname"].replace(b"7.2.13", release)
            capture(directory / release.decode() / str(number), files)
        name = release.decode()
        run = in_process(
            *("watch", "--from", name, "--by", "stack", "--method", "counts", "--record", f"r-{name}"), cwd=directory
        )
        warned = f"spo-trace: warning: sample 1: s{MISSING}; --method text has all stacks\n"
        assert run.stderr.decode().count(warned) == run.stderr.decode().count("warning") == (name == "7.2.13")
    return directory


@pytest.mark.parametrize("release", ["7.2.13", "6.12.63"])
def test_a_trend_of_counts_that_lack_stacks_warns(counted: Path, release: str) -> None:
    run = in_process("trend", f"r-{release}", cwd=counted)
    warned = f"spo-trace: warning: S{MISSING}; record with --method text\n"
    assert run.stderr.decode().count(warned) == run.stderr.decode().count("warning") == (release == "7.2.13")
    meta = json.loads((counted / f"r-{release}" / "series.json").read_text())
    assert (meta["method"], meta["method_reason"]) == ("counts", "asked")
    envelope = json.loads(in_process("trend", f"r-{release}", "-f", "json", "--envelope", cwd=counted).stdout)
    assert ("stacks-not-counted" in [note["code"] for note in envelope["notes"]]) == (release == "7.2.13")


def test_a_recording_says_why_all_records_were_read(place: Path) -> None:
    found = [json.loads((place / key / "series.json").read_text())["method_reason"] for key in ("comm", "stack")]
    assert found == ["question", "counts-lack-stacks"]


def test_counts_do_not_distinguish_memory_from_swap(counted: Path) -> None:
    run = in_process("trend", "r-6.12.63", "--weight", "swap", cwd=counted)
    assert run.returncode == 2
    assert run.stderr.decode().startswith("spo-trace: error: the kernel's counts do not distinguish memory from swap\n")


def test_the_title_of_a_plot_of_counts(counted: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.html"
    assert in_process("trend", "r-6.12.63", "--plot", target, cwd=counted).returncode == 0
    assert "Steady growth by stack: counts of page_owner_stacks" in target.read_text()


def test_nothing_is_plotted_if_nothing_changed(tmp_path: Path) -> None:
    in_process("watch", *LEAK, "--where", 'comm == "nosuch"', "--record", "r", cwd=tmp_path)
    run = in_process("trend", "r", "--plot", "x.png", cwd=tmp_path)
    assert run.stderr.decode().endswith("\nNothing changed: there is nothing to plot\n")
    assert not (tmp_path / "x.png").exists()


def test_two_samples_are_too_few(tmp_path: Path) -> None:
    in_process("watch", *LEAK, "--count", 2, "--record", "r", cwd=tmp_path)
    run = in_process("trend", "r", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.startswith(b"spo-trace: error: too few samples for a trend: 2\n")


def test_hostile_names(tmp_path: Path) -> None:
    for number in range(3):
        text = b"".join(
            page(0x100 + n, number, comm) for n, comm in enumerate((b"[red]x[/]", b"\x1b[2J\n$x^2$", b"<b>"))
        )
        capture(tmp_path / f"c/{number}", {**MACHINE, "uptime": b"%d.0 1\n" % (100 + number), "page_owner": text})
    run = in_process("watch", "--from", "c", "--record", "r", cwd=tmp_path)
    assert {line.split("  ")[-1] for line in run.stdout.decode().splitlines()[1:]} == {
        *("all", "[red]x[/]", "\\033[2J\\n$x^2$", "<b>")
    }
    run = in_process("trend", "r", "--plot", "x.html", cwd=tmp_path)
    assert run.returncode == 0
    assert "\\033[2J\\n$x^2$" in run.stdout.decode()
    drawn = (tmp_path / "x.html").read_text()
    assert "&lt;b&gt;" in drawn and "<b>" not in drawn


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Return a directory of three captures, of which the last two have records that can't be parsed."""
    for number in range(3):
        text = page(0x100) + page(0x101) + page(0x102) + b"Page allocated via order x\n\n" * number
        files = {"uptime": b"%d.0 1\n" % (100 + number), "page_owner": text, "swap_page_owner": entry(1)}
        capture(tmp_path / f"c/{number}", {**MACHINE, **files})
    return tmp_path


def test_each_warning_on_samples_is_printed_once(damaged: Path) -> None:
    said = in_process("watch", "--from", "c", cwd=damaged).stderr.decode()
    assert said.startswith("spo-trace: warning: sample 2: page_owner: 1 of 4 records are malformed and set aside")
    assert said.count("\n") == 1


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    """Return a directory of three captures with a page in memory and one in swap."""
    for number in range(3):
        files = {"uptime": b"%d.0 1\n" % (100 + number), "page_owner": page(), "swap_page_owner": entry(1)}
        capture(tmp_path / f"c/{number}", {**MACHINE, **files})
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--by", "node"], "Entries of swap have no node: they are in the row ?"),
        (["--where", "node == 0"], "Swap is left out: "),
        (["--by", "comm"], ""),
    ],
)
def test_unknown_keys_of_samples_are_noted_once(swapped: Path, asked: list[str], said: str) -> None:
    notes = in_process("watch", "--from", "c", "--record", "r", *asked, cwd=swapped).stderr.decode()
    found = [line for line in notes.splitlines() if said and line.startswith(said)]
    assert len(found) == bool(said) and len(notes.splitlines()) == 1 + len(found)
    # AND trend says so, too
    notes = in_process("trend", "r", cwd=swapped).stderr.decode()
    assert len(found) == sum(bool(said) and line.startswith(said) for line in notes.splitlines())


def test_a_view_is_not_disturbed_by_warnings(damaged: Path) -> None:
    code, seen = in_terminal(["watch", "--from", "c"], damaged)
    assert code == 0
    assert b"1 warning at the end" in seen
    assert seen.index(b"warning: sample 2: page_owner: 1 of 4") > seen.index(b"\x1b[?1049l")


def test_the_live_view_restores_the_terminal(tmp_path: Path) -> None:
    code, seen = in_terminal(["watch", *LEAK, "--top", "3"], tmp_path)
    assert code == 0
    # The alternate screen is left, the cursor is visible, and the last view stays.
    assert seen.count(b"\x1b[?1049h") == seen.count(b"\x1b[?1049l") == 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    stays = seen[seen.index(b"\x1b[?1049l") :].decode()
    assert "Sample 10 by comm" in stays and "sampler" in stays
    assert not list((tmp_path / ".cache/spo-trace").iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_keeps_recorded_samples(tmp_path: Path, number: int, code: int) -> None:
    arguments = ["watch", *LEAK, "-n", "1000", "--record", "r"]
    left, seen = in_terminal(arguments, tmp_path, until=b"Sample 1 by comm", number=number)
    assert left == code, seen.decode()
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["000001.parquet", "series.json"]
    assert b"Traceback" not in seen and seen.count(b"\x1b[?1049l") == 1
    assert (b"Wrote r: 1 sample;" in seen) == (number == signal.SIGINT)
    assert not list((tmp_path / ".cache/spo-trace").iterdir())


def test_an_interrupt_before_the_first_sample_leaves_no_files(tmp_path: Path) -> None:
    # GIVEN a pipe with some records, which then blocks
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(pipe, page() * 30)
    arguments = ["watch", "--from", "pipe", "--record", "r"]
    with running(*arguments, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        # WHEN Ctrl-C is pressed after they were read
        while select.select([pipe], [], [], 0)[0] and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    os.close(pipe)
    assert process.returncode == 130
    assert said == b"spo-trace: error: interrupted; no files were left behind\n"
    assert not (tmp_path / "r").exists()


def test_a_reader_that_exits_early(tmp_path: Path) -> None:
    command = f"{EXECUTABLE} watch {' '.join(LEAK)} --top 0 | head -1"
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / ".cache")}
    run = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert run.stdout.split()[0] == b"seconds"
    assert run.stderr == b""


def test_without_page_owner_there_is_a_hint(tmp_path: Path) -> None:
    if Path("/sys/kernel/debug/page_owner").exists():
        pytest.skip("this machine has page_owner")
    run = spo_trace("watch", "--count", "1", cwd=tmp_path)
    assert run.returncode == 1
    assert b"spo-trace doctor" in run.stderr
