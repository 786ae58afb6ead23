# SPDX-License-Identifier: LGPL-2.1-or-later
"""Record batches from the compiled scanner, with the reference parser for records that it does not recognise."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import cycle
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.formats.arrays import numbers
from spo_trace.formats.batch import RecordParser, parse_or_reject, to_batch
from spo_trace.formats.fast.names import MOST_STRINGS, Names, Numbers
from spo_trace.formats.fast.scanner import STACK, Rows, Scanned, Scanner
from spo_trace.formats.fast.stacks import ScannedStacks
from spo_trace.formats.fast.threads import ordered
from spo_trace.formats.key_order import KeyOrder
from spo_trace.formats.record import Record, RejectSink, bounded_pieces, located
from spo_trace.formats.rows import OwnerRow
from spo_trace.formats.runs import FileRun, Run
from spo_trace.formats.stack_table import StackTable
from spo_trace.native.library import Library

__all__ = ["TextFormat", "fast_batches"]


class ScannedColumns(Protocol):
    """Hold the parsed values of one scanner's strings, and convert its rows to columns."""

    def add(self, number: int, kind: int, text: bytes) -> None:
        """Store the values of string `number`."""
        ...

    @property
    def odd(self) -> list[int]:
        """Return the strings of kind TAIL that only the reference parser can read."""
        ...

    def batch(self, rows: Rows, stack_ids: Numbers, schema: pa.Schema) -> pa.RecordBatch:
        """Return `rows` as a record batch of these columns."""
        ...


class TextFormat(NamedTuple):
    """Hold the differences between page_owner and swap_page_owner.

    `schema`: the columns of the batches; `names`: columns of names, whose dictionaries all scanners share.
    """

    file: str
    schema: pa.Schema
    row: np.dtype[np.void]
    names: tuple[str, ...]
    columns: Callable[[Mapping[str, Names]], ScannedColumns]
    parser: Callable[[StackTable, RejectSink], RecordParser]


class _Lane:
    """Hold a scanner and the parsed values of its strings, which only the joining thread uses."""

    def __init__(self, library: Library, text_format: TextFormat, names: Mapping[str, Names]) -> None:
        self._library = library
        self._format = text_format
        self._names = names
        self._start()

    def _start(self) -> None:
        self.scanner = Scanner(self._library, self._format.row)
        self.columns = self._format.columns(self._names)
        self.stacks = ScannedStacks()
        self._strings = 0

    def forget_many(self) -> None:
        """Start again with an empty table if there are too many strings; only between two runs."""
        if self._strings > MOST_STRINGS:
            self._start()

    def learn(self, strings: Iterable[tuple[int, bytes]]) -> None:
        """Store the strings that are new in a run."""
        for kind, text in strings:
            if kind == STACK:
                self.stacks.add(self._strings, text)
            else:
                self.columns.add(self._strings, kind, text)
            self._strings += 1


def fast_batches(
    library: Library,
    text_format: TextFormat,
    runs: Iterable[Run] | Iterable[FileRun],
    stacks: StackTable,
    reject: RejectSink,
    *,
    jobs: int = 1,
) -> Iterator[pa.RecordBatch]:
    """Yield the same rows, stack ids and rejects as the reference parser, for any number of `jobs`."""
    names = {name: Names(name) for name in text_format.names}
    # The scanners take turns: the results of each are joined before it gets its next run.
    lanes = cycle([_Lane(library, text_format, names) for _ in range(1 if jobs == 1 else jobs + 1)])
    work: Iterable[tuple[_Lane, Run | FileRun]] = zip(lanes, runs, strict=False)
    join = _Joiner(text_format, stacks, reject)
    for lane, run, scanned in ordered(_scan, work, jobs):
        batch = join.batch(lane, run, scanned)
        lane.forget_many()
        for column_names in names.values():
            column_names.forget_many()
        if batch.num_rows:
            yield batch
    if rest := join.rest():
        yield rest[0]
    join.report_order()


def _scan(work: tuple[_Lane, Run | FileRun]) -> tuple[_Lane, Run | FileRun, Scanned]:
    lane, run = work
    return lane, run, lane.scanner.scan(run)


