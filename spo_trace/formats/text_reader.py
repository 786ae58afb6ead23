# SPDX-License-Identifier: LGPL-2.1-or-later
"""How each form of a text is read: as chunks, as records for the grammar, or as runs for the scanner."""

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

from spo_trace.formats.fast.read_ahead import read_ahead
from spo_trace.formats.fast.text_runs import delimited_runs, file_runs, stream_runs
from spo_trace.formats.fast.threads import ordered
from spo_trace.formats.record import Record, Reject, RejectSink, located, split_records
from spo_trace.formats.runs import Buffer, FileRun, Records, Run
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText, Outcome, PlainFile, ReaderRuns

__all__ = ["chunks_in", "filled", "located_in_input", "records_in", "runs_in"]

_STEP = 1 << 20


def chunks_in(text: KernelText) -> Iterator[bytes]:
    """Yield all of a text, cut anywhere."""
    match text.content:
        case Chunks(pieces):
            yield from pieces
        case PlainFile(file):
            yield from _file_chunks(file, text.outcome)
        case content:
            yield from (run.text for run in _delimited(content))


def records_in(text: KernelText) -> Iterator[Record]:
    """Yield the records of page_owner or swap_page_owner text, each with the empty line that ends it.

    Text before the first record comes as a record too, for the parser to reject.
    """
    match text.content:
        case Chunks() | PlainFile():
            return split_records(chunks_in(text))
        case content:
            return located(chain.from_iterable(run.split() for run in _delimited(content)), delimited=True)


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
        case ReaderRuns() as content:
            with content.opened:
                yield content.runs


def filled(runs: Iterable[Run], readers: int) -> Iterator[Records]:
    """Yield the records of runs that are filled by `readers` threads; runs without records are left out."""
    return (records for records in ordered(_fill, runs, readers) if records.ends)


def located_in_input(text: KernelText, reject: RejectSink) -> RejectSink:
    """Return a sink that passes rejects of a text on to `reject`, with their places in the input."""
    if not isinstance(text.content, Chunks) or (place := text.content.place) is None:
        return reject

    def sink(given: Reject) -> None:
        offset, line = place(given.offset, given.line)
        reject(given._replace(offset=offset, line=line))

    return sink


def _delimited(content: DelimitedRecords | ReaderRuns) -> Iterator[Records]:
    if isinstance(content, DelimitedRecords):
        yield from content.runs
        return
    with content.opened:
        yield from filled(content.runs, content.readers)


def _fill(run: Run) -> Records:
    buffer = Buffer()
    size, ends = run.fill(buffer)
    return Records(bytes(buffer.padded(size)), array("q", b"" if ends is None else ends.tobytes()))


def _file_chunks(file: BinaryIO, outcome: Outcome) -> Iterator[bytes]:
    with file:
        try:
            while chunk := file.read(_STEP):
                outcome.reached += len(chunk)
                yield chunk
        except OSError as error:
            outcome.problem = f"part of it can't be read: {error.strerror}"
