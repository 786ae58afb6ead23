# SPDX-License-Identifier: LGPL-2.1-or-later
"""How each form of a text is read: as chunks, as records for the grammar, or as runs for the scanner."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from spo_trace.formats.fast.read_ahead import read_ahead
from spo_trace.formats.fast.text_runs import delimited_runs, file_runs, stream_runs
from spo_trace.formats.record import Record, Reject, RejectSink, located, split_records
from spo_trace.formats.runs import FileRun, Run
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, Outcome, PlainFile

__all__ = ["chunks_in", "located_in_input", "records_in", "runs_in"]

_STEP = 1 << 20


def chunks_in(text: KernelText) -> Iterator[bytes]:
    """Yield all of a text, cut anywhere."""
    match text.content:
        case Chunks(pieces):
            yield from pieces
        case PlainFile(file):
            yield from _file_chunks(file, text.outcome)
        case DelimitedRecords(runs):
            yield from (run.text for run in runs)


def records_in(text: KernelText) -> Iterator[Record]:
    """Yield the records of page_owner or swap_page_owner text, each with the empty line that ends it.

    Text before the first record comes as a record too, for the parser to reject.
    """
    match text.content:
        case Chunks() | PlainFile():
            return split_records(chunks_in(text))
        case DelimitedRecords(runs):
            return located(chain.from_iterable(run.split() for run in runs), delimited=True)


@contextmanager
def runs_in(text: KernelText, jobs: int) -> Iterator[Iterable[Run] | Iterable[FileRun]]:
    """Open a text for `jobs` scanners and return its runs; scan all of them before the `with` block ends."""
    match text.content:
        case Chunks(pieces):
            yield stream_runs(pieces if jobs == 1 else read_ahead(pieces))
        case PlainFile(file):
            with file:
                yield file_runs(file, text.outcome)
        case DelimitedRecords(runs):
            yield delimited_runs(runs)


def located_in_input(text: KernelText, reject: RejectSink) -> RejectSink:
    """Return a sink that passes rejects of a text on to `reject`, with their places in the input."""
    if not isinstance(text.content, Chunks) or (place := text.content.place) is None:
        return reject

    def sink(given: Reject) -> None:
        offset, line = place(given.offset, given.line)
        reject(given._replace(offset=offset, line=line))

    return sink


def _file_chunks(file: BinaryIO, outcome: Outcome) -> Iterator[bytes]:
    with file:
        try:
            while chunk := file.read(_STEP):
                outcome.reached += len(chunk)
                yield chunk
        except OSError as error:
            outcome.problem = f"part of it can't be read: {error.strerror}"
