# SPDX-License-Identifier: LGPL-2.1-or-later
"""Add snapshots: once each, the catalog last, under names that no machine chose."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.fleet.local_root import LocalRoot
from spo_trace.fleet.tables import CUBE, SNAPSHOTS, STACKS, TABLES
from tests.support import CARRIED, capture, page, snapshot_of, tar_of
from tests.unit.fleet.machines import machine

NAME = re.compile(r"[0-9a-f]{32}\.parquet")


def rows(root: Path, table: str) -> pa.Table:
    """Return all rows of a table, as any reader of Parquet sees them."""
    return pa.concat_tables(pq.read_table(path) for path in sorted((root / table).iterdir()))


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return the inode and the content of each file."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.stat().st_ino, path.read_bytes()) for path in files}


def test_the_files_have_the_documented_columns(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    assert fleet.add(machine(tmp_path, "web1"), labels={"role": "web"}) == "added"
    for table, schema in (("snapshots", SNAPSHOTS), ("cube", CUBE), ("stacks", STACKS)):
        (path,) = (tmp_path / "f" / table).iterdir()
        assert NAME.fullmatch(path.name)
        assert pq.read_schema(path).equals(schema)
        assert pq.read_schema(path).metadata[b"spo_trace_fleet"] == b"1"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (one,) = rows(tmp_path / "f", "snapshots").to_pylist()
    assert (one["host"], one["kernel"], one["arch"], one["page_size"]) == ("web1", "7.2.13", "x86_64", 4096)
    assert one["labels"] == [("role", "web")]
    assert (one["records"], one["swap_records"], one["swap_used"], one["swap_unowned"]) == (5, 2, 8192, 0)
    assert (one["mem_known"], one["swap_known"], one["uptime"]) == (True, True, 100.0)


def test_the_cube_has_the_sums_of_the_records(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"))
    found = {
        (one["comm"], one["memcg"], one["order"]): (
            one["records"],
            one["mem_pages"],
            one["swap_pages"],
            one["swap_cache_pages"],
        )
        for one in rows(tmp_path / "f", "cube").to_pylist()
    }
    assert found == {
        ("leaky", "web.slice", 0): (3, 3, None, 0),
        ("dd", None, 1): (1, 2, None, 0),
        (r"x\n=y", "web.slice", 0): (1, 1, None, 0),
        ("leaky", None, None): (2, None, 2, None),
    }


def test_a_snapshot_is_added_once(tmp_path: Path) -> None:
    snap = machine(tmp_path, "web1")
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(snap)
    before = state(tmp_path / "f")
    # Also by another process, under another name, and from the capture.
    assert fleet.add(snap) == "present"
    again = spo.fleet.open(tmp_path / "f", create=True)
    assert again.add(spo.open(tmp_path / "web1-1-3-7.2.13.files"), host="other") == "present"
    assert state(tmp_path / "f") == before


def test_other_snapshots_have_other_ids(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for name, number in (("web1", 1), ("web2", 1), ("web1", 2)):
        assert fleet.add(machine(tmp_path, name, boot_number=number)) == "added"
    assert len(set(rows(tmp_path / "f", "snapshots")["id"].to_pylist())) == 3


# Sums alone are equal here: only the PFN differs.
def test_the_id_depends_on_each_page(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for pfn in (0x10, 0x11):
        assert fleet.add(snapshot_of(tmp_path, {"page_owner": page(pfn)}, name=str(pfn))) == "added"


def test_each_stack_is_stored_once(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number in range(3):
        fleet.add(machine(tmp_path, f"web{number}"))
    fleet.add(snapshot_of(tmp_path, {"page_owner": page(stack=(b"new_function+0x1/0x2",))}))
    stacks = rows(tmp_path / "f", "stacks")["stack"].to_pylist()
    assert len(stacks) == len(set(stacks)) == 4
    assert len(list((tmp_path / "f" / "stacks").iterdir())) == 2


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "x\ny", "-rf", "=cmd()", "." * 60])
def test_names_of_hosts_are_no_names_of_files(tmp_path: Path, name: str) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"), host=name, labels={"role": "../x"})
    assert all(NAME.fullmatch(path.name) for path in (tmp_path / "f").rglob("*") if path.is_file())
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == ["cube", "snapshots", "stacks"]
    assert fleet.report("host")["host"].to_list() == [name.replace("\n", r"\n")]


def test_captures_of_any_kind(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in (CARRIED / "7.2-spo" / "0-initial").iterdir() if path.is_file()}
    (tmp_path / "c.tar").write_bytes(tar_of(files))
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    assert fleet.add(spo.open(tmp_path / "c.tar")) == "added"
    # The kernel's own name of a machine without one.
    (one,) = rows(tmp_path / "f", "snapshots").to_pylist()
    assert (one["host"], one["reported_host"], one["taken_at"]) == (None, "(none)", None)


def test_an_aggregate_is_refused(tmp_path: Path) -> None:
    text = b"2 times, 2 pages, PID 7, TGID 7, task_comm_name: dd:\n\n a+0x1/0x2\n\n"
    snap = spo.open(capture(tmp_path / "c", {"sorted.txt": text}) / "sorted.txt")
    with pytest.raises(SpoTraceError, match="has no records of pages"):
        spo.fleet.open(tmp_path / "f", create=True).add(snap)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-29T12:00:00+01:00", datetime(2026, 11, 29, 11, tzinfo=UTC)),
        ("Sun Nov 29 12:00:00 UTC 2026", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        # The name of a zone does not tell its offset.
        ("Sun Nov 29 12:00:00 CET 2026", None),
        ("yesterday", None),
    ],
)
def test_the_time_of_a_snapshot(tmp_path: Path, text: str, expected: datetime | None) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1", date=text))
    assert rows(tmp_path / "f", "snapshots")["taken_at"].to_pylist() == [expected]


def test_a_given_time_comes_first(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1", date="2026-11-29T12:00:00Z"), time="2026-01-01")
    assert rows(tmp_path / "f", "snapshots")["taken_at"].to_pylist() == [datetime(2026, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("labels", [{"a b": "x"}, {"": "x"}, {"a": ""}, {"a": "x\ny"}, {"a": "x" * 300}])
def test_labels_that_are_none(tmp_path: Path, labels: dict[str, str]) -> None:
    with pytest.raises(SpoTraceError, match="label"):
        spo.fleet.open(tmp_path / "f", create=True).add(machine(tmp_path, "web1"), labels=labels)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "thesis.tex").touch()
    with pytest.raises(SpoTraceError, match="is not a fleet"):
        spo.fleet.open(tmp_path / "f", create=True)
    assert [path.name for path in (tmp_path / "f").iterdir()] == ["thesis.tex"]


def test_no_fleet(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match="No such file"):
        spo.fleet.open(tmp_path / "f")
    with pytest.raises(SpoTraceError, match="is not a fleet"):
        spo.fleet.open(tmp_path)


# Everything below ROOT is opened without following links.
@pytest.mark.parametrize("table", ["snapshots", "cube", "stacks"])
def test_a_planted_link_is_not_followed(tmp_path: Path, table: str) -> None:
    spo.fleet.open(tmp_path / "f", create=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "f" / table).rmdir()
    (tmp_path / "f" / table).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoTraceError, match="can't be opened"):
        spo.fleet.open(tmp_path / "f", create=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Killed(BaseException):
    """Stands for SIGKILL: nothing cleans up."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return a function that lets the N-th next write of a file end the process, before or after its rename."""
    write = LocalRoot.write

    def at(place: int) -> None:
        writes = iter(range(100))

        def dying(self: LocalRoot, table: str, name: str, content: pa.Table) -> int:
            number = next(writes)
            if number == place // 2 and place % 2 == 0:
                # As far as the process got.
                (self.path / table / f".spo-trace-{'0' * 16}.tmp").write_bytes(b"PAR1")
                raise Killed
            size = write(self, table, name, content)
            if number == place // 2:
                raise Killed
            return size

        monkeypatch.setattr(LocalRoot, "write", dying)

    yield at
    monkeypatch.undo()


