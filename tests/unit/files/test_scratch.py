# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scratch directories: private, removed at the end, also those of killed processes, and named if the disk is full."""

import errno
import fcntl
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError
from spo_trace.files import scratch
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.scratch import Scratch, naming_full_disk
from tests.support import MACHINE, capture, page
from tests.unit.files.hooks import before
from tests.unit.files.users import USER, as_root

ROOT = Path(__file__).parents[3]
PROGRAM = "from spo_trace.files.scratch import scratch_directory as s; (s() / 'x').touch();"


def run(program: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has made a scratch directory."""
    env = {"XDG_CACHE_HOME": str(cache), **environment}
    command = [sys.executable, "-c", PROGRAM + program]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def names(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "spo-trace").iterdir())


def test_it_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    done = run("print(s() == s(), oct(s().stat().st_mode & 0o777), s().parent, (s() / 'x').exists())", tmp_path)
    assert done.stdout == f"True 0o700 {tmp_path}/spo-trace True\n", done.stderr
    assert names(tmp_path) == []


def test_without_a_cache_tmpdir_is_used(tmp_path: Path) -> None:
    # GIVEN a cache that other users may write to
    (tmp_path / "spo-trace").mkdir()
    (tmp_path / "spo-trace").chmod(0o777)
    (tmp_path / "tmp").mkdir()
    done = run("print(s().parent, oct(s().stat().st_mode & 0o777))", tmp_path, TMPDIR=str(tmp_path / "tmp"))
    # THEN there is a warning, files are in a private directory in $TMPDIR, and all are removed at exit
    assert done.stdout == f"{tmp_path}/tmp 0o700\n"
    expected = f"other users can write to the cache directory {tmp_path}/spo-trace; using {tmp_path}/tmp/spo-trace-"
    assert expected in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "spo-trace").iterdir()) == []


def test_those_of_killed_processes_are_removed_at_the_next_start(tmp_path: Path) -> None:
    # GIVEN a process that was killed
    killed = run("import os; os.kill(os.getpid(), 9)", tmp_path)
    assert killed.returncode == -signal.SIGKILL
    (left,) = names(tmp_path)
    # WHEN another one starts, THEN only its own directory exists
    done = run("print(*(path.name for path in s().parent.iterdir()))", tmp_path)
    (own,) = done.stdout.split()
    assert own.startswith("scratch-") and own != left
    assert names(tmp_path) == []


def test_those_of_running_processes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mine = Scratch()
    (mine.path / "x").touch()
    # GIVEN a process that runs in another process group, container or session
    done = run("print(len(list(s().parent.iterdir())))", tmp_path)
    assert done.stdout == "2\n", done.stderr
    assert (mine.path / "x").exists()
    # WHEN it is not used any more
    del mine
    assert names(tmp_path) == []


def test_a_new_one_is_not_removed_before_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def try_to_start() -> bool:
        # Another process waits for the lock of the cache, in which it would find the directory without a lock.
        fd = os.open(tmp_path / "spo-trace", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
        return True

    tried: list[bool] = []
    before(monkeypatch, "tempfile.mkdtemp", lambda: tried.append(try_to_start()))
    made = Scratch()
    assert made.path.exists() and tried


def plant_file(path: Path) -> None:
    path.write_text("mine")


def plant_link(path: Path) -> None:
    (path.parents[1] / "elsewhere").mkdir()
    (path.parents[1] / "elsewhere/file").touch()
    path.symlink_to(path.parents[1] / "elsewhere")


def plant_other(path: Path) -> None:
    path.with_name("fleet").mkdir()


@pytest.mark.parametrize("plant", [plant_file, plant_link, plant_other])
def test_nothing_else_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    del (_ := Scratch()).path  # creates the cache
    before_planting = names(tmp_path / "cache")
    plant(tmp_path / "cache/spo-trace/scratch-x")
    Scratch()
    assert len(names(tmp_path / "cache")) == len(before_planting) + 1
    assert not (tmp_path / "elsewhere").exists() or (tmp_path / "elsewhere/file").exists()


@as_root
def test_those_of_other_users_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "spo-trace").mkdir(mode=0o700)
    (tmp_path / "spo-trace/scratch-x").mkdir()
    os.chown(tmp_path / "spo-trace/scratch-x", USER.pw_uid, -1)
    Scratch()
    assert names(tmp_path) == ["scratch-x"]


def test_where_directories_cannot_be_locked_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a file system such as NFS
    def fails(fd: int, kind: int) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", fails)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "spo-trace/scratch-x").mkdir(parents=True)
    (tmp_path / "spo-trace").chmod(0o700)
    assert Scratch().path.parent == tmp_path / "spo-trace"
    assert names(tmp_path) == ["scratch-x"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    used = Scratch()
    monkeypatch.setattr(scratch, "_of_this_process", lambda: used)
    with pytest.raises(SpoTraceError) as caught, naming_full_disk():
        raise OSError(number, os.strerror(number))
    assert caught.value.message == f"the cache {used.path} cannot be written: {os.strerror(number)}"
    assert "set XDG_CACHE_HOME to a directory on another disk" in str(caught.value.hint)
    # Other errors are not about the cache.
    with pytest.raises(OSError, match="Input/output"), naming_full_disk():
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_names_from_the_environment_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/\x1b[2J\u202e")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "\x1b]0;"))
    (tmp_path / "\x1b]0;").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    with caplog.at_level(logging.WARNING):
        Scratch()
    (said,) = caplog.messages
    assert said.isprintable() and "/dev/null/\\033[2J\\342\\200\\256/spo-trace can't be created" in said
    assert "using " in said and "\\033]0;/spo-trace-" in said


class FullDisk(io.BytesIO):
    """A file on a full disk."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def open_a_capture(place: Path) -> None:
    spo.open(place / "capture")


def watch_captures(place: Path) -> None:
    list(spo.watch(from_=[place / "capture"], interval=0, count=1))


@pytest.mark.parametrize("work", [open_a_capture, watch_captures])
def test_work_in_a_full_cache_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Path], None]
) -> None:
    capture(tmp_path / "capture", {**MACHINE, "page_owner": page()})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(scratch, "_of_this_process", cache(Scratch))
    monkeypatch.setattr(OutputDirectory, "create", lambda self, name: FullDisk())
    with pytest.raises(SpoTraceError) as caught:
        work(tmp_path)
    assert caught.value.message.startswith(f"the cache {tmp_path}/spo-trace/scratch-")
    assert caught.value.message.endswith(" cannot be written: No space left on device")
    assert "set XDG_CACHE_HOME" in str(caught.value.hint)


def test_a_full_disk_of_the_output_is_not_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture(tmp_path / "capture", {**MACHINE, "page_owner": page()})
    monkeypatch.setattr(OutputDirectory, "create", lambda self, name: FullDisk())
    with pytest.raises(OSError, match="No space left on device"):
        spo.snapshot(tmp_path / "a.spo", from_=tmp_path / "capture")
