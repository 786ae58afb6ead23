# SPDX-License-Identifier: LGPL-2.1-or-later
"""One record per read(2), and records that do not fit the kernel's buffer, with a model of the kernel."""

import errno
from collections.abc import Container, Iterable
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import Outcome
from spo_trace.sources.one_reader import NEAR, read_records
from tests.support import entry, page
from tests.unit.sources.fake_kernel import FakeKernel

LOWEST = 0x1000


def read(kernel: FakeKernel) -> tuple[list[bytes], dict[str, int]]:
    """Return the records and what was skipped."""
    outcome = Outcome()
    runs = list(read_records(kernel.open(), outcome))
    assert all(len(run.ends) for run in runs)
    return [record for run in runs for record in run.split()], outcome.skipped


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
    """Return the expected counts: adjacent records count as one, as the kernel gives the same error for each."""
    number = sum(is_bad for is_bad, _ in groupby(sorted(pfns), bad.__contains__))
    return {Skipped.TOO_LARGE: number} if number else {}


@pytest.mark.parametrize("hole", [1, NEAR - 1, NEAR, NEAR + 1, 100_000, 1 << 30])
def test_a_hole_before_a_record_that_is_too_large(hole: int) -> None:
    pfns = [5, 6 + hole, 7 + hole, 8 + hole]
    kernel = FakeKernel(pfns, [6 + hole])
    assert read(kernel) == ([page(5), page(7 + hole), page(8 + hole)], {Skipped.TOO_LARGE: 1})
    # The number of reads hardly depends on the size of the hole.
    # Each failing read is repeated, in turn with a read of the first record.
    assert kernel.reads < 7 * (NEAR + 200)


def test_without_such_records_there_are_no_extra_reads() -> None:
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


def test_a_comm_cannot_fake_a_pfn() -> None:
    # The comm has a line like the PFN line; the last such line counts.
    def lying(pfn: int) -> bytes:
        return page(pfn, comm=b"\nPFN 0x1 \n")

    records, skipped = read(FakeKernel([10, 11, 12, 13], [11], record=lying))
    assert [record.count(b"PFN 0x1 ") for record in records] == [1, 1, 1]
    assert skipped == {Skipped.TOO_LARGE: 1}


def test_positions_of_swap_owners_are_their_entries() -> None:
    records, skipped = read(FakeKernel([1, 2, 0x400], [2], record=entry))
    assert (records, skipped) == ([entry(1), entry(0x400)], {Skipped.TOO_LARGE: 1})


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.EPERM])
def test_other_errors_are_passed_on(number: int) -> None:
    def failing(pfn: int) -> bytes:
        if pfn > 5:
            raise OSError(number, "no")
        return page(pfn)

    with pytest.raises(OSError, match=r"no") as caught:
        read(FakeKernel(range(1, 9), record=failing))
    assert caught.value.errno == number


def test_a_record_without_a_pfn() -> None:
    def odd(pfn: int) -> bytes:
        return page(pfn).replace(b"PFN", b"Frame")

    with pytest.raises(OSError, match=r"do not show how to skip it"):
        read(FakeKernel([1, 2, 3], [2], record=odd))
