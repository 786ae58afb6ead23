# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner parses all forms of text; without it the reference parser does, with the same result."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spo_trace.formats import page_owner, parser_choice, swap_page_owner
from spo_trace.formats.parser_choice import page_batches, swap_batches
from spo_trace.formats.record import Reject
from spo_trace.formats.runs import gathered
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, PlainFile
from spo_trace.native import library
from tests.support import entry, page

PAGES = [page(number, comm=b"c%d" % number) for number in range(50)]
ENTRIES = [entry(number, comm=b"c%d" % number) for number in range(50)]
GIVEN = {"page_owner": PAGES, "swap_page_owner": ENTRIES}
COMMS = [f"c{number}" for number in range(50)]


def comms(batches: Iterator[pa.RecordBatch]) -> list[str]:
    """Return the comms of all rows."""
    return [row["comm"] for batch in batches for row in batch.to_pylist()]


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the reference parsers fail."""

    def fail(*_: object, **__: object) -> Iterator[pa.RecordBatch]:
        raise AssertionError("the reference parser was asked")

    monkeypatch.setattr(page_owner, "page_batches", fail)
    monkeypatch.setattr(swap_page_owner, "swap_batches", fail)


@pytest.mark.usefixtures("no_reference")
@pytest.mark.parametrize("jobs", [1, 2])
def test_the_scanner_reads_all_forms_of_text(tmp_path: Path, jobs: int) -> None:
    rejects: list[Reject] = []
    path = tmp_path / "page_owner"
    path.write_bytes(b"".join(PAGES))
    # GIVEN a stream, delimited records and a plain file
    file = path.open("rb")
    texts = [
        KernelText("page_owner", Chunks(iter(PAGES))),
        KernelText("page_owner", DelimitedRecords(gathered(PAGES, 1000))),
        KernelText("page_owner", PlainFile(file)),
    ]
    # WHEN each is read, THEN all rows are there
    for text in texts:
        assert comms(page_batches(text, StackTable(), rejects.append, jobs=jobs)) == COMMS
    assert rejects == []
    assert file.closed


@pytest.mark.usefixtures("no_reference")
def test_the_scanner_reads_swap_entries() -> None:
    rejects: list[Reject] = []
    texts = [
        KernelText("swap_page_owner", Chunks(iter(ENTRIES))),
        KernelText("swap_page_owner", DelimitedRecords(gathered(ENTRIES, 1000))),
    ]
    for text in texts:
        assert comms(swap_batches(text, StackTable(), rejects.append, jobs=2)) == COMMS
    assert rejects == []


def test_entries_of_a_32_bit_machine_are_for_the_reference_parser() -> None:
    # GIVEN an entry in area 1 of a 32-bit machine
    rejects: list[Reject] = []
    text = KernelText("swap_page_owner", Chunks([entry(1 << 26 | 5)]))
    (batch,) = swap_batches(text, StackTable(), rejects.append, bits=32)
    assert (batch["swap_type"].to_pylist(), batch["swap_offset"].to_pylist()) == ([1], [5])


def test_without_the_library_the_reference_parser_reads_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: None)
    rejects: list[Reject] = []
    assert comms(page_batches(KernelText("page_owner", Chunks(iter(PAGES))), StackTable(), rejects.append)) == COMMS
    assert (
        comms(swap_batches(KernelText("swap_page_owner", Chunks(iter(ENTRIES))), StackTable(), rejects.append)) == COMMS
    )


@pytest.mark.parametrize("content", [None, b"not a library", b""])
def test_a_library_that_can_not_be_loaded_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    # GIVEN no library, or one that is damaged
    path = tmp_path / "libspo.so"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(library, "PATH", path)
    library.load.cache_clear()
    caplog.set_level(logging.INFO)
    # WHEN it is loaded, THEN there is none, and one message is logged
    try:
        assert library.load() is None
        assert library.load() is None
    finally:
        library.load.cache_clear()
    (record,) = caplog.records
    # A missing one is usual without a C compiler; one that is damaged or of another system is a fault.
    level, start = (logging.INFO, "is missing: ") if content is None else (logging.WARNING, f"does not fit ({path}: ")
    assert (record.levelno, record.getMessage().partition("the compiled scanner ")[2][: len(start)]) == (level, start)


def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_VERSION", 0)
    library.load.cache_clear()
    try:
        assert library.load() is None
    finally:
        library.load.cache_clear()


def test_a_read_error_is_a_problem(tmp_path: Path) -> None:
    # GIVEN a plain file of which no part can be read
    path = tmp_path / "page_owner"
    path.write_bytes(b"".join(PAGES))
    text = KernelText("page_owner", PlainFile(os.fdopen(os.open(path, os.O_WRONLY), "wb")))
    rejects: list[Reject] = []
    # WHEN it is read, THEN the outcome has the problem
    assert list(parser_choice.page_batches(text, StackTable(), rejects.append)) == []
    assert text.outcome.problem == "part of it can't be read: Bad file descriptor"
