# SPDX-License-Identifier: LGPL-2.1-or-later
"""The parts of the scanner together: long texts, many strings and rows, several scanners."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from spo_trace.formats.fast import batches as fast_batches
from spo_trace.formats.fast import names as scanned_names
from spo_trace.formats.fast import scanner
from spo_trace.formats.fast.text_runs import stream_runs
from spo_trace.formats.record import LONGEST_PIECE, Reject
from spo_trace.formats.stack_table import StackTable
from spo_trace.native import library
from tests.support import page
from tests.unit.formats.fast.comparing import PAGES, assert_same, in_chunks, read_by_reference
from tests.unit.formats.reading import HEADER

FRAME = b" a+0x1/0x2\n"
RECORD = HEADER + FRAME + b"\n"


def frames(size: int) -> bytes:
    """Return a record of `size` bytes."""
    room = size - len(HEADER) - 1
    return HEADER + FRAME * (room // len(FRAME) - 1) + b" " + b"x" * (room % len(FRAME) + len(FRAME) - 2) + b"\n\n"


def many(count: int) -> bytes:
    """Return records that differ in every column."""
    kinds = (b"", b"PID 9\n", b"handle: 5\n", b"Slab cache page\n")
    return b"".join(
        page(n + 1, n % 10, b"c%d" % n, pid=n, ts=n, stack=(b"f%d+0x1/0x2" % (n % 700),), tail=kinds[n % 97 % 4])
        for n in range(count)
    )


@pytest.mark.parametrize("run_bytes", [1, 1 << 20, 3 << 20, 1 << 23])
@pytest.mark.parametrize("chunk", [1 << 16, (1 << 20) + 1, 1 << 24])
def test_text_without_records_for_longer_than_a_piece(chunk: int, run_bytes: int) -> None:
    # GIVEN records around garbage of 2.5 MiB, with lines in it, that continues a record or begins the text
    garbage = (b"\0garbage " * 30 + b"Page allocated via \n") * (5 << 19 >> 8)
    text = garbage + b"\n" + RECORD + garbage + RECORD * 3 + frames(50_000) + garbage
    # WHEN both parsers read it
    same = assert_same(in_chunks(text, chunk), run_bytes=run_bytes)
    # THEN they cut it at the same bytes, and find the records
    assert same.table.num_rows == 5
    assert len(same.rejects) > 6


@pytest.mark.parametrize("more", [-1, 0, 1, 100, LONGEST_PIECE])
@pytest.mark.parametrize("after", [b"", b"\n", b"garbage\n" * 200_000])
def test_a_record_about_as_long_as_a_piece(more: int, after: bytes) -> None:
    # GIVEN a record of the length of a piece, or one byte more or less
    record = frames(LONGEST_PIECE + more)
    assert len(record) == LONGEST_PIECE + more
    text = RECORD + record + after + RECORD
    # WHEN both parsers read it, THEN both cut it
    for run_bytes in (1, 1 << 20, 1 << 23):
        same = assert_same(in_chunks(text, 100_000), run_bytes=run_bytes)
    assert same.table.num_rows == (3 if more <= 0 else 2)


def test_rows_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN room for one row
    text = many(3000)
    expected = read_by_reference([text])
    monkeypatch.setattr(scanner, "_ROWS", 1)
    # WHEN it is scanned, THEN the room grows as needed
    for jobs, run_bytes in ((1, 1 << 22), (1, 3000), (2, 20_000)):
        assert_same(text, jobs=jobs, run_bytes=run_bytes, expected=expected)


def test_more_strings_and_rows_than_the_initial_room() -> None:
    # GIVEN more records than fit at first, each with strings of its own, then as many that the scanner leaves
    count = scanner._ROWS + 10
    bare = HEADER.replace(b"(dd)", b"(%x)") + b" a+0x1/0x2\n\n"
    text = b"".join(bare % n for n in range(count)) + b"Page allocated via x\n" * count
    # WHEN both parsers read it
    same = assert_same(text, run_bytes=1 << 25)
    # THEN nothing is missing
    assert (same.table.num_rows, sum(reject.lost for reject in same.rejects)) == (count, count)
    assert same.table["comm"][-1].as_py() == f"{count - 1:x}"


@pytest.mark.parametrize("jobs", [1, 2, 3, 5])
def test_runs_of_one_record(jobs: int) -> None:
    # GIVEN a run for each record, some of which the scanner leaves
    text = many(400)
    # THEN each run has its own rows
    same = assert_same(text, jobs=jobs, run_bytes=1)
    assert same.table.num_rows == 400


def _backwards(function: Callable[[Any], Any], inputs: Iterable[Any], jobs: int) -> Iterator[Any]:
    pending: deque[list[Any]] = deque()

    def work() -> None:
        for waiting in reversed(pending):
            if len(waiting) == 1:
                waiting.append(function(waiting[0]))

    for item in inputs:
        pending.append([item])
        if len(pending) > jobs:
            work()
            yield pending.popleft()[1]
    work()
    yield from (done for _, done in pending)


@pytest.mark.parametrize("jobs", [2, 3])
def test_the_order_of_threads_makes_no_difference(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    # GIVEN threads that read their runs in the worst order
    monkeypatch.setattr(fast_batches, "ordered", _backwards)
    # THEN the results are the same
    for run_bytes in (1, 1000):
        assert_same(many(300), jobs=jobs, run_bytes=run_bytes)


def test_dictionaries_do_not_depend_on_the_number_of_jobs() -> None:
    # GIVEN names of which some appear again later
    text = many(300) + many(200) + many(500)
    # THEN the batches have the same bytes, and so do files made of them
    assert dictionaries(text, 1) == dictionaries(text, 2) == dictionaries(text, 3)


def dictionaries(text: bytes, jobs: int) -> list[list[str]]:
    """Return the dictionary of each column of each batch."""
    compiled = library.load()
    assert compiled is not None
    rejects: list[Reject] = []
    blocks = stream_runs(in_chunks(text, 1000), 9000)
    batches = fast_batches.fast_batches(compiled, PAGES, blocks, StackTable(), rejects.append, jobs=jobs)
    return [
        column.dictionary.to_pylist()
        for batch in batches
        for column in batch.columns
        if pa.types.is_dictionary(column.type)
    ]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_more_names_than_are_remembered(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    # GIVEN processes that each have a name of their own, and names that appear again after they were forgotten
    text = many(1000) + many(300) + many(1000)
    assert max(map(len, dictionaries(text, 1))) > 500
    for module in (fast_batches, scanned_names):
        monkeypatch.setattr(module, "MOST_STRINGS", 100)
    # WHEN they are scanned, THEN the rows are the same
    assert_same(text, jobs=jobs, run_bytes=9000)
    # AND the dictionary of a batch has at most that many names and its new ones, for any number of jobs
    forgetful = dictionaries(text, jobs)
    assert max(map(len, forgetful)) < 200
    assert forgetful == dictionaries(text, 1)


def test_forgotten_strings_use_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a text in which each process has a name of its own
    made: list[scanner.Scanner] = []

    class Noted(scanner.Scanner):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(fast_batches, "Scanner", Noted)
    for module in (fast_batches, scanned_names):
        monkeypatch.setattr(module, "MOST_STRINGS", 100)
    # WHEN a scanner has read many more names than it may remember
    assert_same(many(2000), run_bytes=9000)
    # THEN it has started again in time
    assert len(made) > 10
    assert all(each._known < 400 for each in made)
