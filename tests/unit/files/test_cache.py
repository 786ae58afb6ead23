# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cache: private, and for root never below a directory of another user."""

import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.cache import cache_directory
from tests.unit.files.users import USER, as_root, ids, shared

__all__ = ["shared"]


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


@as_root
@pytest.mark.parametrize("given", ["", "/.cache", "/.cache/below", "/link/below"])
def test_root_does_not_use_the_xdg_cache_home_of_a_user(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    # GIVEN sudo -E, which keeps the variable
    (shared / ".cache").mkdir()
    os.chown(shared / ".cache", USER.pw_uid, USER.pw_gid)
    # The user can exchange what this leads to.
    (shared / "link").symlink_to(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", f"{shared}{given}")
    monkeypatch.setenv("HOME", str(shared))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "root")))
    # THEN root's own cache is used, and no directory of root is in the user's
    assert cache_directory() == tmp_path / "root/.cache/spo-trace"
    assert {ids(path)[0] for path in (shared / ".cache", *(shared / ".cache").rglob("*"))} == {USER.pw_uid}


@as_root
@pytest.mark.parametrize("home", ["new", "of-root"])
def test_root_does_not_use_a_home_that_a_user_can_exchange(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    # GIVEN a HOME below a directory of a user, which does not exist, or belongs to root
    (shared / "of-root").mkdir()
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(shared / home))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_dir=str(tmp_path / "root")))
    # THEN root's own cache is used
    assert cache_directory() == tmp_path / "root/.cache/spo-trace"
    assert [path.name for path in shared.rglob("*")] == ["of-root"]


def test_a_loop_of_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "loop"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    if os.geteuid() == 0:
        assert cache_directory() == tmp_path / "home/.cache/spo-trace"
    else:
        with pytest.raises(SpoTraceError, match="can't be created"):
            cache_directory()


@as_root
def test_root_may_have_an_xdg_cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    assert cache_directory() == tmp_path / "new/spo-trace"
    # In a directory in which others can rename it, it is not used.
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "open/new"))
    monkeypatch.setenv("HOME", str(tmp_path / "root"))
    assert cache_directory() == tmp_path / "root/.cache/spo-trace"
