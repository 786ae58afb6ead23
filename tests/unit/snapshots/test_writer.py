# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot is written completely or not at all, privately, and never replaces other data."""

import io
import itertools
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from spo_trace import schema
from spo_trace.errors import SpoTraceError
from spo_trace.files import renaming
from spo_trace.files.descriptors import is_leftover
from spo_trace.files.kind import check_target
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.renaming import rename_new
from spo_trace.formats.batch import to_batch
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.rows import StackRow
from spo_trace.formats.stack_table import hash_texts
from spo_trace.snapshots import writer as writer_module
from spo_trace.snapshots.directory import SNAPSHOT, snapshot_directory
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.meta_json import read_meta
from spo_trace.snapshots.page_size import PageSizeFrom
from spo_trace.snapshots.reader import Snapshot
from spo_trace.snapshots.writer import SnapshotWriter
from tests.unit.files.hooks import state
from tests.unit.files.users import USER, as_root, shared

__all__ = ["shared"]

STACK = StackRow(0, hash_texts(["a+0x1/0x2"]), "1" * 16, ["a+0x1/0x2"], None, None, "other", "a", "vmlinux")


def meta_of(version: str) -> Meta:
    """Return metadata with this version of spo-trace."""
    return Meta(schema.SCHEMA_VERSION, MachineFacts(4096, PageSizeFrom.PAGESIZE), tool_version=version)


def version_of(path: Path) -> str | None:
    """Return the version of spo-trace in a snapshot."""
    return read_meta(path).tool_version


def write(target: Path, *, force: bool = False, version: str = "1") -> None:
    """Write a snapshot with one stack."""
    with SnapshotWriter(snapshot_directory(target, force=force)) as writer:
        writer.write("stacks", to_batch(schema.STACKS, [STACK]))
        writer.commit(meta_of(version))


def listing(directory: Path) -> list[str]:
    """Return the names in a directory, hidden ones too."""
    return sorted(path.name for path in directory.iterdir())


def test_a_snapshot_is_complete_and_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(tmp_path / "a.spo", version="é\n")
    finally:
        os.umask(before)
    target = tmp_path / "a.spo"
    assert listing(tmp_path) == ["a.spo"]
    assert listing(target) == ["pages.parquet", "snapshot.json", "stacks.parquet", "swap.parquet"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o600}
    assert (
        (target / "snapshot.json")
        .read_bytes()
        .startswith(b'{\n "schema_version": 7,\n "tool_version": "\\u00e9\\n",\n')
    )
    assert pq.read_table(target / "stacks.parquet").num_rows == 1
    for name, expected in schema.TABLES.items():
        assert pq.read_schema(target / f"{name}.parquet").equals(expected, check_metadata=False)


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_ROW_GROUP", 10)
    batch = to_batch(schema.STACKS, [STACK] * 4)
    with SnapshotWriter(snapshot_directory(tmp_path / "a.spo")) as writer:
        for _ in range(7):
            writer.write("stacks", batch)
        writer.commit(meta_of("1"))
    parquet = pq.ParquetFile(tmp_path / "a.spo/stacks.parquet")
    groups = [parquet.metadata.row_group(n).num_rows for n in range(parquet.metadata.num_row_groups)]
    assert groups == [12, 12, 4]
    assert parquet.metadata.row_group(0).column(1).compression == "ZSTD"


@pytest.mark.parametrize("error", [SpoTraceError("x"), KeyboardInterrupt(), MemoryError()])
def test_an_error_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), SnapshotWriter(snapshot_directory(tmp_path / "a.spo")) as writer:
        writer.write("stacks", to_batch(schema.STACKS, [STACK]))
        writer.reject(Reject("page_owner", 0, 1, Reason.LINE, b"x", lost=True))
        assert [name[:11] for name in listing(tmp_path)] == [".spo-trace-"]
        raise error
    assert listing(tmp_path) == []


def test_without_commit_there_is_no_snapshot(tmp_path: Path) -> None:
    with SnapshotWriter(snapshot_directory(tmp_path / "a.spo")):
        pass
    assert listing(tmp_path) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def close(self) -> None:
            super().close()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(OutputDirectory, "create", lambda self, name: Full())
    with (
        pytest.raises(OSError, match="No space left on device"),
        SnapshotWriter(snapshot_directory(tmp_path / "a.spo")) as writer,
    ):
        writer.commit(meta_of("1"))
    assert listing(tmp_path) == []


