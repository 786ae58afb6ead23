# SPDX-License-Identifier: LGPL-2.1-or-later
"""Only regular files are opened, without waiting."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.files.regular import open_regular, read_regular


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "not a regular file"),
        (Path.mkdir, "not a regular file"),
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError, match=why):
        open_regular(tmp_path / "x")


def test_a_link_to_a_regular_file_may_be_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "fifo"):
        (tmp_path / f"link to {name}").symlink_to(name)
    with open_regular(tmp_path / "link to file", follow_links=True) as file:
        assert file.read() == b"x"
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "link to fifo", follow_links=True)


def test_a_device_is_refused() -> None:
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(Path("/dev/null"))


def test_the_content_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_regular(tmp_path / "x", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_regular(tmp_path / "x", 4)
