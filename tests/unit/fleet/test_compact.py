# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compaction: no answer changes, also if it is killed at any write or removal."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import spo_trace as spo
from spo_trace.fleet import compact as compact_module
from spo_trace.fleet.compact import compact
from spo_trace.fleet.fleet import Fleet
from spo_trace.fleet.local_root import LocalRoot
from tests.support import page
from tests.unit.fleet.machines import machine
from tests.unit.fleet.test_add import rows

TODAY = date(2026, 1, 4)


class Killed(BaseException):
    """Stands for SIGKILL."""


def aged(root: Path) -> None:
    """Make all files two hours old: younger ones may belong to an `add` at work."""
    for path in root.rglob("*.parquet"):
        os.utime(path, (path.stat().st_mtime - 7200,) * 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a fleet of three days and three hosts."""
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number in range(3):
        for day in (1, 2, 4):
            stack = (b"function_%d+0x1/0x2" % day,)
            snap = machine(tmp_path, f"web{number}", boot_number=day, pages=day, more=page(0x999, stack=stack))
            fleet.add(snap, time=f"2026-01-0{day}T12:00Z", labels={"role": "web"})
    aged(tmp_path / "f")
    return tmp_path / "f"


def answers(root: Path) -> list[Any]:
    """Return what the fleet says."""
    fleet = spo.fleet.open(root)
    assert fleet.catalog.problems == []
    tables = [
        *(fleet.report(key, at=f"2026-01-0{day}T23:00Z") for key in ("stack", "comm", "host") for day in (1, 2, 4)),
        fleet.report("memcg", at="2026-01-04T23:00Z", window="7d"),
        fleet.diff(["time=2026-01-01T23:00Z"], ["time=latest"], "caller"),
    ]
    return [table.to_dict("records") for table in tables]


def compacted(root: Path, keep: int | None = None) -> Any:
    """Compact as on the fourth day."""
    with LocalRoot.open(root) as opened:
        return compact(opened, keep, TODAY)


def test_no_answer_changes(root: Path) -> None:
    before = answers(root)
    assert compacted(root).days == 2
    assert answers(root) == before
    # The open day keeps its files.
    names = sorted(path.name for path in (root / "cube").iterdir())
    assert len(names) == 5 and [name[:9] for name in names if "-" in name] == ["20260101-", "20260102-"]
    assert len(list((root / "snapshots").iterdir())) == 5
    assert len(list((root / "stacks").iterdir())) == 1


def test_again_changes_nothing(root: Path) -> None:
    compacted(root)
    files = {path: path.stat().st_ino for path in root.rglob("*")}
    assert compacted(root) == (0, 0, 0)
    assert {path: path.stat().st_ino for path in root.rglob("*")} == files


def test_a_late_snapshot_joins_its_day(root: Path, tmp_path: Path) -> None:
    compacted(root)
    fleet = spo.fleet.open(root)
    fleet.add(machine(tmp_path, "late"), time="2026-01-01")
    before = answers(root)
    aged(root)
    assert compacted(root).days == 1
    assert answers(root) == before
    assert len([path for path in (root / "cube").iterdir() if path.name.startswith("20260101-")]) == 1


def test_adding_again_changes_nothing(root: Path, tmp_path: Path) -> None:
    compacted(root)
    before = answers(root)
    new = page(0x999, stack=(b"function_2+0x1/0x2",))
    again = machine(tmp_path / "again", "web1", boot_number=2, pages=2, more=new)
    assert spo.fleet.open(root).add(again) == "present"
    assert answers(root) == before


def test_old_days_are_dropped(root: Path) -> None:
    done = compacted(root, keep=2)
    assert (done.days, done.dropped) == (1, 3)
    assert sorted({str(time)[:10] for time in rows(root, "snapshots")["taken_at"].to_pylist()}) == [
        "2026-01-02",
        "2026-01-04",
    ]
    # The stacks of what is left have their frames.
    assert spo.fleet.open(root).report("stack")["stack"].notna().all()
    assert len(list((root / "cube").iterdir())) == 4


def test_large_days_are_split(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(root)
    monkeypatch.setattr(compact_module, "MAX_CUBE_ROWS", 12)
    compacted(root)
    assert answers(root) == before
    assert len([path for path in (root / "cube").iterdir() if path.name.startswith("20260101-")]) == 2


def test_files_at_work_are_left_alone(root: Path) -> None:
    (root / "cube" / f"{'a' * 32}.parquet").write_bytes(b"PAR1")
    (root / "cube" / f"{'b' * 32}.parquet").write_bytes(b"PAR1")
    os.utime(root / "cube" / f"{'b' * 32}.parquet", (0, 0))
    compacted(root)
    assert (root / "cube" / f"{'a' * 32}.parquet").exists()
    assert not (root / "cube" / f"{'b' * 32}.parquet").exists()


@pytest.mark.parametrize("place", range(12))
def test_a_killed_compact_changes_no_answer(root: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    before = answers(root)
    left = iter(range(100))

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            if next(left) == place:
                raise Killed
            return function(*given)

        return run

    with monkeypatch.context() as patched:
        patched.setattr(LocalRoot, "write", dying(LocalRoot.write))
        patched.setattr(LocalRoot, "remove", dying(LocalRoot.remove))
        with pytest.raises(Killed):
            compacted(root)
    assert answers(root) == before
    compacted(root)
    assert answers(root) == before
    assert len(list((root / "snapshots").iterdir())) == 5


def test_a_reader_at_work_reads_again(root: Path) -> None:
    fleet = spo.fleet.open(root)
    before = fleet.report("comm").to_dict("records")
    compacted(root)
    # Its catalog names files that are gone now.
    assert isinstance(fleet, Fleet) and fleet.report("comm", at="2026-01-02T23:00Z")["hosts"].max() == 3
    assert fleet.report("comm").to_dict("records") == before
