# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output files: complete on the disk before they have their name, and never in place of something new."""

import os
from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.kind import Kind
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.files.output_file import written
from tests.unit.files.hooks import before

ANYTHING = Kind("anything", os.listdir)
LENGTHS = (245, 246, 250, 255)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError) as caught, written(tmp_path / "x") as file:
        file.write(b"new")
        (tmp_path / "x").write_text("of another program")
    assert (caught.value.message, caught.value.hint) == (f"{tmp_path}/x exists", "replace it with force=True")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "of another program")]


def test_a_file_that_appears_right_before_the_rename_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before(
        monkeypatch,
        "spo_trace.files.output_file.rename_new",
        lambda: (tmp_path / "x").write_text("of another program"),
    )
    with pytest.raises(SpoTraceError, match=r"/x exists$"), written(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").read_text() == "of another program"


def test_a_directory_that_appears_right_before_the_rename_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, "spo_trace.files.output_directory.rename_new", lambda: (tmp_path / "x").mkdir())
    with pytest.raises(SpoTraceError, match=r"/x exists$"), OutputDirectory(tmp_path / "x", ANYTHING) as output:
        output.create("a").close()
        output.commit()
    assert [path.name for path in tmp_path.rglob("*")] == ["x"]


def test_with_force_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with written(tmp_path / "x", force=True) as file:
        file.write(b"new")
        assert (tmp_path / "x").read_text() == "old"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "new")]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("force", [False, True])
def test_names_of_any_length(tmp_path: Path, length: int, force: bool) -> None:
    file_name, directory_name = "f" * length, "d" * length
    for _ in range(2 if force else 1):
        with written(tmp_path / file_name, force=force) as file:
            file.write(b"new")
        with OutputDirectory(tmp_path / directory_name, ANYTHING, force=force) as output:
            output.create("a" * length).close()
            output.commit()
            output.add("b" * length, b"sample")
    assert sorted(path.name for path in tmp_path.iterdir()) == [directory_name, file_name]
    assert sorted(path.name for path in (tmp_path / directory_name).iterdir()) == ["a" * length, "b" * length]


def test_a_name_that_is_too_long_for_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long"), written(tmp_path / ("x" * 256)) as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == []


class Order:
    """Record the order of fsync and rename: each entry is `file`, `directory` or `rename`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        real = os.fsync

        def fsync(fd: int) -> None:
            self.seen.append("directory" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")  # noqa: PTH112
            real(fd)

        monkeypatch.setattr(os, "fsync", fsync)
        for function in ("output_file.rename_new", "output_directory.rename_new", "output_directory.exchange"):
            before(monkeypatch, f"spo_trace.files.{function}", lambda: self.seen.append("rename"))


@pytest.mark.parametrize("force", [False, True])
def test_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
    order = Order(monkeypatch)
    if force:
        before(monkeypatch, "os.rename", lambda: order.seen.append("rename"))
    with written(tmp_path / "x", force=force) as file:
        file.write(b"new")
    assert order.seen == ["file", "rename", "directory"]


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_and_its_later_files_are_on_the_disk_before_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    if force:
        (tmp_path / "x").mkdir()
    order = Order(monkeypatch)
    with OutputDirectory(tmp_path / "x", ANYTHING, force=force) as output:
        output.create("a").close()
        output.create("deep/b").close()
        output.commit()
        assert order.seen == ["file", "directory", "file", "directory", "rename", "directory"]
        order.seen.clear()
        output.add("sample", b"sample")
        assert order.seen == ["file", "rename", "directory"]
