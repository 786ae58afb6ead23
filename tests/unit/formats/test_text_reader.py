# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each form of a text gives the same bytes, records and runs, and is closed after the last of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject
from spo_trace.formats.runs import Buffer, FileRun, gathered
from spo_trace.formats.text import Chunks, Content, DelimitedRecords, KernelText, PlainFile
from spo_trace.formats.text_reader import chunks_in, located_in_input, records_in, runs_in

START = b"Page allocated via "
RECORDS = [START + b"order %d\n\n" % number for number in range(5)]
WHOLE = b"".join(RECORDS)

Maker = Callable[[], tuple[Content, Callable[[], bool]]]


@pytest.fixture(params=["chunks", "file", "delimited"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    """Return a function that makes a form of the text, and a check whether it was closed."""

    def made() -> tuple[Content, Callable[[], bool]]:
        if request.param == "file":
            (tmp_path / "text").write_bytes(WHOLE)
            file = (tmp_path / "text").open("rb")
            return PlainFile(file), lambda: file.closed
        content = (
            Chunks([WHOLE[:30], WHOLE[30:]]) if request.param == "chunks" else DelimitedRecords(gathered(RECORDS, 40))
        )
        return content, lambda: True

    return made


def test_chunks(make: Maker) -> None:
    content, closed = make()
    assert b"".join(chunks_in(KernelText("page_owner", content))) == WHOLE
    assert closed()


def test_records(make: Maker) -> None:
    content, closed = make()
    records = list(records_in(KernelText("page_owner", content)))
    assert [record.text for record in records] == RECORDS
    assert [record.offset for record in records] == [len(RECORDS[0]) * number for number in range(5)]
    assert {record.delimited for record in records} == {isinstance(content, DelimitedRecords)}
    assert closed()


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs(make: Maker, jobs: int) -> None:
    content, closed = make()
    text = bytearray()
    with runs_in(KernelText("page_owner", content), jobs) as runs:
        for run in runs:
            if isinstance(run, FileRun):
                text += os.pread(run.fd, run.size, run.offset)
                continue
            buffer = Buffer()
            filled = run.fill(buffer)
            assert (filled.ends is None) is isinstance(content, Chunks)
            text += bytes(buffer.padded(filled.size))
    assert bytes(text) == WHOLE
    assert closed()


def test_delimited_records_are_what_read_returned() -> None:
    # GIVEN reads, the first with text that looks like the start of another record
    given = [START + b"1\n" + START + b"\n\n", b"", b"\n", START + b"2\n\n"]
    # THEN each read is one record; offsets and lines continue
    records = list(records_in(KernelText("page_owner", DelimitedRecords(gathered(given, 50)))))
    assert [record.text for record in records] == given
    assert [(record.offset, record.line) for record in records] == [(0, 1), (42, 4), (42, 4), (43, 5)]


def test_rejects_are_located_in_the_input() -> None:
    found: list[Reject] = []
    reject = Reject("page_owner", 10, 2, Reason.LINE, b"x", lost=False)
    located_in_input(KernelText("page_owner", Chunks([])), found.append)(reject)
    moved = Chunks([], lambda offset, line: (offset + 5, line + 1))
    located_in_input(KernelText("page_owner", moved), found.append)(reject)
    assert found == [reject, reject._replace(offset=15, line=3)]
