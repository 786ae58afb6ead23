# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whitespace that copying changed in a record: trailing blanks, CR LF, tabs in place of blanks."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record
from spo_trace.formats.text_lines import LineStarts
from spo_trace.limits import MAX_RECORD_LINES

__all__ = ["Normalized", "normalized"]

# Two patterns, because re finds a first byte or a first set of bytes ten times as fast as other beginnings.
_BLANKS = re.compile(rb"[ \t\r](?:(?<=\t)|\n|\Z)")
_INDENTED = re.compile(rb"\n +(?:PFN|SWP|Page|Charged|Slab|handle)")
_LEADING = re.compile(rb"[ \t]+")
_INNER_TABS = re.compile(rb"[ \t]*\t[ \t]*")
_NOT_A_FRAME = re.compile(rb"[ \t]*(?:PFN|SWP entry|Page |Charged |Slab |handle:|PID )")
# The start of a line with the name of a memory cgroup, which may end in blanks and contain tabs.
_NAME = b"Charged "


class Normalized(NamedTuple):
    """Hold a record as the kernel printed it, and how many of its lines were changed, by kind of change."""

    record: Record
    marks: Mapping[Reason, int]


def normalized(record: Record) -> Normalized | None:
    """Return `record` with the whitespace that the kernel printed; None if nothing was changed."""
    if not (record.text.startswith(b" ") or _BLANKS.search(record.text) or _INDENTED.search(record.text)):
        return None
    lines: list[bytes] = []
    starts = LineStarts()
    marks: Counter[Reason] = Counter()
    at = clean_at = 0
    # If the first line has trailing blanks, copying padded all lines: remove the blanks after a cgroup's name too.
    padded = record.text.partition(b"\n")[0].rstrip(b"\r").endswith((b" ", b"\t"))
    for number, line in enumerate(record.text.split(b"\n", MAX_RECORD_LINES)):
        # The last item is the rest of a text that has too many lines.
        clean, removed = (line, 0) if number == MAX_RECORD_LINES else _clean(line, marks, padded=padded)
        lines.append(clean)
        starts.add(clean_at, at + removed, number)
        at += len(line) + 1
        clean_at += len(clean) + 1
    return Normalized(record._replace(text=b"\n".join(lines), starts=starts), marks)


def _clean(line: bytes, marks: Counter[Reason], *, padded: bool) -> tuple[bytes, int]:
    clean = line.rstrip(b"\r")
    marks[Reason.CR_LF] += clean != line
    if padded or not clean.startswith(_NAME):
        stripped = clean.rstrip(b" \t")
        marks[Reason.TRAILING_BLANKS] += stripped != clean
        clean = stripped
    if (leading := _LEADING.match(clean)) is not None:
        blank = b"" if _NOT_A_FRAME.match(clean) else b" "
        if b"\t" in leading[0]:
            marks[Reason.TABS] += 1
        elif not blank:
            marks[Reason.INDENTED] += 1
        else:
            return clean, 0
        return blank + _without_tabs(clean[leading.end() :], marks), leading.end() - len(blank)
    return _without_tabs(clean, marks), 0


def _without_tabs(line: bytes, marks: Counter[Reason]) -> bytes:
    # Frames printed by gdb contain ">:" and a tab (frame.py).
    if b"\t" not in line or line.startswith(_NAME) or b">:\t" in line:
        return line
    marks[Reason.TABS] += 1
    return _INNER_TABS.sub(b" ", line)
