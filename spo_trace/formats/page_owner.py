# SPDX-License-Identifier: LGPL-2.1-or-later
"""/sys/kernel/debug/page_owner: one record for each allocation in memory.

This is the reference parser: the grammar of all formats that print_page_owner() (mm/page_owner.c) has printed since
2.6.11-mm. A line's format is recognised by its text, not by the kernel version, because vendors mix formats.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.batch import Draft, RecordParser, parsed_batches
from spo_trace.formats.body import Body, BodyReader, Tail
from spo_trace.formats.escape import escape
from spo_trace.formats.header import COMM, bounded, integer, match_header
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record, RejectSink
from spo_trace.formats.rows import PageRow
from spo_trace.formats.stack_table import StackTable
from spo_trace.limits import MAX_INT64, MAX_ORDER, MAX_RECORD_LINES

__all__ = ["FILE", "flag_fields", "page_batches", "record_parser"]

FILE = "page_owner"

# 9cc7e96aa846, 5.11: pid and ts.
# 866b48526217, 5.13: free_ts.
# bf215eab785a, 5.18: tgid.
# 865ed6a32786, 5.18: the thread's name.
# b459f0905eec, 6.7: no free_ts.
_HEADER = re.compile(
    rb"""Page\ allocated\ via\ order\ (?P<order>\d+)
    (?:,\ (?:mask|(?P<gdb>gfp_mask:))\ (?:0x)?(?P<gfp_mask>[0-9a-f]{1,8})(?:\((?P<gfp_flags>[^()\n]*)\))?)?
    (?:,\ pid:?\ (?P<pid>-?\d{1,9})
        (?:,\ tgid:?\ (?P<tgid>-?\d{1,9}))?
        (?:\ \((?P<comm>%(comm)s)\)|,\ task_name\ \[(?P<task_name>%(comm)s)\])?
        # page_owner_sort removes the time.
        ,\ ts\ (?P<ts>\d*)\ ns
        (?:,\ free_ts\ (?P<free_ts>\d*)\ ns)?
    # A vendor's 4.4: the thread's name ends the line. line_prefixes.py has replaced the first words.
    |,\ type\ \[(?P<type>\w)\],\ zone\ \w+,\ pid\ (?P<vendor_pid>-?\d{1,9}),\ (?P<vendor_comm>%(comm)s)
    )?
    (?P<swapped>\ \(swapped\))?\n"""
    % {b"comm": COMM},
    re.VERBOSE | re.DOTALL,
)

# "mm, page_owner: print migratetype of page and pageblock, symbolic flags", 4.6: names instead of numbers and letters.
# 399fd496c49b, 6.5: the PFN is hexadecimal, with the prefix 0x.
_PFN = re.compile(
    rb"PFN (?:0x(?P<hex>[0-9a-f]{1,16})|(?P<dec>\d{1,19})) type (?P<migratetype>\S+) Block \d+"
    rb" type (?P<pageblock_migratetype>\S+) Flags (?:0x)?(?P<flags>[0-9a-f]{1,16})\((?P<names>[^()\n]*)\)\n"
)

# 48c96a368579, 3.19: types are numbers, each of twelve flags is a letter or a space (to 4.5, and on vendors' 3.x). A
# vendor's kernel prints a flag's name instead of a letter (PageSlab).
_PFN_OLD = re.compile(
    rb"PFN (?P<pfn>\d{1,19}) Block \d+ type (?P<pageblock_migratetype>\d+)(?: +Fallback)? +"
    rb"Flags (?P<letters>[A-Za-z ]*)\n"
)
_OLD_FLAG = re.compile(r"Page(\w+?)(?=Page|\b)|(\w)")
_OLD_FLAGS = {
    "K": "locked",
    "E": "error",
    "R": "referenced",
    "U": "uptodate",
    "D": "dirty",
    "L": "lru",
    "A": "active",
    "S": "slab",
    "W": "writeback",
    "C": "compound",
    "B": "swapcache",
    "M": "mappedtodisk",
}

# The letters of show_migration_types() (mm/show_mem.c).
_TYPES = {"U": "Unmovable", "M": "Movable", "E": "Reclaimable", "R": "Reclaimable", "C": "CMA", "I": "Isolate"}

_PFN_GDB = re.compile(rb"PFN: (?P<pfn>\d{1,19}), Flags: (?P<flags>0x[0-9a-f]{1,16}|\d{1,19})\n")


class _Place(NamedTuple):
    """Hold the values of a PFN line."""

    pfn: int | None = None
    migratetype: str | None = None
    pageblock_migratetype: str | None = None
    page_flags: int | None = None
    page_flag_names: str | None = None
    node: int | None = None
    zone: int | None = None


def page_batches(records: Iterable[Record], stacks: StackTable, reject: RejectSink) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `schema.PAGES` of page_owner records in order.

    A record that can't be parsed goes to `reject`, and so does each line that is not understood; parsing continues.
    """
    return parsed_batches(schema.PAGES, records, record_parser(stacks, reject))


def record_parser(stacks: StackTable, reject: RejectSink, file: str = FILE) -> RecordParser:
    """Return a parser that turns a record into a row of `schema.PAGES`; `file`: the name of the text in rejects."""
    return RecordParser(file, stacks, reject, _read)


