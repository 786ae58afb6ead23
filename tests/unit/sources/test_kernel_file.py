# SPDX-License-Identifier: LGPL-2.1-or-later
"""One record for each read(2), and records that do not fit the kernel's buffer, against a model of the kernel."""

import errno
from collections.abc import Container, Iterable
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.formats.record import KernelText
from spo_trace.sources.kernel_file import KernelFile, read_records
from tests.support import entry, page

TOO_LARGE = "record larger than the kernel's buffer (ENOMEM)"
LOWEST = 0x1000


class FakeKernel:
    """Behave as read_page_owner() does: positions from `lowest` (0 since Linux 6.1), ENOMEM and no step for `large`."""

    def __init__(self, pfns: Iterable[int], large: Iterable[int] = (), *, lowest: int = 0) -> None:
        """Hold what the kernel has."""
        self.pfns = sorted(pfns)
        self.large = frozenset(large)
        self.lowest = lowest
        self.at = 0
        self.reads = 0

    def _get(self, position: int) -> tuple[bytes, int]:
        self.reads += 1
        pfn = next((pfn for pfn in self.pfns if pfn >= position + self.lowest), None)
        if pfn is None:
            return b"", position
        if pfn in self.large:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return page(pfn), pfn + 1 - self.lowest

    def read(self) -> bytes:
        """Return the next record."""
        record, self.at = self._get(self.at)
        return record

    def pread(self, position: int) -> bytes:
        """Return the record at or after a position."""
        return self._get(position)[0]

    def position(self) -> int:
        """Return the position."""
        return self.at


def read(kernel: FakeKernel) -> tuple[list[bytes], dict[str, int]]:
    """Return the records and what was skipped."""
    text = KernelText("page_owner", ())
    return list(read_records(kernel, text)), text.skipped or {}


PFNS = [LOWEST, LOWEST + 1, LOWEST + 2, LOWEST + 8, LOWEST + 9, LOWEST + 700, LOWEST + 701]


@pytest.mark.parametrize("lowest", [0, LOWEST], ids=["6.1 and later", "up to 6.0"])
@pytest.mark.parametrize(
    "large",
    [[], [0], [1], [6], [5, 6], [0, 1], [2, 3], [1, 3, 5], [0, 6], range(1, 6), range(6), range(7)],
    ids=str,
)
def test_every_record_that_fits_is_read_and_the_others_are_counted(lowest: int, large: Iterable[int]) -> None:
    bad = {PFNS[index] for index in large}
    records, skipped = read(FakeKernel(PFNS, bad, lowest=lowest))
    assert records == [page(pfn) for pfn in PFNS if pfn not in bad]
    assert skipped == runs(PFNS, bad)


def runs(pfns: Iterable[int], bad: Container[int]) -> dict[str, int]:
    """Return what is counted: several one after the other look like one, as the kernel says the same for each."""
    number = sum(is_bad for is_bad, _ in groupby(sorted(pfns), bad.__contains__))
    return {TOO_LARGE: number} if number else {}


@pytest.mark.parametrize("hole", [1, 1023, 1024, 1025, 100_000, 1 << 30])
def test_a_hole_before_a_record_that_is_too_large(hole: int) -> None:
    pfns = [5, 6 + hole, 7 + hole, 8 + hole]
    kernel = FakeKernel(pfns, [6 + hole])
    assert read(kernel) == ([page(5), page(7 + hole), page(8 + hole)], {TOO_LARGE: 1})
    # Few more reads than there are records, however large the hole.
    assert kernel.reads < 1200


def test_without_such_records_no_position_is_asked_for() -> None:
    kernel = FakeKernel(PFNS)
    read(kernel)
    assert kernel.reads == len(PFNS) + 1
    assert read(FakeKernel([])) == ([], {})


@given(st.sets(st.integers(50, 400), min_size=1), st.integers(0, 50), st.data())
def test_any_layout(pfns: set[int], lowest: int, data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.sampled_from(sorted(pfns))))
    records, skipped = read(FakeKernel(pfns, bad, lowest=lowest))
    assert records == [page(pfn) for pfn in sorted(pfns - bad)]
    assert skipped == runs(pfns, bad)


def test_a_comm_cannot_lead_astray() -> None:
    # The comm holds a line that looks like the next one; the last such line counts.
    class Lying(FakeKernel):
        def _get(self, position: int) -> tuple[bytes, int]:
            record, after = super()._get(position)
            return record.replace(b"(dd)", b"(\nPFN 0x1 \n)"), after

    records, skipped = read(Lying([10, 11, 12, 13], [11]))
    assert [record.count(b"PFN 0x1 ") for record in records] == [1, 1, 1]
    assert skipped == {TOO_LARGE: 1}


def test_positions_of_swap_owners_are_their_entries() -> None:
    class Swap(FakeKernel):
        def _get(self, position: int) -> tuple[bytes, int]:
            record, after = super()._get(position)
            return entry(after - 1) if record else b"", after

    records, skipped = read(Swap([1, 2, 0x400], [2]))
    assert (records, skipped) == ([entry(1), entry(0x400)], {TOO_LARGE: 1})


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EPERM])
def test_other_errors_are_passed_on(number: int) -> None:
    class Failing(FakeKernel):
        def _get(self, position: int) -> tuple[bytes, int]:
            if position > 5:
                raise OSError(number, "no")
            return super()._get(position)

    text = KernelText("page_owner", ())
    records = read_records(Failing(range(1, 9)), text)
    with pytest.raises(OSError, match=r"no") as caught:
        list(records)
    assert caught.value.errno == number


def test_a_record_that_tells_no_position() -> None:
    class Odd(FakeKernel):
        def _get(self, position: int) -> tuple[bytes, int]:
            record, after = super()._get(position)
            return record.replace(b"PFN", b"Frame"), after

    with pytest.raises(OSError, match=r"do not tell how to step over it"):
        read(Odd([1, 2, 3], [2]))


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
