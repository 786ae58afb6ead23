# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dumps of single pages: dump_page() in a kernel log or a report of syzbot, gdb's lx-dump-page-owner, crash's owner.

A dump has the stack that allocated the page last and, from 5.4 on, the stack that freed it last.
"""

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.batch import to_batches
from spo_trace.formats.dump_frames import dump_frame, is_inlined
from spo_trace.formats.dump_lines import DumpLine, dump_lines
from spo_trace.formats.dumped_page import ALLOCATED, FREED, DumpedPage
from spo_trace.formats.escape import escape
from spo_trace.formats.header import integer
from spo_trace.formats.page_owner import flag_fields
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject, RejectSink
from spo_trace.formats.rows import AggregateRow
from spo_trace.formats.stack_table import StackTable
from spo_trace.limits import MAX_FRAMES, MAX_INT64, MAX_ORDER

__all__ = ["IS_PAGE_DUMP", "dump_batches"]

_FILE = AggregateKind.PAGE_DUMP.value

# How a text of this kind is recognised.
IS_PAGE_DUMP = re.compile(
    rb"page_owner tracks the page as (?:allocated|freed)|[Pp]age last allocated via order \d"
    rb"|page allocated via order \d+, migratetype |^[> \t]*PFN \d+\(0x[0-9a-f]+\) paddr [0-9a-f]",
    re.MULTILINE,
)

_NUMBERS = {b"id": rb"-?\d{1,9}", b"number": rb"\d{1,20}"}

# __dump_page_owner() (mm/page_owner.c): "page allocated via" on 4.9, 4.14 and 4.19, "last" since 5.4. The other forms
# are those of scripts/gdb/linux/page_owner.py (gfp_mask:) and of crash's extension pageowner (mask).
_ALLOCATED = re.compile(
    rb"""(?P<words>[Pp]age\ (?:last\ )?allocated\ via)\ order\ (?P<order>\d{1,10})
    (?:,\ migratetype\ (?P<migratetype>\S+?))?
    ,\ (?:gfp_)?mask:?\ 0x(?P<gfp_mask>[0-9a-f]{1,8})(?:\((?P<gfp_flags>[^()\n]*)\))?
    (?:,\ pid:?\ (?P<pid>%(id)s))?
    (?:,\ tgid:?\ (?P<tgid>%(id)s))?
    (?:\ \("?(?P<comm>[^\0\n]{0,80}?)"?\))?
    (?:,\ ts\ (?P<ts>%(number)s)(?:\ ns)?)?
    (?:,\ free_ts\ (?P<free_ts>%(number)s)(?:\ ns)?)?"""
    % _NUMBERS,
    re.VERBOSE,
)
_ALLOCATED_WORDS = re.compile(rb"[Pp]age (?:last )?allocated via order ")
_FREED = re.compile(
    rb"page last free (?:pid (?P<pid>%(id)s) )?(?:tgid (?P<tgid>%(id)s) )?(?:ts (?P<ts>%(number)s) )?stack trace:"
    % _NUMBERS
)
_STATE = re.compile(rb"page_owner tracks the page as (allocated|freed)")
# crash puts the stack of the page's state in brackets.
_CRASH_STACK = re.compile(rb"(?:alloc|\[alloc\]|free|\[free\])")
_MIGRATED = re.compile(rb"page has been migrated, last migrate reason: (\S+)")
_PAGE = re.compile(rb"page:(?=[^\n]*\b(?:refcount|count|mapcount):).*")
_PAGE_PFN = re.compile(rb"\bpfn:0x([0-9a-f]{1,16})")
_GDB_PFN = re.compile(rb"PFN: (?P<pfn>\d{1,19}), Flags: 0x(?P<flags>[0-9a-f]{1,16})")
_CRASH_PFN = re.compile(rb"PFN (?P<pfn>\d{1,19})\(0x[0-9a-f]+\) paddr [0-9a-f]+.*")
_FLAGS = re.compile(rb"(?:\w+ )?flags: 0x(?P<flags>[0-9a-f]{1,16})\((?P<names>[^()\n]*)\).*")


def dump_batches(chunks: Iterable[bytes], stacks: StackTable, reject: RejectSink) -> Iterator[pa.RecordBatch]:
    """Yield a row of `schema.AGGREGATES` for each event of each page that a text has dumps of.

    `event` is allocated or freed. A page that is allocated counts with its base pages, one that is free with none;
    base_pages is null if the text does not tell. What cannot be read of a dump goes to `reject`; other messages of the
    text are passed over.
    """
    return to_batches(schema.AGGREGATES, _rows(chunks, _Reader(stacks, reject)))


def _rows(chunks: Iterable[bytes], reader: "_Reader") -> Iterator[AggregateRow]:
    for line in dump_lines(chunks):
        yield from reader.add(line)
    yield from reader.finish()


class _Reader:
    def __init__(self, stacks: StackTable, reject: RejectSink) -> None:
        self._stacks = stacks
        self._reject = reject
        self._page = DumpedPage()
        # The event whose stack is printed, and who prints it.
        self._event: str | None = None
        self._caller: bytes | None = None

    def add(self, line: DumpLine) -> Iterator[AggregateRow]:
        """Take the next line, and yield the rows of a page if it begins another one."""
        if self._event is not None and self._is_of_stack(line):
            return
        text = line.text.strip()
        if self._begins_page(text):
            yield from self.finish()
        if not (self._take_page(text, line) or self._take_event(text, line)) and _ALLOCATED_WORDS.match(text):
            self._reject(Reject(_FILE, line.offset, line.line, Reason.FIRST_LINE, line.text, lost=True))

    def finish(self) -> Iterator[AggregateRow]:
        """Yield the rows of the page that was read last."""
        page, self._page, self._event = self._page, DumpedPage(), None
        return page.rows(self._stacks)

    def _begins_page(self, text: bytes) -> bool:
        page = self._page
        if _PAGE.fullmatch(text) or _CRASH_PFN.fullmatch(text):
            return True
        if _STATE.fullmatch(text):
            return page.state is not None or page.allocated is not None
        # gdb prints the number behind the allocation: a second one is that of another page, whose first lines are lost.
        if _GDB_PFN.fullmatch(text):
            return page.pfn is not None
        return page.allocated is not None and _ALLOCATED.fullmatch(text) is not None

    # Another processor's message can interrupt a stack; any other line ends it.
    def _is_of_stack(self, line: DumpLine) -> bool:
        assert self._event is not None
        frame = dump_frame(line.text)
        if frame is not None:
            frames = self._page.frames[self._event]
            if len(frames) < MAX_FRAMES:
                frames.append(frame)
            return True
        if is_inlined(line.text) or (self._caller and line.caller and line.caller != self._caller):
            return True
        self._event = None
        return False

    def _take_page(self, text: bytes, line: DumpLine) -> bool:
        page = self._page
        if match := _STATE.fullmatch(text):
            page.state = match[1].decode()
        elif match := _CRASH_PFN.fullmatch(text):
            page.pfn = self._pfn(int(match["pfn"]), line)
        elif _PAGE.fullmatch(text):
            page.pfn = self._pfn(int(found[1], 16), line) if (found := _PAGE_PFN.search(text)) else None
        elif match := _FLAGS.fullmatch(text):
            page.flags, page.flag_names = int(match["flags"], 16), flag_fields(match["names"])
        elif match := _MIGRATED.fullmatch(text):
            page.migrate_reason = escape(match[1])
        else:
            return False
        return True

    def _take_event(self, text: bytes, line: DumpLine) -> bool:
        page = self._page
        if match := _ALLOCATED.fullmatch(text):
            self._take_allocation(match, line)
        elif match := _FREED.fullmatch(text):
            ts = self._bounded(match, "ts", line)
            page.freed = AggregateRow(pid=integer(match["pid"]), tgid=integer(match["tgid"]), ts_nsec=ts)
            self._begin(FREED, line)
        elif _CRASH_STACK.fullmatch(text) and page.allocated is not None:
            event = ALLOCATED if b"alloc" in text else FREED
            page.state = event if text.startswith(b"[") else page.state
            page.freed = page.freed or (AggregateRow() if event == FREED else None)
            self._begin(event, line)
        elif match := _GDB_PFN.fullmatch(text):
            page.pfn, page.flags = self._pfn(int(match["pfn"]), line), int(match["flags"], 16)
            self._begin(ALLOCATED, line)
        else:
            return False
        return True

    def _take_allocation(self, match: re.Match[bytes], line: DumpLine) -> None:
        order = int(match["order"])
        if order > MAX_ORDER:
            self._reject(Reject(_FILE, line.offset, line.line, Reason.ORDER_RANGE, line.text, lost=True))
            return
        # Up to 5.3, a page has an owner only while it is allocated.
        if match["words"] == b"page allocated via":
            self._page.state = ALLOCATED
        self._page.allocated = AggregateRow(
            order=order,
            gfp_mask=int(match["gfp_mask"], 16),
            gfp_flags=_text(match["gfp_flags"]),
            pid=integer(match["pid"]),
            tgid=integer(match["tgid"]),
            comm=_comm(match["comm"]),
            ts_nsec=self._bounded(match, "ts", line),
            free_ts_nsec=self._bounded(match, "free_ts", line),
            migratetype=_text(match["migratetype"]),
        )
        self._begin(ALLOCATED, line)

    def _begin(self, event: str, line: DumpLine) -> None:
        self._event, self._caller = event, line.caller

    def _bounded(self, match: re.Match[bytes], name: str, line: DumpLine) -> int | None:
        value = integer(match[name])
        return None if value is None else self._in_range(value, Reason.TS_RANGE, line)

    def _pfn(self, value: int, line: DumpLine) -> int | None:
        return self._in_range(value, Reason.PFN_LINE, line)

    def _in_range(self, value: int, code: Reason, line: DumpLine) -> int | None:
        if value <= MAX_INT64:
            return value
        self._reject(Reject(_FILE, line.offset, line.line, code, line.text, lost=False))
        return None


def _text(printed: bytes | None) -> str | None:
    return None if printed is None else escape(printed)


# gdb may print all 16 bytes, the zeros behind the name as \000.
def _comm(printed: bytes | None) -> str | None:
    return None if printed is None else escape(printed.partition(b"\\000")[0])
