# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take out of a record what copying left in its lines: blanks at their ends, CR LF, tabs in place of blanks."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record

__all__ = ["Tidied", "tidied"]

_UNTIDY = re.compile(rb"[ \t\r](?:\n|\Z)|\t|^ +(?:PFN|SWP|Page|Charged|Slab|handle)", re.MULTILINE)
_LEADING = re.compile(rb"[ \t]+")
_INNER_TABS = re.compile(rb"[ \t]*\t[ \t]*")
_NOT_A_FRAME = re.compile(rb"[ \t]*(?:PFN|SWP entry|Page |Charged |Slab |handle:|PID )")
# Its name may end in blanks and hold tabs.
_NAME = b"Charged "


class Tidied(NamedTuple):
    """Hold a record without what copying left in it, and how many of its lines had what."""

    record: Record
    marks: Mapping[Reason, int]


def tidied(record: Record) -> Tidied | None:
    """Return `record` with the lines that the kernel printed; None if nothing is to be taken out."""
    if not _UNTIDY.search(record.text):
        return None
    lines: list[bytes] = []
    starts: list[int] = []
    marks: Counter[Reason] = Counter()
    at = 0
    padded = record.text.partition(b"\n")[0].rstrip(b"\r").endswith((b" ", b"\t"))
    for line in record.text.split(b"\n"):
        clean, removed = _clean(line, marks, padded=padded)
        lines.append(clean)
        starts.append(at + removed)
        at += len(line) + 1
    return Tidied(record._replace(text=b"\n".join(lines), starts=tuple(starts)), marks)


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
    if b"\t" not in line or line.startswith(_NAME) or b">:\t" in line:
        return line
    marks[Reason.TABS] += 1
    return _INNER_TABS.sub(b" ", line)
