# SPDX-License-Identifier: LGPL-2.1-or-later
"""An open file that gives one record for each read(2)."""

from pathlib import Path

from spo_trace.sources.kernel_file import KernelFile


def test_a_real_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "page_owner"
    path.write_bytes(b"x" * 70_000)
    before = open_files()
    with KernelFile(path) as file:
        assert (len(file.pread(69_990)), file.position()) == (10, 0)
        assert (len(file.read()), file.position()) == (65536, 65536)
        assert (len(file.read()), file.read()) == (4464, b"")
    assert open_files() == before


def open_files() -> int:
    """Return how many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))
