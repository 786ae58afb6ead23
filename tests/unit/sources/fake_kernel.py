# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model of page_owner that behaves like read_page_owner() (mm/page_owner.c), for readers of open files."""

import errno
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Self

from tests.support import page

__all__ = ["FakeFile", "FakeKernel"]


class FakeKernel:
    """A kernel with a record for each of `pfns`; the records of `large` do not fit its buffer.

    `lowest`: min_low_pfn, which positions count from and can't be set up to Linux 6.0; 0 stands for 6.1 and later.
    `record`: what is printed of a PFN.
    """

    def __init__(
        self,
        pfns: Iterable[int],
        large: Iterable[int] = (),
        *,
        lowest: int = 0,
        record: Callable[[int], bytes] = page,
    ) -> None:
        """Take the layout of the records."""
        self.pfns = sorted(pfns)
        self.large = set(large)
        self.lowest = lowest
        self.record = record
        self.reads = 0

    def find(self, position: int) -> tuple[bytes, int]:
        """Return the first record at or after a position, and the position after it."""
        self.reads += 1
        at = bisect_left(self.pfns, position + self.lowest)
        if at == len(self.pfns):
            return b"", position
        pfn = self.pfns[at]
        if pfn in self.large:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return self.record(pfn), pfn + 1 - self.lowest

    def open(self) -> "FakeFile":
        """Open the file again."""
        return FakeFile(self)


class FakeFile:
    """One open file of a kernel."""

    def __init__(self, kernel: FakeKernel) -> None:
        """Start at the beginning."""
        self.kernel = kernel
        self.at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def read(self) -> bytes:
        """Return the next record; an error does not change the position."""
        record, self.at = self.kernel.find(self.at)
        return record

    def pread(self, position: int) -> bytes:
        """Return the record at or after a position."""
        return self.kernel.find(position)[0]

    def position(self) -> int:
        """Return the position."""
        return self.at

    def seek(self, position: int) -> None:
        """Set the position."""
        if self.kernel.lowest:
            raise OSError(errno.ESPIPE, "Illegal seek")
        self.at = position
