# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of page_owner_sort (tools/mm, before 6.3 tools/vm): allocations with the same text or keys are one block.

Each block is a line with counts and, unless --cull leaves it out, the text of a record or its stack.
"""

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.batch import parse_or_reject, to_batches
from spo_trace.formats.body import Tail, parse_tail
from spo_trace.formats.distinct import DistinctNames
from spo_trace.formats.escape import escape
from spo_trace.formats.page_owner import record_parser
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import RECORD_START, Malformed, Record, Reject, RejectSink
from spo_trace.formats.rows import AggregateRow, PageRow
from spo_trace.formats.sorted_blocks import Block, sorted_blocks
from spo_trace.formats.stack_table import StackTable
from spo_trace.limits import MAX_AGGREGATE_COUNT, MAX_ORDER

__all__ = ["sorted_batches"]

_FILE = AggregateKind.PAGE_OWNER_SORT.value

# A block never has a PFN line, and its marks would be one for each block.
_USUAL = frozenset({Reason.NO_PFN_LINE, Reason.FIRST_LINE_ALONE})


def sorted_batches(chunks: Iterable[bytes], stacks: StackTable, reject: RejectSink) -> Iterator[pa.RecordBatch]:
    """Yield the blocks of page_owner_sort's output as rows of `schema.AGGREGATES`, in order.

    A block that can't be parsed goes to `reject`, and so does each line that is not understood; parsing continues. A
    repeated block is counted once, because page_owner_sort prints each key once.
    """
    rows = map(_Reader(stacks, reject).row, sorted_blocks(chunks, reject))
    return to_batches(schema.AGGREGATES, (row for row in rows if row is not None))


class _Reader:
    def __init__(self, stacks: StackTable, reject: RejectSink) -> None:
        self._stacks = stacks
        self._reject = reject
        self._parser = record_parser(stacks, self._without_usual, _FILE)
        self._seen: set[int] = set()
        self._comms = DistinctNames("comm")

    def row(self, block: Block) -> AggregateRow | None:
        """Return the row of a block; None if it is rejected, or repeats an earlier one."""
        keys = [text for name, text in block.counts.groupdict().items() if name not in ("times", "pages")]
        key = hash((*keys, block.text.strip()))
        if key in self._seen:
            self._reject(_rejected(block, Reason.REPEATED))
            return None
        try:
            row = self._of_body(block)
            if row is not None:
                row = _counted(row, block.counts)
        except Malformed as malformed:
            self._reject(_rejected(block, malformed.code))
            return None
        if row is not None:
            self._seen.add(key)
        return row

    def _of_body(self, block: Block) -> AggregateRow | None:
        keys = block.counts.groupdict()
        if "order" in keys:
            return self._of_stack(block)._replace(order=_order(keys["order"]), gfp_mask=_hexadecimal(keys["mask"]))
        if block.text.startswith(RECORD_START) or b"\n" + RECORD_START in block.text:
            return self._of_record(block)
        return self._of_keys(self._of_stack(block), block)

    # The record's text, without its PFN line and time.
    def _of_record(self, block: Block) -> AggregateRow | None:
        assert block.body is not None
        record = Record(block.text, block.body.offset, block.body.line, last=block.last)
        found = parse_or_reject(record, self._parser)
        if found is None:
            return None
        assert isinstance(found, PageRow)
        return AggregateRow(**found._asdict(), allocator=_name(block.counts["allocator"]))

    def _of_stack(self, block: Block) -> AggregateRow:
        tail = parse_tail(block.text.replace(b"\r\n", b"\n")) if block.text.strip() else Tail()
        if block.text.strip() and block.last and not tail.terminated and not block.is_of_script:
            raise Malformed(Reason.CUT_OFF)
        if tail.unknown and block.body is not None:
            record = Record(block.text, block.body.offset, block.body.line)
            for start, end, code in tail.unknown:
                self._reject(Reject(_FILE, *record.place(start), code, block.text[start:end], lost=False))
        return AggregateRow(
            stack_id=self._stacks.intern_printed(tail.frames, tail.handle),
            last_migrate_reason=tail.last_migrate_reason,
            memcg=tail.memcg,
            memcg_offline=tail.memcg_offline,
            memcg_objcg=tail.memcg_objcg,
            slab=tail.slab if tail.memcg is not None or tail.slab else None,
            module_name=tail.module_name,
        )

    # The keys of --cull. page_owner_sort prints -1 and an empty name for what the text does not have.
    def _of_keys(self, row: AggregateRow, block: Block) -> AggregateRow:
        counts = block.counts
        comm = counts["comm"]
        # Counts without a body: a colon at their end is the name's last byte.
        if comm is not None and counts["colon"] and block.body is None:
            comm += b":"
        if comm:
            self._comms.add(escape(comm))
        return row._replace(
            pid=_id(counts["pid"]),
            tgid=_id(counts["tgid"]),
            comm=escape(comm) if comm else None,
            allocator=_name(counts["allocator"]),
        )

    def _without_usual(self, reject: Reject) -> None:
        if reject.code not in _USUAL:
            self._reject(reject)


def _rejected(block: Block, code: Reason) -> Reject:
    return Reject(_FILE, block.first.offset, block.first.line, code, block.counts[0] + block.text, lost=True)


# page_owner_sort counts pages in an int, which can overflow.
def _counted(row: AggregateRow, counts: re.Match[bytes]) -> AggregateRow:
    times = int(counts["times"])
    given = counts.groupdict().get("pages")
    if not 0 < times <= MAX_AGGREGATE_COUNT or (given is not None and not 0 <= int(given) <= MAX_AGGREGATE_COUNT):
        raise Malformed(Reason.COUNT_RANGE)
    of_order = None if row.order is None else times << row.order
    pages = of_order if given is None else int(given)
    if pages is None:
        raise Malformed(Reason.NO_NUMBER)
    if pages < times or of_order not in (None, pages):
        raise Malformed(Reason.COUNTS_DIFFER)
    return row._replace(allocations=times, base_pages=pages)


def _order(digits: bytes) -> int:
    if len(digits) > 2 or int(digits) > MAX_ORDER:
        raise Malformed(Reason.ORDER_RANGE)
    return int(digits)


def _hexadecimal(digits: bytes | None) -> int | None:
    return None if digits is None else int(digits, 16)


def _id(digits: bytes | None) -> int | None:
    return None if digits is None or int(digits) < 0 else int(digits)


def _name(printed: bytes | None) -> str | None:
    return None if printed is None else printed.decode()
