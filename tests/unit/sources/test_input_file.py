# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archives from pipes, directories with very many entries, and files that are replaced by something else."""

import io
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.scratch import scratch_directory
from spo_trace.sources import capture, input_file
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.compression import Rewound
from spo_trace.sources.input_file import entries, open_regular, spooled
from tests.support import page, tar_of

HINT = "write it to a file and name that file, or set XDG_CACHE_HOME to a directory on a larger disk"


def spool(size: int) -> Path:
    """Spool an archive of this size."""
    return Path(spooled(Rewound(b"head", io.BytesIO(bytes(size - 4)))))


def test_a_pipe_is_copied_whole() -> None:
    assert spool(3 << 20).read_bytes() == b"head" + bytes((3 << 20) - 4)


@pytest.mark.parametrize("cause", ["limit", "reserve", "small disk", "error"])
def test_a_pipe_that_is_too_large_is_refused_and_removed(monkeypatch: pytest.MonkeyPatch, cause: str) -> None:
    before = set(scratch_directory().iterdir())
    if cause == "limit":
        monkeypatch.setattr(input_file, "MAX_SPOOLED_BYTES", 1 << 20)
    elif cause == "error":
        monkeypatch.setattr(input_file, "_has_room", no_space)
    else:
        # GIVEN a disk with more room than the archive needs, but less than the reserve
        blocks = 1 << 30 if cause == "reserve" else 1 << 12
        free = (1 << 30) + 1 if cause == "reserve" else 1 << 20
        disk = SimpleNamespace(f_blocks=blocks, f_frsize=4096, f_bavail=free // 4096)
        monkeypatch.setattr(os, "statvfs", lambda _: disk)
    with pytest.raises(SpoTraceError, match=r"^the archive from the pipe ") as caught:
        spool(2 << 20)
    assert caught.value.hint == HINT
    assert set(scratch_directory().iterdir()) == before


def no_space(*_: object) -> bool:
    """Fail as a full disk does."""
    raise OSError(28, "No space left on device")


def test_of_a_very_large_directory_some_entries_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_file, "MAX_DIRECTORY_ENTRIES", 5)
    for number in range(9):
        (tmp_path / str(number)).touch()
    assert len(entries(tmp_path)) == 5
    assert entries(tmp_path) == sorted(entries(tmp_path))


def test_a_pipe_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(SpoTraceError, match="x can't be read: not a regular file"):
        open_regular(tmp_path / "x")
    with pytest.raises(SpoTraceError, match="y can't be read: No such file"):
        open_regular(tmp_path / "y")


@pytest.mark.parametrize("name", ["page_owner", "page_owner.err"])
def test_a_file_that_is_replaced_by_a_pipe_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # GIVEN a capture in which another user replaces a file after it was looked up
    (tmp_path / "page_owner").write_bytes(page())
    (tmp_path / name).write_bytes(page())
    opened = os.open

    def replacing(path: os.PathLike[str], *rest: int, **named: Any) -> int:
        if Path(path).name == name:
            Path(path).unlink()
            os.mkfifo(path)
        return opened(path, *rest, **named)

    monkeypatch.setattr("os.open", replacing)
    # WHEN it is read, THEN the read ends with an error
    with pytest.raises(SpoTraceError, match="can't be read: not a regular file"):
        CaptureSource([tmp_path]).open("page_owner")


def test_an_archive_from_a_pipe_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) or bytes(size or 0)

        read1 = read

    monkeypatch.setattr(input_file, "MAX_SPOOLED_BYTES", 16 << 20)
    monkeypatch.setattr(capture, "standard_input", lambda: Endless(tar_of({"page_owner": page()})))
    with pytest.raises(SpoTraceError, match="has more than 0 GiB"):
        CaptureSource(["-"])
