# SPDX-License-Identifier: LGPL-2.1-or-later
"""Renames that replace nothing, and exchanges, on file systems with and without the flags of renameat2(2)."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files import renaming
from spo_trace.files.kind import Kind
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.renaming import exchange, rename_new

ERRORS = {"NFS": errno.EINVAL, "no call": errno.ENOSYS}


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    """Return an open directory with a file, a directory, and one of each with content."""
    for name in ("file", "other"):
        (tmp_path / name).write_text(name)
    for name in ("directory", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full/file").touch()
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture(params=["flags", "NFS", "no call", "no links"])
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use renameat2, or make it fail as on other file systems; with `no links`, link(2) fails too."""

    def unsupported(*arguments: object) -> None:
        number = ERRORS.get(request.param, errno.EINVAL)
        raise OSError(number, os.strerror(number))

    def no_links(*arguments: object, **named: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param != "flags":
        monkeypatch.setattr(renaming, "_renameat2", unsupported)
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)


@pytest.mark.usefixtures("_system")
@pytest.mark.parametrize("old", ["file", "full"])
def test_a_new_name(tmp_path: Path, parent: int, old: str) -> None:
    rename_new(old, "new", parent)
    assert (tmp_path / "new").is_file() == (old == "file") and not (tmp_path / old).exists()


@pytest.mark.usefixtures("_system")
@pytest.mark.parametrize("old", ["file", "full"])
@pytest.mark.parametrize("new", ["other", "directory", "dangling"])
def test_nothing_is_replaced(tmp_path: Path, parent: int, old: str, new: str) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    before = (tmp_path / new).lstat().st_ino
    with pytest.raises(FileExistsError):
        rename_new(old, new, parent)
    assert (tmp_path / old).exists() and (tmp_path / new).lstat().st_ino == before


@pytest.mark.usefixtures("_system")
def test_other_errors_are_raised(parent: int) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new("nosuch", "new", parent)
    with pytest.raises(FileNotFoundError):
        exchange("nosuch", "full", parent)
    with pytest.raises(FileNotFoundError):
        exchange("full", "nosuch", parent)


@pytest.mark.usefixtures("_system")
def test_an_exchange(tmp_path: Path, parent: int) -> None:
    exchange("directory", "full", parent)
    assert (tmp_path / "directory/file").exists() and not (tmp_path / "full/file").exists()
    assert len(os.listdir(parent)) == 4


@pytest.mark.usefixtures("_system")
def test_a_failed_exchange_changes_nothing(tmp_path: Path, parent: int) -> None:
    with pytest.raises(FileNotFoundError):
        exchange("nosuch", "full", parent)
    assert (tmp_path / "full/file").exists()
    assert sorted(os.listdir(parent)) == ["directory", "file", "full", "other"]


def test_the_flags_are_used_where_they_exist(tmp_path: Path, parent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN this file system, which has them
    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("a rename in several steps")

    for name in ("rename", "link", "unlink"):
        monkeypatch.setattr(os, name, never)
    exchange("directory", "full", parent)
    rename_new("file", "new", parent)
    assert (tmp_path / "new").exists()


def test_a_libc_without_the_function(tmp_path: Path, parent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renaming, "_libc", object())
    rename_new("file", "new", parent)
    with pytest.raises(FileExistsError):
        rename_new("new", "other", parent)
    assert (tmp_path / "new").exists()


def test_a_file_system_that_cannot_rename_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an overlay without extended attributes
    def crosses(*arguments: object, **named: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", crosses)
    # WHEN a directory is to be written, THEN that fails before the work, and nothing is left
    with (
        pytest.raises(SpoTraceError, match="can't be written: Invalid cross-device link") as caught,
        OutputDirectory(tmp_path / "new", Kind("a thing", lambda _: None)),
    ):
        pass
    assert "cannot rename directories" in str(caught.value.hint)
    assert os.listdir(tmp_path) == []  # noqa: PTH208