def _read(record: Record, bodies: BodyReader) -> Draft:
    header = match_header(_HEADER, record)
    order = bounded(header, "order", MAX_ORDER)
    assert order is not None
    ts_nsec, free_ts_nsec = bounded(header, "ts", MAX_INT64), bounded(header, "free_ts", MAX_INT64)
    if not record.delimited and not record.text[header.end() :].strip(b"\n"):
        return _draft(header, (order, ts_nsec, free_ts_nsec), _Place(), Body(b"", Tail(), ()), Reason.FIRST_LINE_ALONE)
    place, start, end = _find_place(record.text, header.end())
    body = _read_body(record, bodies, header, start, end)
    mark = None if place is not None or _prints_no_place(record.text, header.end()) else Reason.NO_PFN_LINE
    return _draft(header, (order, ts_nsec, free_ts_nsec), place or _Place(), body, mark)


# The output of gdb has no empty line at the end.
def _read_body(record: Record, bodies: BodyReader, header: re.Match[bytes], start: int, end: int) -> Body:
    if header["gdb"] is not None and not record.text.endswith(b"\n\n"):
        record = record._replace(text=record.text + b"\n")
    return bodies.read(record, header.end(), (start, end))


def _draft(
    header: re.Match[bytes],
    numbers: tuple[int, int | None, int | None],
    place: _Place,
    body: Body,
    mark: Reason | None,
) -> Draft:
    order, ts_nsec, free_ts_nsec = numbers
    gfp_mask, gfp_flags = header["gfp_mask"], header["gfp_flags"]
    pid = integer(header["pid"] or header["vendor_pid"])
    comm = next((header[name] for name in ("comm", "task_name", "vendor_comm") if header[name] is not None), None)
    tail = body.tail

    # Arguments by position: keyword arguments would take as long as parsing the first line.
    def row(stack_id: int) -> PageRow:
        return PageRow(
            place.pfn,
            order,
            None if gfp_mask is None else int(gfp_mask, 16),
            None if gfp_flags is None else escape(gfp_flags),
            tail.pid if pid is None else pid,
            integer(header["tgid"]),
            None if comm is None else escape(comm),
            ts_nsec,
            free_ts_nsec,
            _TYPES.get(header["type"].decode()) if header["type"] else place.migratetype,
            place.pageblock_migratetype,
            place.page_flags,
            place.page_flag_names,
            place.node,
            place.zone,
            stack_id,
            tail.last_migrate_reason,
            tail.memcg,
            tail.memcg_offline,
            tail.memcg_objcg,
            tail.slab,
            tail.module_name,
            header["swapped"] is not None,
            tail.memcg_path,
        )

    return Draft(row, body, () if mark is None else (mark,))


# The PFN line is the second of a record. A line of another message, or a new line of a later kernel, may precede it.
def _find_place(text: bytes, start: int) -> tuple[_Place | None, int, int]:
    """Return the PFN line's values, where it begins and where it ends; None, `start` and `start` if there is none."""
    limit = text.find(b"\n\n", start - 1)
    at = start
    for _ in range(MAX_RECORD_LINES):
        if at < 0 or 0 <= limit < at:
            break
        if text.startswith(b"PFN", at) and (found := _place_at(text, at)) is not None:
            return found[0], at, found[1]
        at = text.find(b"\nPFN", at)
        at = at + 1 if at >= 0 else -1
    return None, start, start


def _prints_no_place(text: bytes, start: int) -> bool:
    # 2.6.11-mm did not print a PFN line.
    return text.startswith((b"[0x", b" [0x"), start)


def _place_at(text: bytes, start: int) -> tuple[_Place, int] | None:
    found = _read_place(text, start)
    return None if found is None or (found[0].pfn or 0) > MAX_INT64 else found


def _read_place(text: bytes, start: int) -> tuple[_Place, int] | None:
    if match := _PFN.match(text, start):
        pfn = int(match["hex"], 16) if match["hex"] else int(match["dec"])
        migratetype, pageblock = escape(match["migratetype"]), escape(match["pageblock_migratetype"])
        names, node, zone = flag_fields(match["names"])
        return _Place(pfn, migratetype, pageblock, int(match["flags"], 16), names, node, zone), match.end()
    if (match := _PFN_OLD.match(text, start)) and (old_names := _old_flags(match["letters"].decode())) is not None:
        return _Place(int(match["pfn"]), None, match["pageblock_migratetype"].decode(), None, old_names), match.end()
    if match := _PFN_GDB.match(text, start):
        return _Place(int(match["pfn"]), page_flags=int(match["flags"], 0)), match.end()
    return None


def _old_flags(letters: str) -> str | None:
    names = []
    for word, letter in _OLD_FLAG.findall(letters):
        if not word and letter not in _OLD_FLAGS:
            return None
        names.append(word.lower() or _OLD_FLAGS[letter])
    return "|".join(names)


# c244297acbe5, 5.13: the names include the other fields of page->flags: node, zone, section, last CPU, KASAN tag.
def flag_fields(text: bytes) -> tuple[str, int | None, int | None]:
    """Return the names, the node and the zone in the text between the parentheses of the flags."""
    # The last CPU makes most texts differ.
    rest, _, last = text.rpartition(b"|")
    return _fields(rest if last.startswith(b"lastcpupid=") else text)


@lru_cache(maxsize=1 << 16)
def _fields(text: bytes) -> tuple[str, int | None, int | None]:
    names = []
    numbers: dict[str, int] = {}
    for item in escape(text).split("|"):
        name, equals, value = item.partition("=")
        if not equals:
            names.append(name)
        elif (
            name in ("node", "zone")
            and len(value) <= 5
            and value.isascii()
            and value.isdecimal()
            and int(value) < 1 << 15
        ):
            numbers[name] = int(value)
    return "|".join(names), numbers.get("node"), numbers.get("zone")
