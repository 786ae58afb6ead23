# SPDX-License-Identifier: LGPL-2.1-or-later
"""Readers of disjoint PFN ranges: each record comes once and in order, whatever the number of readers."""

import errno
import threading
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.runs import Buffer, Records
from spo_trace.formats.text import Outcome
from spo_trace.formats.text_reader import filled
from spo_trace.sources import many_readers
from spo_trace.sources.enomem import Retries
from spo_trace.sources.kernel_file import LONGEST_RECORD, Batch
from spo_trace.sources.many_readers import positions_are_pfns, range_runs
from spo_trace.sources.one_reader import NEAR, read_records
from tests.support import page
from tests.unit.sources.fake_kernel import FakeFile, FakeKernel

JOBS = [1, 2, 3, 8]


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ranges of 8 to 32 PFNs, so that a few hundred PFNs have many borders."""
    for name, size in {"_LEAST": 8, "_FIRST": 8, "_MOST": 32}.items():
        monkeypatch.setattr(many_readers, name, size)


def read(kernel: FakeKernel, jobs: int) -> tuple[list[bytes], dict[str, int]]:
    """Return the records and what was skipped."""
    outcome = Outcome()
    runs = list(runs_of([kernel.open() for _ in range(jobs)], outcome))
    assert all(len(run.ends) for run in runs)
    return [record for run in runs for record in run.split()], outcome.skipped


def runs_of(files: Sequence[FakeFile], outcome: Outcome, last_pfn: int | None = None) -> Iterator[Records]:
    """Return the records, read by one thread per file."""
    return filled(range_runs(files, outcome, last_pfn), len(files))


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize(
    "pfns",
    [[], [0], [1], range(100), range(0x1000, 0x1200), [7, 8, 15, 16, 17, 31, 32, 4095, 4096, 1 << 30, (1 << 30) + 1]],
    ids=["none", "0", "1", "dense", "from 0x1000", "at borders and over holes"],
)
def test_every_record_once_and_in_order(pfns: list[int], jobs: int) -> None:
    assert read(FakeKernel(pfns), jobs) == ([page(pfn) for pfn in pfns], {})


@given(st.sets(st.integers(1, 300), min_size=1), st.sampled_from(JOBS), st.data())
@settings(deadline=None, max_examples=150)
def test_records_that_are_too_large_at_any_border(pfns: set[int], jobs: int, data: st.DataObject) -> None:
    # GIVEN any layout, and any of its records too large
    bad = data.draw(st.sets(st.sampled_from(sorted(pfns))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many_readers, "_FIRST", data.draw(st.integers(1, 8)))
        patch.setattr(many_readers, "_MOST", data.draw(st.integers(1, 32)))
        # WHEN it is read in ranges
        records, skipped = read(FakeKernel(pfns, bad), jobs)
    # THEN each other record comes once, and the count is that of a single reader
    assert records == [page(pfn) for pfn in sorted(pfns - bad)]
    outcome = Outcome()
    assert [record for run in read_records(FakeKernel(pfns, bad).open(), outcome) for record in run.split()] == records
    assert skipped == outcome.skipped


@pytest.mark.parametrize("jobs", JOBS)
def test_a_page_that_spans_a_border(jobs: int) -> None:
    # GIVEN a page of order 9 across many ranges, with one record, at its head
    kernel = FakeKernel([1, 512, 1024], record=lambda pfn: page(pfn, 9 if pfn == 512 else 0))
    assert read(kernel, jobs)[0] == [page(1), page(512, 9), page(1024)]


@pytest.mark.parametrize("jobs", JOBS)
def test_a_range_that_exceeds_the_buffer(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    # GIVEN ranges of 500 PFNs, and initial room for two records
    monkeypatch.setattr(many_readers, "_FIRST", 500)
    monkeypatch.setattr(many_readers, "_FIRST_ROOM", LONGEST_RECORD + 2 * len(page()))
    records, _ = read(FakeKernel(range(1500), record=long_page), jobs)
    # THEN the buffer grows
    assert records == list(map(long_page, range(1500)))


def test_signals_do_not_grow_the_buffer() -> None:
    # GIVEN a reader that is interrupted after each record
    class Interrupted(FakeFile):
        def read_many(self, room: memoryview, end: int | None = None) -> Batch:
            rooms.add(len(room))
            return super().read_many(room[: LONGEST_RECORD + 1], end)

    rooms: set[int] = set()
    runs = list(runs_of([Interrupted(FakeKernel(range(500)))], Outcome()))
    # THEN all is read, and the buffer has its initial size
    assert b"".join(run.text for run in runs) == b"".join(map(page, range(500)))
    assert max(rooms) == many_readers._FIRST_ROOM


def long_page(pfn: int) -> bytes:
    """Return a record of the maximum length."""
    return page(pfn, stack=(b"x" * 4000,))


@pytest.mark.parametrize("jobs", JOBS)
def test_as_many_runs_as_readers_are_filled_at_once(jobs: int) -> None:
    # GIVEN more threads than readers
    runs = range_runs([FakeKernel(range(2000)).open() for _ in range(jobs)], Outcome())
    found = [record for run in filled(runs, jobs + 3) for record in run.split()]
    # THEN some threads wait, and all is read
    assert found == [page(pfn) for pfn in range(2000)]


def test_ranges_adapt_to_the_density_of_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_readers, "_MOST", NEAR)
    monkeypatch.setattr(many_readers, "_FIRST", 1 << 12)
    sizes: list[int] = []
    read_range = many_readers._read_range

    def noted(file: FakeFile, retries: Retries, span: range, buffer: Buffer) -> many_readers._Part:
        sizes.append(len(span))
        return read_range(file, retries, span, buffer)

    monkeypatch.setattr(many_readers, "_read_range", noted)
    assert len(read(FakeKernel(range(0, 1 << 18, 512)), 1)[0]) == 512
    assert max(sizes) == NEAR
    sizes.clear()
    monkeypatch.setattr(many_readers, "_WANTED_BYTES", 4 * len(page()))
    read(FakeKernel(range(1 << 15)), 1)
    assert min(sizes) == 8


def test_ranges_shrink_towards_the_last_pfn() -> None:
    # GIVEN two readers, and a known last PFN
    outcome = Outcome()
    kernel = FakeKernel(range(1000))
    records = [len(run.ends) for run in runs_of([kernel.open(), kernel.open()], outcome, 1000)]
    # THEN the last ranges have the minimum size, earlier ones are larger
    assert sum(records) == 1000
    assert max(records[-2:]) <= 8
    assert max(records) == 32


@pytest.mark.parametrize("jobs", JOBS)
def test_a_large_hole_takes_few_reads(jobs: int) -> None:
    kernel = FakeKernel([*range(100), 1 << 40])
    read(kernel, jobs)
    assert kernel.reads < 400


@pytest.mark.parametrize("hole", [1, NEAR - 10, NEAR, NEAR + 1, 100_000])
def test_records_that_are_too_large_after_a_hole(monkeypatch: pytest.MonkeyPatch, hole: int) -> None:
    # GIVEN ranges of the maximum size, a hole, and after it records of which some are too large
    monkeypatch.setattr(many_readers, "_FIRST", NEAR)
    monkeypatch.setattr(many_readers, "_MOST", NEAR)
    pfns = [5, *range(6 + hole, 106 + hole)]
    large = {6 + hole, *range(9 + hole, 106 + hole, 5)}
    kernel = FakeKernel(pfns, large)
    # THEN all others are read
    assert read(kernel, 1)[0] == [page(pfn) for pfn in pfns if pfn not in large]
    assert kernel.reads < 7 * (hole + 1000)


def test_a_transient_enomem_loses_nothing() -> None:
    # GIVEN a record that fails once with ENOMEM
    class Short(FakeKernel):
        def find(self, position: int) -> tuple[bytes, int]:
            if position == 40 and self.large:
                self.large.clear()
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return super().find(position)

    assert read(Short(range(100), [99]), 1) == ([page(pfn) for pfn in range(100)], {})


@pytest.mark.parametrize("jobs", JOBS)
def test_pages_that_come_and_go_during_the_read(jobs: int) -> None:
    # GIVEN a kernel in which every read frees and allocates odd pages
    class Moving(FakeKernel):
        def find(self, position: int) -> tuple[bytes, int]:
            with lock:
                self.pfns = [pfn for pfn in range(400) if pfn % 2 == 0 or (pfn + self.reads) % 3]
                return super().find(position)

    lock = threading.Lock()
    records, skipped = read(Moving([]), jobs)
    # THEN pages that stayed are there once, and no page twice
    assert [record for record in records if record in stayed] == [page(pfn) for pfn in range(0, 400, 2)]
    assert len(set(records)) == len(records)
    assert skipped == {}


stayed = {page(pfn) for pfn in range(0, 400, 2)}


@pytest.mark.parametrize("jobs", JOBS)
def test_readers_run_in_parallel(jobs: int) -> None:
    # GIVEN readers that continue only when all of them are reading
    barrier = threading.Barrier(jobs, timeout=20)

    class Waiting(FakeFile):
        def read_many(self, room: memoryview, end: int | None = None) -> Batch:
            if end is not None and end <= jobs * 8:
                barrier.wait()
            return super().read_many(room, end)

    kernel = FakeKernel(range(jobs * 64))
    outcome = Outcome()
    runs = list(runs_of([Waiting(kernel) for _ in range(jobs)], outcome))
    assert sum(len(run.ends) for run in runs) == jobs * 64


@pytest.mark.parametrize("jobs", JOBS)
def test_an_error_ends_all_readers(jobs: int) -> None:
    def failing(pfn: int) -> bytes:
        if pfn > 200:
            raise OSError(errno.EIO, "no")
        return page(pfn)

    with pytest.raises(OSError, match=r"no"):
        read(FakeKernel(range(5000), record=failing), jobs)
    assert not readers()


def test_dropping_the_iterator_ends_all_readers() -> None:
    runs = runs_of([FakeKernel(range(10_000)).open() for _ in range(3)], Outcome())
    assert next(runs)
    assert readers()
    del runs
    assert not readers()


def readers() -> list[threading.Thread]:
    """Return the threads that read."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("ordered")]


