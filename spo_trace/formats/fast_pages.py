# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner text by the compiled scanner, block by block, with the reference parser for whatever it leaves."""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.batch import Row, parse_or_reject, to_batch
from spo_trace.formats.blocks import BLOCK_BYTES, Block, record_blocks
from spo_trace.formats.intern_table import InternTable
from spo_trace.formats.ordered import ordered
from spo_trace.formats.page_owner import FILE, record_parser
from spo_trace.formats.page_scanner import COLUMNS, DONE, NO_ROWS, scan
from spo_trace.formats.record import KernelText, RejectSink, bounded_pieces, located
from spo_trace.formats.scanned_pages import Names, ScannedStrings, new_names, page_batch
from spo_trace.formats.stack_table import StackTable

__all__ = ["fast_page_batches"]

_ROWS = 1 << 15


class _Scanned(NamedTuple):
    """Hold what a scanner found in a block; `strings` are those new in its table."""

    scanner: "_Scanner"
    block: Block
    rows: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    strings: list[tuple[int, bytes]]
    lines: int


class _Scanner:
    """Scan blocks one at a time, with a table of strings of its own; several run in threads (numba has no GIL)."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        self._table = InternTable()
        self._rows = np.zeros((_ROWS, len(COLUMNS)), np.int64)
        self._left = np.zeros((_ROWS, 4), np.int64)
        # What its strings mean: filled and read by the one thread that puts the blocks in order.
        self.meanings = ScannedStrings(names)
        self.stack_ids = np.full(1 << 10, -1, np.int64)

    def scan(self, block: Block) -> _Scanned:
        """Return what is in a block."""
        known = len(self._table)
        base = np.frombuffer(block.padded, np.uint8).ctypes.data
        state = np.zeros(4, np.int64)
        while (result := self._go_on(base, block.size, state)) != DONE:
            if result == NO_ROWS:
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
                self._left = np.concatenate([self._left, np.zeros_like(self._left)])
            else:
                self._table.grow()
        strings = [self._table[number] for number in range(known, len(self._table))]
        count, left = int(state[0]), int(state[1])
        rows = self._rows[:count].T.copy()
        return _Scanned(self, block, rows, self._left[:left].copy(), strings, int(state[3]))

    def _go_on(self, base: int, size: int, state: npt.NDArray[np.int64]) -> int:
        t = self._table
        arena, room = t.arena.ctypes.data, len(t.arena)
        return int(scan(base, size, state, self._rows, self._left, t.slots, t.hashes, t.spans, arena, room, t.used))


def fast_page_batches(
    text: KernelText, stacks: StackTable, reject: RejectSink, *, jobs: int = 1, block_bytes: int = BLOCK_BYTES
) -> Iterator[pa.RecordBatch]:
    """Yield what `page_owner.page_batches` yields, the same rows, stack ids and rejects, whatever `jobs` is."""
    # In turn: what a scanner numbers in a block is joined before it goes on to its next one.
    names = new_names()
    scanners = cycle([_Scanner(names) for _ in range(1 if jobs == 1 else jobs + 1)])
    work = zip(scanners, record_blocks(text.chunks, block_bytes), strict=False)

    join = _Joiner(stacks, reject)
    for scanned in ordered(lambda item: item[0].scan(item[1]), work, jobs):
        batch = join.batch(scanned)
        if batch.num_rows:
            yield batch


class _Joiner:
    """Put what scanners found in order: rows, the records that they left, and the stacks of both."""

    def __init__(self, stacks: StackTable, reject: RejectSink) -> None:
        self._stacks = stacks
        self._reject = reject
        self._parse = record_parser(stacks, reject)
        self._line = 1

    def batch(self, scanned: _Scanned) -> pa.RecordBatch:
        """Return a block's rows, those of the reference parser at their places among them."""
        scanner = scanned.scanner
        for kind, string in scanned.strings:
            scanner.meanings.add(kind, string)
        rows, left = _without_odd(scanned)
        parsed, places = self._parse_left(scanned, rows, left)
        self._number_stacks(scanner, rows["stack"])
        batch = page_batch(rows, scanner.meanings, scanner.stack_ids[rows["stack"]])
        self._line += scanned.lines
        return _merged(batch, parsed, places)

    # A stack's number is its place in the order of first appearance: the rows before a record come first.
    def _parse_left(
        self, scanned: _Scanned, rows: dict[str, npt.NDArray[np.int64]], left: npt.NDArray[np.int64]
    ) -> tuple[list[Row], list[int]]:
        parsed: list[Row] = []
        places: list[int] = []
        done = 0
        for place, start, end, line in left.tolist():
            self._number_stacks(scanned.scanner, rows["stack"][done:place])
            done = place
            pieces = bounded_pieces(scanned.block.padded[start:end])
            for record in located(pieces, scanned.block.offset + start, self._line + line):
                if (row := parse_or_reject(FILE, record, self._parse, self._reject)) is not None:
                    parsed.append(row)
                    places.append(place)
        return parsed, places

    def _number_stacks(self, scanner: _Scanner, numbers: npt.NDArray[np.int64]) -> None:
        while len(numbers) and (top := int(numbers.max())) >= len(scanner.stack_ids):
            scanner.stack_ids = np.concatenate([scanner.stack_ids, np.full(top + 1, -1)])
        unknown = numbers[scanner.stack_ids[numbers] < 0]
        for number in dict.fromkeys(unknown.tolist()):
            scanner.stack_ids[number] = self._stacks.intern(scanner.meanings.stacks[number])


# A record whose tail says something out of the ordinary is as good as not recognised.
def _without_odd(scanned: _Scanned) -> tuple[dict[str, npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
    rows = dict(zip(COLUMNS, scanned.rows, strict=True))
    odd = scanned.scanner.meanings.odd.of(rows["tail"]) == 1
    if not odd.any():
        return rows, scanned.left
    starts = np.append(rows["start"], scanned.block.size)
    # Records left stand between rows too: a record ends where the next row or record left begins.
    borders = np.sort(np.concatenate([starts, scanned.left[:, 1]]))
    ends = borders[np.searchsorted(borders, rows["start"][odd], side="right")]
    now_left = np.stack([np.flatnonzero(odd), rows["start"][odd], ends, rows["line"][odd]], axis=1)
    left = np.concatenate([scanned.left, now_left])
    left = left[np.argsort(left[:, 1])]
    kept_before = np.concatenate([[0], np.cumsum(~odd)])
    left[:, 0] = kept_before[left[:, 0]]
    return {name: values[~odd] for name, values in rows.items()}, left


def _merged(batch: pa.RecordBatch, parsed: list[Row], places: list[int]) -> pa.RecordBatch:
    if not parsed:
        return batch
    both = pa.Table.from_batches([batch, to_batch(schema.PAGES, parsed)]).unify_dictionaries().combine_chunks()
    order = np.argsort(np.concatenate([np.arange(batch.num_rows), np.array(places) - 0.5]), kind="stable")
    return both.take(pa.array(order)).combine_chunks().to_batches()[0]
