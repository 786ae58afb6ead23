# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet on the command line."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support import in_process, spo_trace
from tests.unit.fleet.machines import machine


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with snapshots of three machines: web1.spo, web2.spo (swap unknown) and db1.spo."""
    for name, pages, swapped in (("web1", 3, 2), ("web2", 4, None), ("db1", 5, 0)):
        made = machine(tmp_path, name, pages=pages, swapped=swapped)
        made.path.rename(tmp_path / f"{name}.spo")
    return tmp_path


def added(place: Path) -> None:
    """Add the snapshots to the fleet `f`."""
    for names, role in ((["web1.spo", "web2.spo"], "web"), (["db1.spo"], "db")):
        run = in_process("fleet", "add", "f", *names, "--label", f"role={role}", cwd=place)
        assert run.returncode == 0, run.stderr


def test_add_and_report(place: Path) -> None:
    first = spo_trace("fleet", "add", "f", "web1.spo", "web2.spo", "--label", "role=web", cwd=place)
    assert (first.returncode, first.stdout, first.stderr) == (0, b"", b"2 snapshots added to f\n")
    second = spo_trace("fleet", "add", "f", "web1.spo", "db1.spo", cwd=place)
    assert second.stderr == b"1 snapshot added to f; 1 present before\n"
    run = spo_trace("fleet", "report", "f", "--by", "comm", cwd=place)
    assert run.returncode == 0, run.stderr
    assert run.stdout.decode().splitlines() == [
        "comm   hosts        mem      swap      total  share",
        "leaky      3  48.00 KiB  8.00 KiB  56.00 KiB  60.9%",
        "dd         3  24.00 KiB       0 B  24.00 KiB  26.1%",
        r"x\n=y      3  12.00 KiB       0 B  12.00 KiB  13.0%",
    ]
    assert b"3 hosts, the last snapshot of each: 20" in run.stderr
    assert b"the owners of swap are known on 2 of 3 hosts; 20 KiB of used swap has no owner\n" in run.stderr


def test_formats(place: Path) -> None:
    added(place)
    run = in_process("fleet", "report", "f", "--by", "label.role,caller", "-f", "csv", cwd=place)
    found = list(csv.DictReader(io.StringIO(run.stdout.decode())))
    assert [*found[0]] == [
        *("label.role", "caller", "key_known", "hosts"),
        *("mem_bytes", "swap_bytes", "swap_cache_bytes", "total_bytes", "share"),
    ]
    assert found[0]["label.role"] == "web" and found[0]["mem_bytes"] == str(7 * 4096)
    run = in_process("fleet", "report", "f", "--by", "stack", "-f", "json", "--envelope", cwd=place)
    document = json.loads(run.stdout)
    assert [note["code"] for note in document["notes"]] == ["fleet-snapshots", "swap-owners-unknown"]
    assert document["total"]["mem_bytes"] == sum(row["mem_bytes"] for row in document["rows"]) == 84 << 10
    run = in_process("fleet", "report", "f", "-o", "r.md", cwd=place)
    assert (place / "r.md").read_text().startswith("| caller | hosts | mem | swap | total | share |\n")


def test_a_condition(place: Path) -> None:
    added(place)
    run = in_process("fleet", "report", "f", "--by", "host", "--where", "comm == 'leaky'", "-f", "csv", cwd=place)
    assert [row["host"] for row in csv.DictReader(io.StringIO(run.stdout.decode()))] == ["db1", "web1", "web2"]
    run = in_process("fleet", "report", "f", "--where", "comm == 'nobody'", cwd=place)
    assert b"no records match --where" in run.stderr


def test_one_snapshot_that_cannot_be_read(place: Path) -> None:
    (place / "broken.spo").mkdir()
    (place / "broken.spo" / "snapshot.json").write_text("{")
    run = in_process("fleet", "add", "f", "broken.spo", "web1.spo", "missing.spo", cwd=place)
    assert run.returncode == 1
    assert run.stderr.count(b"is not added: ") == 2
    assert b"1 snapshot added to f\n" in run.stderr
    assert b"error: 2 snapshots not added" in run.stderr
    assert in_process("fleet", "report", "f", "--by", "host", "-f", "csv", cwd=place).stdout.count(b"web1") == 1


def test_converted_captures_do_not_pile_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[Path] = []
    really = shutil.rmtree

    def noted(path: Path, ignore_errors: bool = False) -> None:
        converted.append(path)
        really(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", noted)
    run = in_process("fleet", "add", "f", "web1-1-3-7.2.13.files", "db1.spo", cwd=place)
    assert run.returncode == 0, run.stderr
    # The directory that has all of them is removed at the end.
    (made,) = (path for path in converted if not path.name.startswith("scratch-"))
    assert not made.exists()
    # A snapshot of the user stays.
    assert (place / "db1.spo" / "snapshot.json").exists()


def test_skipped_files(place: Path) -> None:
    added(place)
    victim = sorted((place / "f" / "cube").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-100])
    run = in_process("fleet", "report", "f", "--by", "host", cwd=place)
    assert run.returncode == 0 and len(run.stdout.splitlines()) == 3
    assert b"warning: 1 file skipped" in run.stderr
    run = in_process("fleet", "report", "f", "--by", "host", "--strict", cwd=place)
    assert run.returncode == 1 and b"bytes, not" in run.stderr


def two_days(place: Path) -> None:
    """Add two machines at two times: one grows by 7 pages on the second day."""
    for name in ("web1", "web2"):
        for day, pages in ((1, 3), (2, 10 if name == "web2" else 3)):
            made = machine(place, name, pages=pages, swapped=0, boot_number=day + 6, kernel=b"7.%d" % day)
            words = ("fleet", "add", "f", made.path, "--time", f"2026-01-0{day}", "--label", "role=web")
            run = in_process(*words, cwd=place)
            assert run.returncode == 0, run.stderr


def test_diff(place: Path) -> None:
    two_days(place)
    run = in_process("fleet", "diff", "f", "--from", "kernel=7.1", "--to", "kernel=7.2", "--by", "comm", cwd=place)
    assert run.stdout.decode().splitlines()[:2] == [
        "comm   hosts A  hosts B     mem B-A  swap B-A   total B-A  per host B-A",
        "leaky        2        2  +28.00 KiB       0 B  +28.00 KiB    +14.00 KiB",
    ]
    assert b"A: 2 hosts, the last snapshot of each: 2026-01-01 00:00Z\n" in run.stderr
    gate = ("fleet", "diff", "f", "--from", "time=2026-01-01", "--to", "time=latest", "--by", "host,comm")
    run = in_process(*gate, "--paired", "--fail-above", "16KiB", cwd=place)
    assert run.returncode == 3
    assert b"1 row grew by more than 16KiB: web2" in run.stderr
    assert in_process(*gate, "--paired", "--fail-above", "1MiB", cwd=place).returncode == 0
    run = in_process(*gate, "-f", "json", cwd=place)
    assert json.loads(run.stdout)[0]["total_bytes_a"] == 3 * 4096


def test_a_diff_by_stack_says_by_what_it_was_matched(place: Path) -> None:
    two_days(place)
    sides = ("--from", "kernel=7.1", "--to", "kernel=7.2")
    run = in_process("fleet", "diff", "f", *sides, "--by", "stack", "-f", "json", cwd=place)
    assert b"have a stack that is in both, matched by the innermost functions that both kernels have" in run.stderr
    rows = json.loads(run.stdout)
    both = [row for row in rows if row["total_bytes_a"] and row["total_bytes_b"]]
    pages = sum(row[f"total_bytes_{side}"] for row in both for side in "ab") // 4096
    assert f"100.0% of the pages ({pages} of {pages})".encode() in run.stderr
    assert {"common", "key_known"} <= set(rows[0])
    run = in_process("fleet", "diff", "f", "--from", "host=web1", "--to", "host=web2", "--by", "stack", cwd=place)
    assert b"matched by frames with offsets" in run.stderr


def test_a_gate_needs_the_same_hosts(place: Path) -> None:
    two_days(place)
    sides = ("--from", "host=web1", "--to", "host=web*")
    run = in_process("fleet", "diff", "f", *sides, "--fail-above", "1KiB", cwd=place)
    assert (run.returncode, b"different hosts" in run.stderr, b"add --paired" in run.stderr) == (2, True, True)
    run = in_process("fleet", "diff", "f", *sides, cwd=place)
    assert run.returncode == 0
    assert b"A has 1 host, B has 2 hosts, not the same ones: compare the change per host" in run.stderr
    run = in_process("fleet", "diff", "f", *sides, "--paired", cwd=place)
    assert b"left out: 0 hosts of A alone, 1 host of B alone" in run.stderr


def test_outliers(place: Path) -> None:
    two_days(place)
    for number in range(3, 8):
        made = machine(place, f"web{number}", pages=3, swapped=0)
        in_process("fleet", "add", "f", made.path, "--time", "2026-01-02", "--label", "role=web", cwd=place)
    run = in_process("fleet", "outliers", "f", "--by", "comm", "--within", "label.role", cwd=place)
    assert run.stdout.decode().splitlines() == [
        "label.role  host  comm       total     median  mad      above",
        "web         web2  leaky  40.00 KiB  12.00 KiB  0 B  28.00 KiB",
    ]


def test_check_and_compact(place: Path) -> None:
    two_days(place)
    run = in_process("fleet", "check", "f", "--strict", cwd=place)
    assert (run.returncode, run.stderr) == (0, b"4 snapshots, no problems\n")
    for path in (place / "f").rglob("*.parquet"):
        os.utime(path, (0, 0))
    before = in_process("fleet", "report", "f", "--at", "2026-01-02", "-f", "csv", cwd=place).stdout
    run = in_process("fleet", "compact", "f", cwd=place)
    assert (run.returncode, run.stderr.partition(b",")[0]) == (0, b"2 days merged")
    assert in_process("fleet", "report", "f", "--at", "2026-01-02", "-f", "csv", cwd=place).stdout == before
    assert len(list((place / "f" / "cube").iterdir())) == 2
    victim = sorted((place / "f" / "cube").iterdir())[0]
    victim.write_bytes(b"")
    run = in_process("fleet", "check", "f", "-f", "csv", cwd=place)
    assert run.returncode == 0
    assert run.stdout.decode().splitlines()[1].startswith(f"damaged-file,cube,{victim.name},,")
    run = in_process("fleet", "check", "f", "--strict", cwd=place)
    assert run.returncode == 3 and b"1 problem may change answers" in run.stderr
    assert in_process("fleet", "compact", "f", "--keep", "1", cwd=place).returncode == 0


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("fleet", 2, b"Usage: spo-trace fleet"),
        ("fleet report", 2, b"missing argument"),
        ("fleet report nowhere", 1, b"make it with: spo-trace fleet add ROOT SNAPSHOT"),
        ("fleet report . --by pid", 2, b"a fleet has no key 'pid'"),
        ("fleet add f web1.spo --label role", 2, b"has no value"),
        ("fleet diff f", 2, b"diff compares two sides"),
        ("fleet diff f --from kernel=1", 2, b"diff compares two sides"),
        ("fleet diff f --from colour=red --to kernel=1", 1, b"make it with"),
        ("fleet outliers f --by host", 2, b"compares hosts"),
        ("fleet outliers f --fold [", 2, b"unterminated"),
        ("fleet compact f --keep 0", 2, b"--keep"),
        ("fleet add f web1.spo --time noon", 2, b"is not a time"),
        ("fleet add web1.spo db1.spo", 1, b"is not a fleet"),
    ],
)
def test_mistakes(place: Path, line: str, code: int, message: bytes) -> None:
    run = in_process(*line.split(), cwd=place)
    assert (run.returncode, message in run.stderr) == (code, True), run.stderr
