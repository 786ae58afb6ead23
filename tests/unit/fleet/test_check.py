# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is wrong in a fleet is named, and changes no other answer."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from spo_trace.fleet.catalog import Code
from tests.unit.fleet.machines import machine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a fleet of three hosts, of which the second has a file of its own in each table."""
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number in range(3):
        fleet.add(machine(tmp_path, f"web{number}", pages=number + 1), time="2026-01-01")
    return tmp_path / "f"


def problems(root: Path) -> list[tuple[str, str]]:
    """Return the code and the table of each problem."""
    found = spo.fleet.open(root).check()
    return list(zip(found["problem"], found["table"], strict=True))


def hosts(root: Path) -> list[str]:
    """Return the hosts that a report has."""
    return sorted(spo.fleet.open(root).report("host")["host"])


def file_of(root: Path, table: str, host: str) -> Path:
    """Return the file of a host."""
    for path in (root / "snapshots").iterdir():
        (one,) = pq.read_table(path).to_pylist()
        if one["host"] == host:
            return root / table / path.name
    raise AssertionError(host)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def linked(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def newer(path: Path) -> None:
    table = pq.read_table(path)
    metadata = {**table.schema.metadata, b"spo_trace_fleet": b"999"}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def foreign(path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), path)


def test_nothing(root: Path) -> None:
    assert problems(root) == []


@pytest.mark.parametrize("damage", [cut, emptied, linked, fifo, foreign])
@pytest.mark.parametrize("table", ["snapshots", "cube"])
def test_a_damaged_file(root: Path, damage: Callable[[Path], None], table: str) -> None:
    damage(file_of(root, table, "web1"))
    assert hosts(root) == ["web0", "web2"]
    assert problems(root)[0] == (Code.DAMAGED, table)
    assert len(spo.fleet.open(root).catalog.skipped) == 1


def test_a_newer_version(root: Path) -> None:
    newer(file_of(root, "snapshots", "web1"))
    assert hosts(root) == ["web0", "web2"]
    assert problems(root) == [(Code.NEWER, "snapshots")]


# Hosts with a newer release may add before the machine that compacts is upgraded.
def test_a_newer_version_loses_nothing(root: Path) -> None:
    newer(file_of(root, "snapshots", "web1"))
    before = sorted(path for path in root.rglob("*.parquet") if "cube" in str(path))
    for path in root.rglob("*.parquet"):
        os.utime(path, (0, 0))
    assert problems(root) == [(Code.NEWER, "snapshots")]
    spo.fleet.open(root).compact()
    after = {path.name for path in (root / "cube").iterdir()}
    assert len(after - {path.name for path in before}) == 1
    # That of web1, which only the newer release can read.
    assert next(path.name for path in (root / "snapshots").iterdir() if path.name[8] != "-") in after


# A snapshot whose cube was not copied yet.
def test_half_an_upload(root: Path) -> None:
    file_of(root, "cube", "web1").unlink()
    assert hosts(root) == ["web0", "web2"]
    assert problems(root) == [(Code.MISSING, "cube")]
    again = spo.fleet.open(root)
    assert again.add(spo.open(root.parent / "web1-1-2-7.2.13.spo"), time="2026-01-01") == "added"
    assert hosts(root) == ["web0", "web1", "web2"]


# The size is right, and the footer is whole: only the checksum of a page tells.
def test_damage_inside_a_file(root: Path) -> None:
    path = file_of(root, "cube", "web1")
    content = bytearray(path.read_bytes())
    for place in range(60, 200):
        content[place] ^= 0x55
    path.write_bytes(content)
    assert problems(root)[0] == (Code.DAMAGED, "cube")
    with pytest.raises(spo.SpoTraceError, match="is damaged: "):
        hosts(root)


def test_damaged_stacks_change_no_amount(root: Path) -> None:
    before = spo.fleet.open(root).report("comm").to_dict("records")
    (path,) = (root / "stacks").iterdir()
    cut(path)
    assert spo.fleet.open(root).report("comm").to_dict("records") == before
    assert spo.fleet.open(root).report("caller")["caller"].isna().all()
    assert (Code.STACK_MISSING, "cube") in problems(root)


def test_frames_with_a_wrong_hash_do_not_count(root: Path) -> None:
    (path,) = (root / "stacks").iterdir()
    table = pq.read_table(path)
    wrong = pa.table([table["stack"], pa.array([["evil+0x1/0x2"]] * table.num_rows)], schema=table.schema)
    pq.write_table(wrong, path)
    assert spo.fleet.open(root).report("caller")["caller"].isna().all()


# A file of the cube counts only for the snapshots that name it.
def test_a_cube_with_rows_of_another_snapshot(root: Path) -> None:
    before = spo.fleet.open(root).report("host").to_dict("records")
    victim, other = file_of(root, "cube", "web1"), file_of(root, "cube", "web2")
    mixed = pa.concat_tables([pq.read_table(victim), pq.read_table(other)])
    pq.write_table(mixed, victim)
    catalog = file_of(root, "snapshots", "web1")
    table = pq.read_table(catalog)
    place = table.column_names.index("cube_bytes")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array([victim.stat().st_size])), catalog)
    assert spo.fleet.open(root).report("host").to_dict("records") == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "x.parquet", ""])
def test_a_catalog_with_a_hostile_file_name(root: Path, name: str) -> None:
    path = file_of(root, "snapshots", "web1")
    table = pq.read_table(path)
    place = table.column_names.index("cube_file")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array([name])), path)
    assert hosts(root) == ["web0", "web2"]
    assert (Code.DAMAGED, "snapshots") in problems(root)


def test_an_absurd_number_of_pages(root: Path) -> None:
    path = file_of(root, "cube", "web1")
    table = pq.read_table(path)
    place = table.column_names.index("mem_pages")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array([1 << 60] * table.num_rows)), path)
    catalog = file_of(root, "snapshots", "web1")
    rows = pq.read_table(catalog)
    place = rows.column_names.index("cube_bytes")
    pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array([path.stat().st_size])), catalog)
    with pytest.raises(spo.SpoTraceError, match="that no machine has"):
        hosts(root)


def test_an_unused_file(root: Path) -> None:
    path = root / "cube" / f"{'0' * 32}.parquet"
    path.write_bytes(b"PAR1")
    assert problems(root) == []
    os.utime(path, (0, 0))
    assert problems(root) == [(Code.UNUSED, "cube")]


@pytest.mark.parametrize(
    ("times", "uptimes", "shared"),
    [
        # One machine that was booted again.
        (("10:00", "12:00"), (3600, 1800), False),
        # The second one had been running for long when the first was seen.
        (("10:00", "12:00"), (3600, 3 * 3600), True),
    ],
)
def test_two_machines_with_one_name(
    tmp_path: Path, times: tuple[str, str], uptimes: tuple[int, int], shared: bool
) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number, (time, uptime) in enumerate(zip(times, uptimes, strict=True)):
        fleet.add(machine(tmp_path, "web1", boot_number=number, uptime=uptime), time=f"2026-01-01T{time}Z")
    assert problems(tmp_path / "f") == ([(Code.SHARED_NAME, "snapshots")] if shared else [])


def test_a_clock_that_is_ahead(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    ahead = datetime.now(UTC) + timedelta(days=400)
    fleet.add(machine(tmp_path, "web1"), time=ahead.isoformat())
    fleet.add(machine(tmp_path, "web2"), time=datetime.now(UTC).isoformat())
    assert problems(tmp_path / "f") == [(Code.CLOCK, "snapshots")]
    # It does not move the window of the others.
    assert fleet.report("host", window="1d")["host"].to_list() == ["web2"]


def test_hosts_and_times_that_are_unknown(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "(none)"))
    assert problems(tmp_path / "f") == [(Code.NO_HOST, "snapshots"), (Code.NO_TIME, "snapshots")]