def test_a_table_that_cannot_be_created_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: OutputDirectory, name: str) -> io.BytesIO:
        if name == "stacks.parquet":
            raise OSError(28, "No space left on device")
        return io.BytesIO()

    monkeypatch.setattr(OutputDirectory, "create", full)
    with (
        pytest.raises(OSError, match="No space left on device"),
        SnapshotWriter(snapshot_directory(tmp_path / "a.spo")),
    ):
        pass
    assert listing(tmp_path) == []


def test_a_snapshot_is_replaced_only_with_force(tmp_path: Path) -> None:
    target = tmp_path / "a.spo"
    write(target, version="1")
    with pytest.raises(SpoTraceError) as caught:
        write(target, version="2")
    assert caught.value.message == f"{target} exists"
    assert caught.value.hint == "choose another name, or replace it with force=True"
    assert version_of(target) == "1"
    (target / "rejects.txt").touch()
    write(target, force=True, version="3")
    assert version_of(target) == "3"
    assert not (target / "rejects.txt").exists()
    assert listing(tmp_path) == ["a.spo"]


def test_a_directory_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "project"
    write(target)
    (target / "thesis.txt").write_text("x")
    with pytest.raises(SpoTraceError, match=r"/project exists and is not a snapshot$"):
        write(target, force=True)
    assert (target / "thesis.txt").read_text() == "x"


def test_force_from_inside_the_snapshot_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.spo", version="1")
    monkeypatch.chdir(tmp_path / "a.spo")
    write(Path(), force=True, version="2")
    assert version_of(tmp_path / "a.spo") == "2"
    assert listing(tmp_path) == ["a.spo"]


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_the_old_snapshot_is_kept_if_the_new_one_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    target = tmp_path / "a.spo"
    write(target, version="1")

    def failing(*names: object) -> None:
        raise error

    monkeypatch.setattr("spo_trace.files.output_directory.exchange", failing)
    with pytest.raises(type(error)):
        write(target, force=True, version="2")
    assert version_of(target) == "1"
    assert listing(tmp_path) == ["a.spo"]