@pytest.mark.parametrize("place", range(5))
def test_a_killed_add_changes_no_answer(
    tmp_path: Path, killed_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"))
    before = fleet.report("stack")
    # With a stack that the fleet does not have yet: three files are written.
    new = machine(tmp_path, "web2", more=page(0x999, stack=(b"new_function+0x1/0x2",)))
    killed_at(place)
    with pytest.raises(Killed):
        fleet.add(new)
    monkeypatch.undo()
    assert spo.fleet.open(tmp_path / "f").report("stack").equals(before)
    # The next one succeeds, as if nothing had happened.
    again = spo.fleet.open(tmp_path / "f")
    assert again.add(new) == "added"
    found = again.report("caller").set_index("caller")
    assert found.loc["new_function", "mem_bytes"] == 4096
    assert again.report("host")["hosts"].sum() == 2


def test_a_read_only_fleet_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spo.fleet.open(tmp_path / "f", create=True).add(machine(tmp_path, "web1"))
    for path in (tmp_path / "f").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    opened: list[int] = []
    really = os.open

    def noted(path: object, flags: int, *rest: object, **named: object) -> int:
        opened.append(flags)
        return really(path, flags, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", noted)
    assert spo.fleet.open(tmp_path / "f").report("host")["hosts"].to_list() == [1]
    assert opened and all(flags & os.O_ACCMODE == os.O_RDONLY for flags in opened)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("table", ["stacks", "cube", "snapshots"])
def test_a_full_disk_changes_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, table: str
) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"))
    before = fleet.report("stack")
    new = machine(tmp_path, "web2", more=page(0x999, stack=(b"new_function+0x1/0x2",)))
    write = pq.write_table

    def full(rows: pa.Table, file: Any, **options: Any) -> None:
        if rows.schema.names == TABLES[table].names:
            file.write(b"PAR1")
            raise OSError(number, os.strerror(number))
        write(rows, file, **options)

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", full)
        with pytest.raises(SpoTraceError, match=f"{table}/.* can't be written: {os.strerror(number)}"):
            fleet.add(new)
    again = spo.fleet.open(tmp_path / "f")
    assert again.report("stack").equals(before)
    assert not [path for path in (tmp_path / "f").rglob("*") if path.name.startswith(".")]
    assert again.add(new) == "added"


def test_a_wrong_time(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        spo.fleet.open(tmp_path / "f", create=True).add(machine(tmp_path, "web1"), time="noon")


# An object store is asked once for each file.
def test_files_of_other_snapshots_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for name in ("web1", "web2"):
        fleet.add(machine(tmp_path, name), time="2026-01-01")
    opened: list[str] = []
    really = LocalRoot.opened

    def noted(self: LocalRoot, table: str, name: str) -> Any:
        opened.append(table)
        return really(self, table, name)

    monkeypatch.setattr(LocalRoot, "opened", noted)
    assert spo.fleet.open(tmp_path / "f").add(machine(tmp_path, "web3")) == "added"
    assert set(opened) == {"stacks"}


def test_a_fleet_that_may_not_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"), time="2026-01-01", keep_raw=True)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("unlink", "rename"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, refused)
            with pytest.raises(SpoTraceError, match=r"can't be (removed|written): Read-only file system") as caught:
                fleet.compact(1)
        assert caught.value.hint