class _Joiner:
    """Join the results of the scanners in order: rows, records left to the reference parser, and stacks of both."""

    def __init__(self, text_format: TextFormat, stacks: StackTable, reject: RejectSink) -> None:
        self._format = text_format
        self._stacks = stacks
        self._parser = text_format.parser(stacks, reject)
        self._offset = 0
        self._line = 1
        # The last record of a run, as long as it is unknown whether more text follows.
        self._waiting: Record | None = None
        self._order = KeyOrder()
        # The first field after the place is the key.
        self._key = text_format.row.names[2]  # type: ignore[index]

    def batch(self, lane: _Lane, run: Run | FileRun, scanned: Scanned) -> pa.RecordBatch:
        """Return the rows of a run in order, including those of the reference parser."""
        lane.learn(scanned.strings)
        self._offset = run.offset
        rows, left = _without_odd(lane, scanned)
        stacks = rows["stack"].astype(np.intp)
        parsed, places = self._parse_left(lane, scanned, stacks, left)
        self._see_order(rows, parsed, places)
        batch = lane.columns.batch(rows, lane.stacks.ids(stacks, self._stacks), self._format.schema)
        self._offset += scanned.size
        self._line += scanned.lines
        return self._merged(batch, [row for row, _ in parsed], places)

    def report_order(self) -> None:
        """Report at the end of the text whether its keys ascend."""
        self._order.report(self._format.file, self._parser.reject)

    def rest(self) -> list[pa.RecordBatch]:
        """Return the row of the last record of the text, if it is still pending."""
        waiting, self._waiting = self._waiting, None
        row = None if waiting is None else parse_or_reject(waiting._replace(last=True), self._parser)
        if waiting is None or row is None:
            return []
        self._order.see(row[0], waiting)
        return [to_batch(self._format.schema, [row])]

    # Stack ids are in order of first appearance: the rows before a record are numbered before it.
    def _parse_left(
        self, lane: _Lane, scanned: Scanned, numbers: npt.NDArray[np.intp], left: Rows
    ) -> tuple[list[tuple[OwnerRow, Record]], list[int]]:
        parsed: list[tuple[OwnerRow, Record]] = []
        places: list[int] = []
        done = 0
        for record, place in self._left_records(scanned, left):
            if done < place:
                lane.stacks.ids(numbers[done:place], self._stacks)
                done = place
            if (row := parse_or_reject(record, self._parser)) is not None:
                parsed.append((row, record))
                places.append(place)
        return parsed, places

    def _see_order(self, rows: Rows, parsed: list[tuple[OwnerRow, Record]], places: list[int]) -> None:
        done = 0
        for (row, record), place in zip(parsed, places, strict=True):
            if done < place:
                self._see_many(rows[done:place])
                done = place
            self._order.see(row[0], record)
        self._see_many(rows[done:])

    def _see_many(self, rows: Rows) -> None:
        def place_of(row: int) -> tuple[int, int]:
            return self._offset + int(rows["start"][row]), self._line + int(rows["line"][row])

        self._order.see_many(rows[self._key], place_of)

    def _left_records(self, scanned: Scanned, left: Rows) -> Iterator[tuple[Record, int]]:
        if self._waiting is not None and scanned.size:
            yield self._waiting, 0
            self._waiting = None
        for start, line, place, end in left.tolist():
            text = scanned.text(start, end)
            pieces = [text] if scanned.delimited else bounded_pieces(text)
            records = located(pieces, self._offset + start, self._line + line, delimited=scanned.delimited)
            if scanned.delimited or end < scanned.size:
                yield from ((record, place) for record in records)
                continue
            *others, self._waiting = records
            yield from ((record, place) for record in others)

    def _merged(self, batch: pa.RecordBatch, parsed: list[OwnerRow], places: list[int]) -> pa.RecordBatch:
        if not parsed:
            return batch
        others = to_batch(self._format.schema, parsed)
        both = pa.Table.from_batches([batch, others])
        order = np.argsort(np.concatenate([np.arange(batch.num_rows), np.array(places) - 0.5]), kind="stable")
        merged: Any = both.unify_dictionaries().combine_chunks().take(numbers(order)).combine_chunks()
        return merged.to_batches()[0]


# Rows that only the reference parser can read are treated as not recognised.
def _without_odd(lane: _Lane, scanned: Scanned) -> tuple[Rows, Rows]:
    rows, left = scanned.rows, scanned.left
    odd_tails, odd_stacks = lane.columns.odd, lane.stacks.odd
    if not odd_tails and not odd_stacks:
        return rows, left
    needs_reference = np.isin(rows["tail"], odd_tails) | np.isin(rows["stack"], odd_stacks)
    if not needs_reference.any():
        return rows, left
    # A record ends where the next row, or the next record left, begins.
    borders = np.sort(np.concatenate([rows["start"], left["start"], [scanned.size]]))
    now_left = np.zeros(int(needs_reference.sum()), left.dtype)
    now_left["start"], now_left["line"], now_left["row"] = (
        rows["start"][needs_reference],
        rows["line"][needs_reference],
        np.flatnonzero(needs_reference),
    )
    now_left["end"] = borders[np.searchsorted(borders, now_left["start"], side="right")]
    left = np.concatenate([left, now_left])
    left = left[np.argsort(left["start"])]
    kept_before = np.concatenate([[0], np.cumsum(~needs_reference)])
    left["row"] = kept_before[left["row"]]
    return rows[~needs_reference], left
