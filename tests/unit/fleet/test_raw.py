# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots that a fleet keeps whole: they come back as they were, and go with their row of the catalog."""

import errno
import os
import stat
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.fleet.compact import compact
from spo_trace.fleet.local_raw import LocalRaw
from spo_trace.fleet.opening import open_root
from spo_trace.snapshots.reader import Snapshot
from tests.support import in_process
from tests.unit.fleet.machines import machine
from tests.unit.fleet.stores import S3, give_credentials, moto_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    """Return a server."""
    with moto_s3() as server:
        yield server


@pytest.fixture(params=["directory", "store"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a place for a fleet."""
    if request.param == "directory":
        return str(tmp_path / "f")
    give_credentials(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server: S3 = request.getfixturevalue("s3")
    return server.url(server.bucket())


def content(snap: Snapshot) -> dict[str, bytes]:
    """Return the files of a snapshot."""
    return {path.name: path.read_bytes() for path in snap.path.iterdir()}


def ids(root: str) -> list[str]:
    """Return the ids of the catalog, oldest first."""
    rows = spo.fleet.open(root).catalog.rows
    return [id for _, id in sorted(zip(rows["taken_at"].to_pylist(), rows["id"].to_pylist(), strict=True))]


def test_it_comes_back_as_it_was(root: str, tmp_path: Path) -> None:
    snap = machine(tmp_path, "../../web1")
    (snap.path / "notes.txt").write_text("mine")
    fleet = spo.fleet.open(root, create=True)
    fleet.add(snap, time="2026-01-01", keep_raw=True)
    (id,) = ids(root)
    (snap.path / "notes.txt").unlink()
    back = spo.fleet.open(root).raw(id)
    assert content(back) == content(snap)
    assert spo.attribute(back.path, by=["comm"]).equals(spo.attribute(snap.path, by=["comm"]))
    assert fleet.kept() == {id: f"{fleet.name}/raw/{id}.spo"}
    # It is no other answer.
    assert fleet.report("host")["hosts"].to_list() == [1] and fleet.check().empty


def test_it_is_kept_later(root: str, tmp_path: Path) -> None:
    snap = machine(tmp_path, "web1")
    fleet = spo.fleet.open(root, create=True)
    assert fleet.add(snap, time="2026-01-01") == "added"
    (id,) = ids(root)
    with pytest.raises(SpoTraceError, match="has only the sums") as caught:
        fleet.raw(id)
    assert str(caught.value.hint) == "add it again, with keep_raw=True"
    assert fleet.add(snap, keep_raw=True) == "present"
    assert fleet.add(snap, keep_raw=True) == "present"
    assert content(fleet.raw(id)) == content(snap)


def test_it_is_dropped_with_its_day(root: str, tmp_path: Path) -> None:
    fleet = spo.fleet.open(root, create=True)
    for number in (1, 2):
        fleet.add(machine(tmp_path, f"web{number}"), time=f"2026-01-0{number}", keep_raw=True)
    old, new = ids(root)
    assert compact(open_root(root), today=date(2026, 1, 3)).dropped == 0
    assert set(spo.fleet.open(root).kept()) == {old, new}
    assert compact(open_root(root), 1, today=date(2026, 1, 3)).dropped == 1
    assert set(open_root(root).raw.kept()) == {f"{new}.spo"}
    assert spo.fleet.open(root).raw(new).meta.machine.host == "web2"
    with pytest.raises(SpoTraceError, match="the fleet has no snapshot"):
        spo.fleet.open(root).raw(old)


@pytest.mark.parametrize("id", ["../../etc", "0" * 31, "0" * 31 + "\n", "", 7])
def test_what_is_no_id(tmp_path: Path, id: str) -> None:
    with pytest.raises(UsageError, match="is not an id"):
        spo.fleet.open(tmp_path / "f", create=True).raw(id)


class Killed(BaseException):
    """Stands for SIGKILL: nothing cleans up."""


@pytest.mark.parametrize("place", ["copying", "copied"])
def test_a_killed_add_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1"))
    before, new = fleet.report("stack"), machine(tmp_path, "web2")

    def killed(*_: object) -> None:
        raise Killed

    keep = LocalRaw.keep

    def kept(self: LocalRaw, id: str, source: Path) -> None:
        keep(self, id, source)
        raise Killed

    with monkeypatch.context() as patched:
        if place == "copied":
            patched.setattr(LocalRaw, "keep", kept)
        else:
            patched.setattr(OutputDirectory, "commit", killed)
            patched.setattr(OutputDirectory, "close", lambda self: None)
        with pytest.raises(Killed):
            fleet.add(new, keep_raw=True)
    (left,) = (tmp_path / "f" / "raw").iterdir()
    again = spo.fleet.open(tmp_path / "f")
    assert again.report("stack").equals(before) and again.kept() == {}
    # After an hour it is removed, but not what somebody else put there.
    (tmp_path / "f" / "raw" / "mine").mkdir()
    again.compact()
    assert left.exists()
    for path in (tmp_path / "f" / "raw").iterdir():
        os.utime(path, (0, 0))
    assert "unused-file" in again.check()["problem"].to_list()
    again.compact()
    assert [path.name for path in (tmp_path / "f" / "raw").iterdir()] == ["mine"]


# A part of an upload, without its last file.
def test_half_an_upload(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_credentials(monkeypatch)
    bucket = s3.bucket()
    fleet = spo.fleet.open(s3.url(bucket), create=True)
    snap = machine(tmp_path, "web1")
    fleet.add(snap, time="2026-01-01", keep_raw=True)
    (id,) = ids(s3.url(bucket))
    s3.client.delete_file(f"{bucket}/some/fleet/raw/{id}.spo/snapshot.json")
    with pytest.raises(SpoTraceError, match="has only the sums"):
        fleet.raw(id)
    assert fleet.report("host")["hosts"].to_list() == [1]
    fleet.add(snap, keep_raw=True)
    assert content(fleet.raw(id)) == content(snap)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "f" / "raw").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoTraceError, match="raw can't be opened"):
        fleet.add(machine(tmp_path, "web1"), keep_raw=True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_modes(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True, mode=0o640)
    fleet.add(machine(tmp_path, "web1"), keep_raw=True)
    (kept,) = (tmp_path / "f" / "raw").iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (kept.parent, kept, kept / "snapshot.json")] == [
        *(0o750, 0o750, 0o640)
    ]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fleet = spo.fleet.open(tmp_path / "f", create=True)
    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfileobj", full)
        with pytest.raises(SpoTraceError, match=r"raw/.*\.spo can't be written: No space left"):
            fleet.add(machine(tmp_path, "web1"), keep_raw=True)
    assert list((tmp_path / "f" / "raw").iterdir()) == []
    assert spo.fleet.open(tmp_path / "f").catalog.rows.num_rows == 0


def test_on_the_command_line(root: str, tmp_path: Path) -> None:
    snap = machine(tmp_path, "web1")
    run = in_process("fleet", "add", root, snap.path, "--time", "2026-01-01", "--keep-raw", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    run = in_process("fleet", "check", root, cwd=tmp_path)
    name = spo.fleet.open(root).name
    assert f"kept whole: {name}/raw/{ids(root)[0]}.spo\n".encode() in run.stderr
