# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/kcore: the memory of the running kernel by virtual address (CAP_SYS_RAWIO)."""

import errno
import os
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from spo_trace.memory.elf import read_core, vmcoreinfo_in
from spo_trace.memory.image import Image
from spo_trace.memory.problem import Problem

__all__ = ["KCORE", "KcoreImage"]

KCORE = Path("/proc/kcore")


class KcoreImage(Image):
    """Read kernel memory through /proc/kcore; close it after use.

    Ranges of its segments that are not mapped read as zeros: holes of vmalloc, and of vmemmap beside memory.
    """

    def __init__(self, path: Path = KCORE) -> None:
        """Open the file; raise Problem, with the alternative, if it cannot be read."""
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise _refused(path, error) from error
        core = read_core(self._file)
        super().__init__(vmcoreinfo_in(core.notes))
        self._segments = sorted((s.virtual, s.virtual + s.memory_bytes, s.offset) for s in core.segments)
        self._starts = [start for start, _, _ in self._segments]

    def ranges(self) -> Iterator[tuple[int, int, int]]:
        """Yield the start, the size and the offset in the file of each range, in ascending order and disjoint."""
        done = 0
        for start, stop, offset in self._segments:
            first = max(start, done)
            if first < stop:
                yield first, stop - first, offset + first - start
            done = max(done, stop)

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the readable parts of a range in ascending order, each with its offset in the range."""
        end, done = address + size, address
        for start, stop, offset in self._segments[max(bisect_right(self._starts, address) - 1, 0) :]:
            if start >= end:
                return
            first, last = max(start, done), min(stop, end)
            while first < last:
                data = self._read(offset + first - start, last - first)
                if not data:
                    break
                yield first - address, data
                first += len(data)
            done = max(done, last)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            # Pages that the kernel may not copy, such as those of a balloon.
            if error.errno in (errno.EFAULT, errno.EIO):
                return b""
            raise _refused(KCORE, error) from error


def _refused(path: Path, error: OSError) -> Problem:
    if error.errno == errno.ENOENT:
        return Problem(f"there is no {path}", "use a kernel with CONFIG_PROC_KCORE=y, or read through BPF or debugfs")
    hint = "run it as root, and not with lockdown=confidentiality; or read through debugfs"
    return Problem(f"{path} cannot be read: {error.strerror}", hint)
