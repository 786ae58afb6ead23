# SPDX-License-Identifier: LGPL-2.1-or-later
"""Text without a record: foreign logs, binary data, the rest of a damaged record. It can be many gigabytes."""

import re
from itertools import islice

from spo_trace.formats.frame import is_frame
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import RECORD_START, Record, Reject
from spo_trace.limits import MAX_RECORD_LINES

__all__ = ["SECOND_LINE_WORDS", "is_garbage", "rejected_garbage"]

# The search for this is fast; the search for the whole pattern takes a hundred times as long.
SECOND_LINE_WORDS = (b"PFN ", b"SWP entry 0x")
_SECOND_LINE = re.compile(rb"^[ \t]*(?:PFN (?:0x[0-9a-f]|\d)|SWP entry 0x)", re.MULTILINE)

_LINE = re.compile(rb"[^\n]+")


def is_garbage(record: Record) -> bool:
    """Check whether `record` cannot be parsed, even with normalized whitespace, because it starts with other text."""
    return not record.text.lstrip(b" \t").startswith(b"Page")


def rejected_garbage(file: str, record: Record) -> Reject:
    """Return the reject of text that does not start like a record.

    Text with a line of a record is part of a lost record; other text is not.
    """
    code = _part_of_a_record(record.text)
    if code is not None:
        return Reject.whole(file, record, code)
    code = Reason.BEFORE_FIRST if record.offset == 0 else Reason.OUTSIDE
    return Reject.whole(file, record, code)._replace(lost=False)


def _part_of_a_record(text: bytes) -> Reason | None:
    if len(text) < 2 * len(RECORD_START) and RECORD_START.startswith(text.strip()):
        return Reason.CUT_OFF
    if RECORD_START in text:
        return Reason.MARKED
    if any(words in text for words in SECOND_LINE_WORDS) and _SECOND_LINE.search(text):
        return Reason.NO_FIRST_LINE
    # The frames of a record whose beginning is lost are the first lines.
    if any(is_frame(match[0]) for match in islice(_LINE.finditer(text), MAX_RECORD_LINES)):
        return Reason.NO_FIRST_LINE
    return None
