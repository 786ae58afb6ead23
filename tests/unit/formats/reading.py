# SPDX-License-Identifier: LGPL-2.1-or-later
"""Parse text, check invariants of all batches, and return rows that can be compared."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.page_owner import page_batches
from spo_trace.formats.reasons import MARKS, Reason
from spo_trace.formats.record import Record, Reject, RejectSink
from spo_trace.formats.runs import gathered
from spo_trace.formats.stack_table import StackTable
from spo_trace.formats.swap_page_owner import swap_batches
from spo_trace.formats.text import Chunks, DelimitedRecords, KernelText
from spo_trace.formats.text_reader import records_in

__all__ = ["HEADER", "Parsed", "read_pages", "read_swap"]

# The first two lines of a record, for tests of what follows them.
HEADER = (
    b"Page allocated via order 0, mask 0x0(), pid 1, tgid 1 (dd), ts 5 ns\n"
    b"PFN 0x1 type Movable Block 0 type Movable Flags 0x0()\n"
)


@dataclass
class Parsed:
    """Hold the rows (`frames` instead of stack_id), rejects, stacks, and the number of marks."""

    stacks: StackTable
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    marks: Counter[Reason] = field(default_factory=Counter)

    def sink(self, reject: Reject) -> None:
        """Keep a reject, or count a mark."""
        if reject.code in MARKS:
            self.marks[reject.code] += reject.number
        else:
            self.rejects.append(reject)

    @property
    def lost(self) -> list[str]:
        """Return the reasons of lost records."""
        return [reject.reason for reject in self.rejects if reject.lost]

    @property
    def notes(self) -> list[tuple[str, bytes]]:
        """Return the reasons and the text of rejected lines of records that were kept."""
        return [(reject.reason, reject.text) for reject in self.rejects if not reject.lost]


def read_pages(text: bytes | Iterable[bytes], *, delimited: bool = False, stacks: StackTable | None = None) -> Parsed:
    """Parse page_owner text, whole or in chunks."""
    return _read(page_batches, "page_owner", schema.PAGES, text, delimited, stacks)


def read_swap(text: bytes | Iterable[bytes], *, delimited: bool = False, bits: int = 64) -> Parsed:
    """Parse swap_page_owner text, whole or in chunks."""

    def batches(
        records: Iterable[Record], stacks: StackTable, reject: Callable[[Reject], None]
    ) -> Iterator[pa.RecordBatch]:
        return swap_batches(records, stacks, reject, bits=bits)

    return _read(batches, "swap_page_owner", schema.SWAP, text, delimited, None)


def _read(
    parse: Callable[[Iterable[Record], StackTable, RejectSink], Iterator[pa.RecordBatch]],
    name: str,
    table: pa.Schema,
    text: bytes | Iterable[bytes],
    delimited: bool,
    stacks: StackTable | None,
) -> Parsed:
    chunks = [text] if isinstance(text, bytes) else text
    parsed = Parsed(StackTable() if stacks is None else stacks)
    given = KernelText(name, DelimitedRecords(gathered(chunks, 1000)) if delimited else Chunks(chunks))
    for batch in parse(records_in(given), parsed.stacks, parsed.sink):
        batch.validate(full=True)
        assert batch.schema.equals(table)
        assert all(field.nullable or not batch[field.name].null_count for field in table)
        for row in batch.to_pylist():
            frames = parsed.stacks[row.pop("stack_id")].frames
            parsed.rows.append(row | {"frames": frames})
    return parsed
