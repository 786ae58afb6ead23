# SPDX-License-Identifier: LGPL-2.1-or-later
"""The blocks of page_owner_sort's output: where each begins, and its line of counts."""

import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import LONGEST_PIECE, RECORD_START, Reject, RejectSink
from spo_trace.formats.text_lines import Line, split_lines
from spo_trace.limits import MAX_RECORD_LINES

__all__ = ["FIRST_COUNTS", "Block", "sorted_blocks"]

_FILE = AggregateKind.PAGE_OWNER_SORT.value

_ALLOCATOR = rb"(?:CMA|SLAB|VMALLOC|OTHERS)"

# 3.19: the number of times. The number of pages followed in 5.15, --cull in 5.18, the allocator in 5.19 (seen in their
# trees). A comm is the last name of a line, or is followed by what cannot be part of it.
_COUNTS = re.compile(
    rb"""[>|\ \t]*(?P<times>\d{1,19})\ times
    (?:,\ (?P<pages>-?\d{1,19})\ pages)?
    (?:,\ PID\ (?P<pid>-?\d{1,9}))?
    (?:,\ TGID\ (?P<tgid>-?\d{1,9}))?
    (?:,\ task_comm_name:\ (?P<comm>[^\0\n]{0,15}?))?
    (?:\ \((?:UN)?RELEASED\))?
    (?:,\ allocated\ by\ (?P<allocator>%(one)s(?:\ %(one)s)*)\ ?)?
    (?P<colon>:)?\r?\n?"""
    % {b"one": _ALLOCATOR},
    re.VERBOSE,
)

# A script's count that was posted with a bug report; no empty line separates its blocks.
_SCRIPT = re.compile(
    rb"[>|\ \t]*times:?\ (?P<times>\d{1,19}),?\ order:?\ (?P<order>\d{1,19})"
    rb"(?:,?\ mask:?\ (?:0x)?(?P<mask>[0-9a-f]{1,8}))?\r?\n?",
    re.VERBOSE,
)

# How a text of this kind is recognised. The whole line, because a comm can contain its first words.
FIRST_COUNTS = re.compile(
    rb"""^[>|\ \t]*
    (?: \d{1,19}\ times (?: : | ,\ -?\d{1,19}\ pages[^\n]{0,120})
      | times:?\ \d{1,19},?\ order:?\ \d[^\n]{0,80})
    \r?$""",
    re.MULTILINE | re.VERBOSE,
)

# A comm (15 bytes) can have this many newlines, which are in the text of its record.
_COMM_LINES = 16


class Block(NamedTuple):
    """Hold the counts of a block, their line, where the text after them begins, and that text."""

    counts: re.Match[bytes]
    first: Line
    # The line after the counts, None if the counts are alone.
    body: Line | None
    text: bytes
    last: bool

    @property
    def is_of_script(self) -> bool:
        """Return whether a script counted, which prints no empty line after a block."""
        return self.counts.re is _SCRIPT


def sorted_blocks(chunks: Iterable[bytes], reject: RejectSink) -> Iterator[Block]:
    """Yield the blocks of a text in chunks cut anywhere; text before the first one goes to `reject`."""
    counts: re.Match[bytes] | None = None
    first = body = Line(b"", 0, 1)
    lines: list[bytes] = []
    size = 0
    outside = _Outside(reject)
    for line in split_lines(chunks, LONGEST_PIECE):
        found = None if _is_comm(lines) else _counts_of(line.text)
        if found is not None:
            if counts is not None:
                yield _block(counts, first, body, lines, last=False)
            counts, first, lines, size = found, line, [], 0
        elif counts is None or size > LONGEST_PIECE:
            outside.add(line)
        else:
            body = body if lines else line
            lines.append(line.text)
            size += len(line.text)
    if counts is not None:
        yield _block(counts, first, body, lines, last=True)


class _Outside:
    """Reject text before the first block; of a very long one, the first lines."""

    def __init__(self, reject: RejectSink) -> None:
        self._reject = reject
        self._left = count(MAX_RECORD_LINES, -1)

    def add(self, line: Line) -> None:
        if line.text.strip() and next(self._left) > 0:
            self._reject(Reject(_FILE, line.offset, line.line, Reason.BEFORE_FIRST, line.text, lost=False))


def _counts_of(line: bytes) -> re.Match[bytes] | None:
    return _COUNTS.fullmatch(line) or _SCRIPT.fullmatch(line)


# Within the name of a process, the lines of a record can look like counts.
def _is_comm(lines: list[bytes]) -> bool:
    if not lines or len(lines) > _COMM_LINES or not lines[0].startswith(RECORD_START):
        return False
    return b" (" in lines[0] and not any(_ENDS_FIRST_LINE.search(line) for line in lines)


_ENDS_FIRST_LINE = re.compile(rb"\bts \d* ns(?:, free_ts \d* ns)?(?: \(swapped\))?\r?\n?\Z|\(\S*\)\r?\n?\Z")


def _block(counts: re.Match[bytes], first: Line, body: Line, lines: list[bytes], *, last: bool) -> Block:
    return Block(counts, first, body if lines else None, b"".join(lines), last)
