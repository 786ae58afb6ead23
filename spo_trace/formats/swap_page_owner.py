# SPDX-License-Identifier: LGPL-2.1-or-later
"""/sys/kernel/debug/swap_page_owner: one record for each swap entry with a known owner.

The format is that of the swap_page_owner RFC (linux-mm, December 2025).
"""

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats import swp_entry
from spo_trace.formats.batch import Draft, RecordParser, parsed_batches
from spo_trace.formats.body import BodyReader
from spo_trace.formats.escape import escape
from spo_trace.formats.header import COMM, bounded, integer, match_header
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Malformed, Record, RejectSink
from spo_trace.formats.rows import SwapRow
from spo_trace.formats.stack_table import StackTable
from spo_trace.limits import MAX_INT64

__all__ = ["FILE", "entry_parser", "swap_batches"]

FILE = "swap_page_owner"

_HEADER = re.compile(
    rb"""Page\ allocated\ via\ pid\ (?P<pid>-?\d{1,9}),\ tgid\ (?P<tgid>-?\d{1,9})
    \ \((?P<comm>%(comm)s)\),\ ts\ (?P<ts>\d+)\ ns\n"""
    % {b"comm": COMM},
    re.VERBOSE | re.DOTALL,
)
_ENTRY = re.compile(rb"^SWP entry 0x(?P<entry>[0-9a-f]{1,16})\n", re.MULTILINE)


def swap_batches(
    records: Iterable[Record], stacks: StackTable, reject: RejectSink, *, bits: int = 64
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `schema.SWAP` of swap_page_owner records in order; `bits`: the machine's word size.

    A record that can't be parsed goes to `reject`; parsing continues with the next one.
    """
    return parsed_batches(schema.SWAP, records, entry_parser(stacks, reject, bits=bits))


def entry_parser(stacks: StackTable, reject: RejectSink, *, bits: int = 64) -> RecordParser:
    """Return a parser that turns a record into a row of `schema.SWAP`."""
    return RecordParser(FILE, stacks, reject, lambda record, bodies: _read(record, bodies, bits))


def _read(record: Record, bodies: BodyReader, bits: int) -> Draft:
    header = match_header(_HEADER, record)
    ts_nsec = bounded(header, "ts", MAX_INT64)
    limit = record.text.find(b"\n\n", header.end() - 1)
    match = _ENTRY.search(record.text, header.end(), limit + 1 if limit >= 0 else len(record.text))
    if match is None:
        raise Malformed(_why_without_entry(record))
    entry = int(match["entry"], 16)
    if entry >> bits:
        raise Malformed(Reason.ENTRY_RANGE, match.start("entry"))
    swap_type, swap_offset = swp_entry.decode(entry, bits=bits)
    body = bodies.read(record, header.end(), match.span())

    def row(stack_id: int) -> SwapRow:
        pid, tgid, comm = integer(header["pid"]), integer(header["tgid"]), escape(header["comm"])
        return SwapRow(entry, swap_type, swap_offset, pid, tgid, comm, ts_nsec, stack_id, None, "debugfs")

    return Draft(row, body)


def _why_without_entry(record: Record) -> Reason:
    return Reason.FIRST_LINE if record.text.endswith(b"\n\n") else Reason.CUT_OFF