def test_progress() -> None:
    outcome = Outcome()
    seen = []
    for _ in runs_of([FakeKernel(range(0, 50_000, 10)).open()], outcome):
        seen.append(outcome.reached)
    assert seen == sorted(seen)
    assert seen[-1] > 40_000


def test_a_kernel_whose_positions_are_pfns() -> None:
    file = FakeKernel([5, 6]).open()
    assert positions_are_pfns(file)
    assert file.read() == page(5)


@pytest.mark.parametrize(
    "kernel",
    [
        FakeKernel([0x1000, 0x1001], lowest=0x1000),
        FakeKernel([]),
        FakeKernel([5, 6], [5]),
        FakeKernel([5], record=lambda pfn: page(pfn + 1)),
        FakeKernel([5], record=lambda _: b"what is no page_owner\n"),
    ],
    ids=["up to 6.0", "empty", "first is too large", "other positions", "something else"],
)
def test_a_kernel_whose_positions_are_not_pfns(kernel: FakeKernel) -> None:
    file = kernel.open()
    assert not positions_are_pfns(file)
    assert file.position() == 0


def test_other_errors_are_passed_on() -> None:
    def failing(_: int) -> bytes:
        raise OSError(errno.EIO, "no")

    with pytest.raises(OSError, match=r"no"):
        positions_are_pfns(FakeKernel([5], record=failing).open())
