# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernels that are out of memory for some reads, or for ever: ENOMEM without a record that is too large."""

import errno
from collections.abc import Callable
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import Outcome
from spo_trace.formats.text_reader import filled
from spo_trace.limits import ENOMEM_FIRST_PAUSE, MAX_ENOMEM_PAUSES, MAX_ENOMEM_SECONDS
from spo_trace.sources.enomem import OutOfMemory, Retries
from spo_trace.sources.many_readers import range_runs
from spo_trace.sources.one_reader import read_records
from tests.support import page
from tests.unit.sources.fake_kernel import FakeKernel

PFNS = range(20, 120)
ALL = [page(pfn) for pfn in PFNS]


class Lacking(FakeKernel):
    """A kernel of which read number n fails with ENOMEM if `lacks(n)`."""

    def __init__(self, lacks: Callable[[int], bool], large: set[int] | None = None, lowest: int = 0) -> None:
        """Count reads from 1."""
        super().__init__(PFNS, large or (), lowest=lowest)
        self.lacks = lacks
        self.lock = Lock()

    def find(self, position: int) -> tuple[bytes, int]:
        """Fail, or return a record."""
        with self.lock:
            found = super().find(position) if not self.lacks(self.reads + 1) else None
            if found is None:
                self.reads += 1
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return found


def read(kernel: FakeKernel, jobs: int) -> tuple[list[bytes], Outcome]:
    """Read by one reader (0), or by that many readers of ranges."""
    outcome = Outcome()
    if jobs:
        runs = list(filled(range_runs([kernel.open() for _ in range(jobs)], outcome), jobs))
    else:
        runs = list(read_records(kernel.open(), outcome))
    return [record for run in runs for record in run.split()], outcome


READERS = pytest.mark.parametrize("jobs", [0, 1, 3])


@READERS
@pytest.mark.parametrize("number", [1, 2, 3, 5, 9, 13])
@pytest.mark.parametrize("first", [1, 2, 3, 40, 90, 101])
def test_a_short_lack_of_memory_loses_nothing(jobs: int, first: int, number: int) -> None:
    # GIVEN a kernel that is out of memory for some reads
    kernel = Lacking(lambda read: first <= read < first + number)
    # WHEN it is read
    records, outcome = read(kernel, jobs)
    # THEN all records are there, none counts as too large, and the reads that were repeated are counted
    assert records == ALL
    assert (outcome.skipped, outcome.problem) == ({}, None)
    assert outcome.retried <= number


@pytest.mark.parametrize("lowest", [0, 20], ids=["6.1 and later", "up to 6.0"])
def test_repeated_reads_are_counted(lowest: int) -> None:
    records, outcome = read(Lacking(lambda read: 40 <= read < 46, lowest=lowest), 0)
    assert (records, outcome.retried) == (ALL, 1)


@READERS
@given(st.integers(1, 120), st.integers(1, 10), st.sets(st.sampled_from(PFNS), max_size=8))
def test_a_lack_of_memory_among_records_that_are_too_large(jobs: int, first: int, number: int, large: set[int]) -> None:
    # GIVEN records that are too large, but not the first one, which shows that the kernel has memory
    large -= {PFNS[0]}
    expected, without = read(FakeKernel(PFNS, large), jobs)
    # WHEN the kernel is out of memory for some reads, THEN the result is the same
    records, outcome = read(Lacking(lambda read: first < read <= first + number, large), jobs)
    assert (records, outcome.skipped) == (expected, without.skipped)


@READERS
@pytest.mark.parametrize("first", [1, 2, 30, 100])
def test_a_kernel_that_remains_out_of_memory_ends_the_read(jobs: int, first: int, pauses: list[float]) -> None:
    # GIVEN a kernel that is out of memory from some read on, for ever
    records, outcome = read(Lacking(lambda read: read >= first), jobs)
    # THEN the read ends, what was read is kept, and nothing is called too large
    assert records == ALL[: len(records)]
    assert len(records) >= min(first - 3, len(ALL) - 1) or jobs > 1
    assert outcome.problem == "the kernel ran out of memory (ENOMEM) and did not recover"
    assert outcome.skipped.get(Skipped.TOO_LARGE, 0) == 0
    # AND the pauses become longer, and are bounded in number and in sum
    assert sum(pauses) <= MAX_ENOMEM_SECONDS
    assert len(pauses) <= 2 * MAX_ENOMEM_PAUSES * max(jobs, 1)
    assert max(pauses) == ENOMEM_FIRST_PAUSE * 2 ** (MAX_ENOMEM_PAUSES - 1)


@READERS
def test_reads_that_fail_at_random(jobs: int) -> None:
    # GIVEN a kernel with fault injection
    records, outcome = read(Lacking(lambda read: read * 7919 % 11 < 3), jobs)
    assert records == ALL
    assert outcome.retried > 10
    assert (outcome.skipped, outcome.problem) == ({}, None)


def test_all_pauses_of_a_file_are_bounded(pauses: list[float]) -> None:
    # GIVEN a kernel that recovers at the last attempt, again and again
    kernel = Lacking(lambda _: bool(len(pauses) % MAX_ENOMEM_PAUSES) or len(pauses) == before)
    retries = Retries(Outcome(), 0)
    with pytest.raises(OutOfMemory):
        for _ in range(100):
            before = len(pauses)
            assert retries.record_at(kernel.open(), 0) == ALL[0]
    assert MAX_ENOMEM_SECONDS - 2 < sum(pauses) <= MAX_ENOMEM_SECONDS


@READERS
def test_a_first_record_that_is_too_large_is_waited_for_once(jobs: int, pauses: list[float]) -> None:
    records, outcome = read(FakeKernel(PFNS, {PFNS[0], PFNS[50]}), jobs)
    assert records == ALL[1:50] + ALL[51:]
    assert (outcome.skipped, outcome.problem) == ({Skipped.TOO_LARGE: 2}, None)
    assert len(pauses) == MAX_ENOMEM_PAUSES
