# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet on the command line."""

import csv
import io
import json
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


def test_skipped_files(place: Path) -> None:
    added(place)
    victim = sorted((place / "f" / "cube").iterdir())[0]
    victim.write_bytes(victim.read_bytes()[:-100])
    run = in_process("fleet", "report", "f", "--by", "host", cwd=place)
    assert run.returncode == 0 and len(run.stdout.splitlines()) == 3
    assert b"warning: 1 file skipped" in run.stderr
    run = in_process("fleet", "report", "f", "--by", "host", "--strict", cwd=place)
    assert run.returncode == 1 and b"bytes, not" in run.stderr


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("fleet", 2, b"Usage: spo-trace fleet"),
        ("fleet report", 2, b"missing argument"),
        ("fleet report nowhere", 1, b"make it with: spo-trace fleet add ROOT SNAPSHOT"),
        ("fleet report . --by pid", 2, b"a fleet has no key 'pid'"),
        ("fleet add f web1.spo --label role", 2, b"has no value"),
        ("fleet add f web1.spo --time noon", 2, b"is not a time"),
        ("fleet add web1.spo db1.spo", 1, b"is not a fleet"),
    ],
)
def test_mistakes(place: Path, line: str, code: int, message: bytes) -> None:
    run = in_process(*line.split(), cwd=place)
    assert (run.returncode, message in run.stderr) == (code, True), run.stderr
