# SPDX-License-Identifier: LGPL-2.1-or-later
"""Private directories: their owner, place and lifetime."""

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.cache import cache_directory


def test_the_cache_is_private_and_in_xdg_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a/b"))
    assert cache_directory() == tmp_path / "a/b/spo-trace"
    assert stat.S_IMODE(cache_directory().stat().st_mode) == 0o700


@pytest.mark.parametrize("told", ["", "relative/cache"])
def test_without_a_valid_xdg_cache_home_it_is_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", told)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home/.cache/spo-trace"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_the_cache_is_not_in_the_home_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN sudo that kept HOME
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/1")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / str(uid))))
    # WHEN the cache is created, it is in the home from /etc/passwd
    directory = rf"{tmp_path}/{os.getuid() + 1}/\.cache/spo-trace"
    with pytest.raises(SpoTraceError, match=f"other users can write to the cache directory {directory}$"):
        cache_directory()
    # THEN without an entry there, it cannot be created
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(SpoTraceError, match=r"^the cache directory /proc/1/\.cache/spo-trace can't be created: "):
        cache_directory()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702])
def test_a_cache_that_others_may_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "spo-trace").mkdir()
    (tmp_path / "spo-trace").chmod(mode)
    with pytest.raises(SpoTraceError, match=r"other users can write to the cache directory .*/spo-trace$"):
        cache_directory()


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises(SpoTraceError) as caught:
        cache_directory()
    assert caught.value.message == "there is no home directory for cache files"
    assert caught.value.hint == "set XDG_CACHE_HOME to a directory that only you can write to"


def test_a_cache_that_cannot_be_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SpoTraceError) as caught:
        cache_directory()
    assert caught.value.message == f"the cache directory {tmp_path}/file/spo-trace can't be created: Not a directory"


def test_a_scratch_directory_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    program = (
        "from spo_trace.files.scratch import scratch_directory as s; (s() / 'x').touch();"
        "print(s() == s(), oct(s().stat().st_mode & 0o777), s().parent, (s() / 'x').exists())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={"XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"True 0o700 {tmp_path}/spo-trace True\n"
    assert list((tmp_path / "spo-trace").iterdir()) == []


def test_without_a_cache_tmpdir_is_used(tmp_path: Path) -> None:
    # GIVEN a cache that other users may write to
    (tmp_path / "spo-trace").mkdir()
    (tmp_path / "spo-trace").chmod(0o777)
    (tmp_path / "tmp").mkdir()
    program = (
        "from spo_trace.files.scratch import scratch_directory;"
        "made = scratch_directory(); print(made.parent, oct(made.stat().st_mode & 0o777))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env={"XDG_CACHE_HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")},
        capture_output=True,
        text=True,
        check=True,
    )
    # THEN there is a warning, files are in a private directory in $TMPDIR, and all are removed at exit
    assert run.stdout == f"{tmp_path}/tmp 0o700\n"
    expected = f"other users can write to the cache directory {tmp_path}/spo-trace; using {tmp_path}/tmp/spo-trace-"
    assert expected in run.stderr
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "spo-trace").iterdir()) == []


def test_if_sudo_keeps_home_nothing_is_written_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the HOME of another user
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "theirs"))
    (tmp_path / "theirs").mkdir()
    mine = SimpleNamespace(pw_dir=str(tmp_path / "mine"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: mine)
    theirs = (tmp_path / "theirs").stat().st_uid
    # WHEN its owner is not the current user
    monkeypatch.setattr(os, "geteuid", lambda: theirs + 1)
    with pytest.raises(SpoTraceError, match="other users can write to"):
        cache_directory()
    # THEN the user's own home is chosen (which the check of its owner then refuses in this test)
    assert (tmp_path / "mine/.cache/spo-trace").is_dir()
    assert not (tmp_path / "theirs/.cache").exists()