def test_an_interrupt_right_after_the_rename_keeps_the_new_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*names: Any) -> None:
        rename_new(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr("spo_trace.files.output_directory.rename_new", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.spo", version="1")
    assert version_of(tmp_path / "a.spo") == "1"
    assert Snapshot(tmp_path / "a.spo").count("stacks") == 1


ALIENS: dict[str, Callable[[Path], object]] = {
    "a directory with the name of a file": lambda path: (path / "rejects.txt").mkdir(),
    "a link": lambda path: (path / "rejects.txt").symlink_to("snapshot.json"),
    "a FIFO": lambda path: os.mkfifo(path / "rejects.txt"),
    "notes": lambda path: (path / "rejects.txt").write_text("my notes"),
    "another Parquet file's name": lambda path: (path / "sites.parquet").write_text("my notes"),
    "a hidden file": lambda path: (path / ".git").touch(),
    "another program's snapshot.json": lambda path: (path / "snapshot.json").write_text('{"volume": 1}'),
    "no snapshot.json": lambda path: (path / "snapshot.json").unlink(),
}


@pytest.mark.parametrize("alien", ALIENS)
def test_a_directory_that_is_not_entirely_ours_is_kept_as_it_is(tmp_path: Path, alien: str) -> None:
    # GIVEN a snapshot, and something in it that spo-trace did not write
    target = tmp_path / "a.spo"
    write(target)
    ALIENS[alien](target)
    before = state(target)
    # WHEN it is to be replaced, THEN this is refused, and nothing is removed
    with pytest.raises(SpoTraceError, match=r"/a.spo exists and is not a snapshot$"):
        write(target, force=True)
    assert state(target) == before
    assert listing(tmp_path) == ["a.spo"]


@as_root
def test_a_snapshot_that_may_not_be_read_is_not_replaced(shared: Path) -> None:
    # GIVEN a private snapshot of root
    write(shared / "a.spo")
    shared.chmod(0o777)
    child = os.fork()
    if child == 0:
        code = 9
        with suppress(BaseException):
            os.setgroups([])
            os.setresgid(USER.pw_gid, USER.pw_gid, USER.pw_gid)
            os.setresuid(USER.pw_uid, USER.pw_uid, USER.pw_uid)
            with pytest.raises(SpoTraceError, match=r"/a.spo can't be written: Permission denied$"):
                write(shared / "a.spo", force=True)
            code = 0
        os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert version_of(shared / "a.spo") == "1"


def test_an_empty_directory_is_replaced_with_force(tmp_path: Path) -> None:
    (tmp_path / "a.spo").mkdir()
    with pytest.raises(SpoTraceError, match=r"/a.spo exists$"):
        write(tmp_path / "a.spo")
    write(tmp_path / "a.spo", force=True)
    assert version_of(tmp_path / "a.spo") == "1"


@pytest.mark.parametrize("step", range(12))
def test_a_kill_at_any_step_leaves_the_old_or_the_new_snapshot(tmp_path: Path, step: int) -> None:
    # GIVEN a process that is killed after a number of system calls that change names
    write(tmp_path / "a.spo", version="1")
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            _die_after(step)
            write(tmp_path / "a.spo", force=True, version="2")
        os._exit(0)
    os.waitpid(child, 0)
    # THEN the name exists, and the snapshot is complete
    assert version_of(tmp_path / "a.spo") in ("1", "2")
    assert Snapshot(tmp_path / "a.spo").count("stacks") == 1
    # Anything else has a hidden name, and the next command is not disturbed.
    assert all(name == "a.spo" or is_leftover(name) for name in listing(tmp_path))
    write(tmp_path / "a.spo", force=True, version="3")
    assert version_of(tmp_path / "a.spo") == "3"


def _die_after(step: int) -> None:
    calls = itertools.count()

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            result = real(*arguments, **named)
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for module, name in ((os, "mkdir"), (os, "rename"), (os, "unlink"), (os, "rmdir"), (renaming, "_renameat2")):
        setattr(module, name, dying(getattr(module, name)))


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    for name, to in (("link", "real"), ("dangling", "nowhere")):
        (tmp_path / name).symlink_to(to)
        with pytest.raises(SpoTraceError, match=rf"/{name} is a symbolic link$"):
            check_target(tmp_path / name, SNAPSHOT, force=True)


def test_other_directories_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.txt").write_text("x")
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/src").mkdir()
    for name in ("file", "home", "fake"):
        with pytest.raises(SpoTraceError, match=rf"/{name} exists and is not a snapshot$"):
            check_target(tmp_path / name, SNAPSHOT, force=True)
    assert (tmp_path / "home/thesis.txt").read_text() == "x"
    assert not check_target(tmp_path / "new", SNAPSHOT, force=False)  # type: ignore[func-returns-value]


def test_an_interrupt_at_the_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def interrupted(name: str, mode: int, **options: Any) -> None:
        mkdir(name, mode, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), SnapshotWriter(snapshot_directory(tmp_path / "a.spo")):
        pass
    assert listing(tmp_path) == []


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError) as caught, SnapshotWriter(snapshot_directory(tmp_path / "no/a.spo")):
        pass
    assert caught.value.message == f"{tmp_path}/no/a.spo can't be written: No such file or directory"
    assert caught.value.hint == "choose a directory that you own with output"


def test_rejects_are_stored_escaped_with_their_position(tmp_path: Path) -> None:
    with SnapshotWriter(snapshot_directory(tmp_path / "a.spo")) as writer:
        writer.reject(Reject("page_owner", 70, 3, Reason.FIRST_LINE, b"Page \x1b[1m\xff\n\\x\r\n", lost=True))
        writer.reject(Reject("swap_page_owner", 5, 1, Reason.LINE, b"huh", lost=False))
        writer.commit(meta_of("1"))
    text = (tmp_path / "a.spo/rejects.txt").read_text()
    assert text.split("\n") == [
        "# page_owner line 3 byte 70: first line not understood (record lost)",
        "Page \\033[1m\\377",
        "\\\\x\\015",
        "",
        "# swap_page_owner line 1 byte 5: line not understood (record kept without this)",
        "huh",
        "",
    ]
