# SPDX-License-Identifier: LGPL-2.1-or-later
"""/sys/kernel/debug/swap_page_owner: one record for each swap entry whose owner the kernel kept.

The format is that of the swap_page_owner RFC (linux-mm, December 2025).
"""

import re
from collections.abc import Callable, Iterator

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats import swp_entry
from spo_trace.formats.batch import Row, parsed_batches
from spo_trace.formats.body import BodyParser
from spo_trace.formats.escape import escape
from spo_trace.formats.header import COMM, MAX_U64, bounded, integer, match_header
from spo_trace.formats.record import KernelText, Malformed, Record, RejectSink
from spo_trace.formats.stack_table import StackTable

__all__ = ["FILE", "entry_parser", "swap_batches"]

FILE = "swap_page_owner"

_HEADER = re.compile(
    rb"""Page\ allocated\ via\ pid\ (?P<pid>-?\d{1,9}),\ tgid\ (?P<tgid>-?\d{1,9})
    \ \((?P<comm>%(comm)s)\),\ ts\ (?P<ts>\d+)\ ns\n
    SWP\ entry\ 0x(?P<entry>[0-9a-f]{1,16})\n"""
    % {b"comm": COMM},
    re.VERBOSE | re.DOTALL,
)


def swap_batches(
    text: KernelText, stacks: StackTable, reject: RejectSink, *, bits: int = 64
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `schema.SWAP` of swap_page_owner text of a machine of `bits` bits, in its order.

    A record that can't be parsed goes to `reject` and does not stop the rest.
    """
    return parsed_batches(FILE, schema.SWAP, text, entry_parser(stacks, reject, bits=bits), reject)


def entry_parser(stacks: StackTable, reject: RejectSink, *, bits: int = 64) -> Callable[[Record], Row]:
    """Return what parses one record to a row of `schema.SWAP`, or raises Malformed."""
    bodies = BodyParser(FILE, stacks, reject)
    return lambda record: _parse(record, bodies, bits)


def _parse(record: Record, bodies: BodyParser, bits: int) -> Row:
    header = match_header(_HEADER, record)
    ts_nsec = bounded(header, "ts", MAX_U64)
    entry = int(header["entry"], 16)
    if entry >> bits:
        raise Malformed("entry is out of range", header.start("entry"))
    swap_type, swap_offset = swp_entry.decode(entry, bits=bits)
    stack_id, _ = bodies.parse(record, header.end())
    return (
        entry,
        swap_type,
        swap_offset,
        integer(header["pid"]),
        integer(header["tgid"]),
        escape(header["comm"]),
        ts_nsec,
        stack_id,
        None,
        "debugfs",
    )
