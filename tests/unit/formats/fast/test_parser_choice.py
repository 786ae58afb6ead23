# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scanner reads what is large; the reference parser what is small or framed, and all where there is no numba."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from spo_trace.formats import compiled, fast_pages, page_owner, parser_choice
from spo_trace.formats.record import KernelText, Reject, gathered
from spo_trace.formats.stack_table import StackTable
from tests.support import page

RECORDS = [page(number, comm=b"c%d" % number) for number in range(50)]
SIZE = sum(map(len, RECORDS))


@pytest.fixture(autouse=True)
def parsers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tell which parsers were used."""
    used: list[str] = []

    def noting(name: str, parser: Callable[..., Iterator[pa.RecordBatch]]) -> Callable[..., Iterator[pa.RecordBatch]]:
        def parse(*given: Any, **options: Any) -> Iterator[pa.RecordBatch]:
            used.append(" ".join([name, *(f"{key}={value}" for key, value in options.items())]))
            return parser(*given, **options)

        return parse

    monkeypatch.setattr(page_owner, "page_batches", noting("reference", page_owner.page_batches))
    monkeypatch.setattr(fast_pages, "fast_page_batches", noting("scanner", fast_pages.fast_page_batches))
    monkeypatch.setattr(compiled, "use_cache", lambda: True)
    monkeypatch.setattr(parser_choice, "_WORTH_IT", SIZE)
    return used


def read(text: KernelText, jobs: int = 1) -> list[str]:
    """Return the comms of all rows."""
    rejects: list[Reject] = []
    batches = list(parser_choice.pages(text, StackTable(), rejects.append, jobs=jobs))
    assert rejects == []
    return [row["comm"] for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("split", [1, 7, 100, SIZE, 2 * SIZE])
@pytest.mark.parametrize(("more", "used"), [(0, "scanner jobs=3"), (1, "reference")])
def test_size_decides(parsers: list[str], monkeypatch: pytest.MonkeyPatch, split: int, more: int, used: str) -> None:
    # GIVEN a text as large as is worth it, or a byte less, in chunks that are read once
    monkeypatch.setattr(parser_choice, "_WORTH_IT", SIZE + more)
    whole = b"".join(RECORDS)
    chunks = (whole[at : at + split] for at in range(0, SIZE, split))
    # WHEN it is read
    comms = read(KernelText("page_owner", chunks), jobs=3)
    # THEN by that parser, from its first byte to its last
    assert parsers == [used]
    assert comms == [f"c{number}" for number in range(50)]


def test_no_more_is_read_ahead_than_decides(parsers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a text of which chunks are counted
    taken: list[bytes] = []
    rejects: list[Reject] = []

    def chunks() -> Iterator[bytes]:
        for record in RECORDS:
            taken.append(record)
            yield record

    monkeypatch.setattr(parser_choice, "_WORTH_IT", sum(map(len, RECORDS[:3])))
    # WHEN the parser was chosen, and nothing read yet
    batches = parser_choice.pages(KernelText("page_owner", chunks()), StackTable(), rejects.append)
    # THEN that many were
    assert parsers == ["scanner jobs=1"]
    assert len(taken) == 3
    assert sum(batch.num_rows for batch in batches) == 50
    assert rejects == []


def test_framed_text_is_for_the_reference_parser(parsers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_choice, "_WORTH_IT", 1)
    assert len(read(KernelText("page_owner", records=gathered(RECORDS)))) == 50
    assert parsers == ["reference"]


def test_without_numba_the_reference_parser_reads_all(parsers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_choice, "_WORTH_IT", 1)
    monkeypatch.setattr(parser_choice, "find_spec", {"numba": None}.__getitem__)
    assert len(read(KernelText("page_owner", iter(RECORDS)))) == 50
    assert parsers == ["reference"]


def test_nothing_is_read_by_the_reference_parser(parsers: list[str]) -> None:
    assert read(KernelText("page_owner", [])) == []
    assert read(KernelText("page_owner", [b"", b""])) == []
    assert parsers == ["reference"] * 2


@pytest.mark.parametrize("there", [True, False])
def test_a_first_run_says_that_it_compiles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, there: bool
) -> None:
    caplog.set_level(logging.INFO)
    # GIVEN a cache with or without compiled code
    monkeypatch.setattr(compiled, "use_cache", lambda: there)
    # WHEN the scanner is used, THEN it is told if it has to be compiled, and only then
    read(KernelText("page_owner", RECORDS))
    assert [record.getMessage() for record in caplog.records] == (
        [] if there else ["compiling the scanner, once on this machine: some 10 seconds"]
    )


def test_the_threshold_is_some_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Small captures are not to wait for numba, nor large ones for the reference parser.
    monkeypatch.undo()
    assert 4 << 20 < parser_choice._WORTH_IT < 100 << 20
