# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs contain all of the text, cut between records; other text is cut where the reference parser cuts it."""

import errno
import os
import tempfile
from collections.abc import Iterable
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats.fast.scanner import PAGE_ROW, Scanner
from spo_trace.formats.fast.text_runs import RUN_BYTES, delimited_runs, file_runs, stream_runs
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START, split_records
from spo_trace.formats.runs import Buffer, FileRun, Filled, Run, gathered
from spo_trace.formats.text import Outcome
from spo_trace.native import library
from tests.unit.formats.drawing import cut_anywhere
from tests.unit.formats.fast.comparing import in_chunks

PIECES = st.sampled_from([RECORD_START, b"\n", b"\n\n", RECORD_START[:-1], b"order 0", b"\r", b"x" * 40])
RECORD = RECORD_START + b"order 0\n\n"


def content(run: Run | FileRun) -> bytes:
    """Return a run's text."""
    if isinstance(run, FileRun):
        return os.pread(run.fd, run.size, run.offset)
    buffer = Buffer()
    return bytes(buffer.padded(run.fill(buffer).size))


def sizes_of(runs: Iterable[Run]) -> list[int]:
    """Return how much text each run has."""
    return [len(content(run)) for run in runs]


def runs_of_file(text: bytes, run_bytes: int) -> list[Run]:
    """Return the runs of a plain file, and close it when they were read."""
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        outcome = Outcome()
        runs = []
        for run in file_runs(file, outcome, run_bytes):
            runs.append(Run(run.offset, partial(_put, content(run))))
        assert outcome.problem is None
        return runs


def _put(whole: bytes, buffer: Buffer) -> Filled:
    buffer.room(len(whole))[: len(whole)] = whole
    return Filled(len(whole))


def check(runs: list[Run], text: bytes) -> None:
    """Assert that runs are a text, cut where records start."""
    assert b"".join(map(content, runs)) == text
    sizes = sizes_of(runs)
    assert [run.offset for run in runs] == [0, *accumulate(sizes)][:-1]
    assert all(size > 0 for size in sizes)
    starts = {record.offset for record in split_records([text])}
    assert {run.offset for run in runs} <= starts


@given(st.lists(PIECES, max_size=40).map(b"".join), st.integers(1, 200), st.data())
@settings(deadline=None, max_examples=300)
def test_runs_are_the_text_cut_where_records_start(text: bytes, run_bytes: int, data: st.DataObject) -> None:
    # GIVEN any text, in any chunks or in a file, WHEN it is cut into runs
    check(list(stream_runs(data.draw(cut_anywhere(text)), run_bytes)), text)
    check(runs_of_file(text, run_bytes), text)


@given(st.lists(PIECES, max_size=40), st.integers(1, 200))
@settings(deadline=None)
def test_delimited_records_keep_their_ends(records: list[bytes], run_bytes: int) -> None:
    # WHEN delimited records are put into runs
    runs = list(delimited_runs(gathered(records, run_bytes)))
    # THEN they do not change
    found = []
    for run in runs:
        ends = run.fill(Buffer()).ends
        assert ends is not None
        whole = content(run)
        found += [whole[start:end] for start, end in pairwise([0, *ends.tolist()])]
    assert list(filter(None, found)) == list(filter(None, records))
    assert [run.offset for run in runs] == [0, *accumulate(sizes_of(runs))][:-1]


@pytest.mark.parametrize("chunk", [1, 20, 21, 22, 1 << 20])
def test_runs_are_about_as_large_as_asked_for(chunk: int) -> None:
    # GIVEN records of 28 bytes
    assert len(RECORD) == 28
    runs = list(stream_runs(in_chunks(RECORD * 100, chunk), 280))
    sizes = sizes_of(runs)
    # THEN a run has nine or ten records, unless all came in one chunk
    if chunk > len(RECORD) * 100:
        assert sizes == [2772, 28]
    else:
        assert set(sizes[:-1]) <= {252, 280}
    assert sum(sizes) == 2800


def test_a_text_that_is_no_larger_than_a_run_is_one() -> None:
    assert sizes_of(stream_runs([RECORD] * 3)) == [84]
    assert sizes_of(stream_runs([RECORD, b"", RECORD + b"\n"], RUN_BYTES)) == [57]


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_nothing_is_no_run(chunks: list[bytes]) -> None:
    assert list(stream_runs(chunks, 1)) == []


@pytest.mark.parametrize("chunk", [1 << 16, 1_000_003, 1 << 23])
@pytest.mark.parametrize("run_bytes", [1, 1 << 20, 1 << 21])
def test_garbage_is_cut_where_the_reference_parser_cuts_it(chunk: int, run_bytes: int) -> None:
    # GIVEN a text with more than a piece of garbage
    text = RECORD + b"x" * (3 * LONGEST_PIECE + 5) + b"\n" + RECORD
    # WHEN it is cut into runs
    for runs in (list(stream_runs(in_chunks(text, chunk), run_bytes)), runs_of_file(text, run_bytes)):
        # THEN each run ends where the reference parser ends a record
        ends = set(accumulate(len(record.text) for record in split_records([text])))
        sizes = sizes_of(runs)
        assert set(accumulate(sizes)) <= ends
        # AND memory stays bounded for any text
        assert max(sizes) <= max(chunk, run_bytes, LONGEST_PIECE) + 2 * LONGEST_PIECE


def test_a_file_that_became_shorter_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    # GIVEN runs of a file that is cut before they are scanned
    compiled = library.load()
    assert compiled is not None
    path = tmp_path / "page_owner"
    path.write_bytes(RECORD * 100)
    scanner = Scanner(compiled, PAGE_ROW)
    outcome = Outcome()
    scanned: list[bytes] = []
    with path.open("rb") as file:
        for run in file_runs(file, outcome, 280):
            if not scanned:
                os.truncate(path, 300)
            found = scanner.scan(run)
            scanned.append(found.text(0, found.size))
    # THEN what is left of it is there
    assert b"".join(scanned) == (RECORD * 11)[:300]
    assert outcome.problem is None


def test_a_read_error_ends_a_run_and_is_reported(tmp_path: Path) -> None:
    # GIVEN a run of a file that cannot be read
    compiled = library.load()
    assert compiled is not None
    failed: list[int] = []
    path = tmp_path / "page_owner"
    path.touch()
    with path.open("ab") as file:
        # WHEN it is scanned
        found = Scanner(compiled, PAGE_ROW).scan(FileRun(0, 1000, file.fileno(), failed.append))
    # THEN it is empty, and the error is known
    assert (found.size, failed) == (0, [errno.EBADF])
