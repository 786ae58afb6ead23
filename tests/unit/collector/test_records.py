# SPDX-License-Identifier: LGPL-2.1-or-later
"""The collector in Python, on a model of page_owner."""

import errno
import os
from typing import Any

import pytest

from spo_trace.collector import memory_lack, records
from spo_trace.collector.memory_lack import Lack
from spo_trace.collector.stacks import PAGE
from tests.support import page
from tests.unit.sources.fake_kernel import FakeKernel

PFNS = [*range(1, 60), *range(3000, 3010), 70000, 70001]


class FakeOs:
    """The calls of `os` for one open file of a kernel, whose first `failures` reads fail for lack of memory."""

    SEEK_SET, SEEK_CUR = os.SEEK_SET, os.SEEK_CUR

    def __init__(self, kernel: FakeKernel, failures: int = 0) -> None:
        """Open the file."""
        self.kernel = kernel
        self.file = kernel.open()
        self.failures = failures

    def read(self, fd: int, size: int) -> bytes:
        """Return the next record."""
        self._fail()
        return self.file.read()

    def pread(self, fd: int, size: int, position: int) -> bytes:
        """Return the record at a position."""
        self._fail()
        return self.file.pread(position)

    def lseek(self, fd: int, position: int, whence: int) -> int:
        """Set or return the position; it can only be set if it is a PFN."""
        if self.kernel.lowest:
            raise OSError(errno.ESPIPE, "Illegal seek")
        if whence == os.SEEK_SET:
            self.file.seek(position)
        return self.file.position()

    def _fail(self) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")


def read(
    monkeypatch: pytest.MonkeyPatch, large: list[int], lowest: int = 0, failures: int = 0
) -> tuple[list[bytes], int]:
    """Return the records that are read, and the number of those that were stepped over."""
    fake: Any = FakeOs(FakeKernel(PFNS, large, lowest=lowest), failures)
    monkeypatch.setattr(records, "os", fake)
    monkeypatch.setattr(memory_lack, "os", fake)
    monkeypatch.setattr(memory_lack, "sleep", lambda _: None)
    monkeypatch.setattr(records, "_position", lambda _: fake.file.position())
    lack = Lack(3)
    return list(records._records(3, PAGE, lack)), lack.too_large


@pytest.mark.parametrize("lowest", [0, 1])
@pytest.mark.parametrize("large", [[], [7], [59, 3000], [3009], [70001], [3000, 3001, 70000]])
@pytest.mark.parametrize("failures", [0, 5])
def test_records_that_are_too_large_are_stepped_over(
    monkeypatch: pytest.MonkeyPatch, large: list[int], lowest: int, failures: int
) -> None:
    found, too_large = read(monkeypatch, large, lowest, failures)
    assert found == [page(pfn) for pfn in PFNS if pfn not in large]
    # Those next to each other count once.
    assert (too_large > 0) == bool(large)


def test_a_lasting_lack_of_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="Cannot allocate memory"):
        read(monkeypatch, [], failures=1 << 30)
