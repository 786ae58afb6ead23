# SPDX-License-Identifier: LGPL-2.1-or-later
"""The common parts of the first lines of page_owner and swap_page_owner records."""

import re

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import RECORD_START, Malformed, Record

__all__ = ["COMM", "bounded", "integer", "match_header"]

# A comm has up to 15 bytes, any but NUL; `), ts 9 ns` and newlines are possible. The match is greedy, so that the last
# `), ts N ns` in reach ends it.
COMM = rb"[^\0]{0,15}"


def match_header(pattern: re.Pattern[bytes], record: Record) -> re.Match[bytes]:
    """Match a record's first lines; raise Malformed with the reason if they do not match."""
    match = pattern.match(record.text)
    if match:
        return match
    if not record.text.startswith(RECORD_START):
        raise Malformed(Reason.BEFORE_FIRST if record.offset == 0 else Reason.OUTSIDE)
    if not record.text.rstrip(b"\r").endswith((b"\n\n", b"\r\n\r\n")):
        raise Malformed(Reason.CUT_OFF)
    raise Malformed(Reason.FIRST_LINE)


def integer(digits: bytes | None) -> int | None:
    """Return the value of decimal digits, None for None."""
    return None if digits is None else int(digits)


_RANGES = {"order": Reason.ORDER_RANGE, "ts": Reason.TS_RANGE, "free_ts": Reason.FREE_TS_RANGE}


def bounded(match: re.Match[bytes], name: str, maximum: int) -> int | None:
    """Return the value of the decimal group `name`, None if absent or empty; raise Malformed above `maximum`."""
    digits = match[name]
    if not digits:
        return None
    # The length is checked first: int() takes quadratic time for many digits, and raises for very many.
    if len(digits) > 20 or (value := int(digits)) > maximum:
        raise Malformed(_RANGES[name], match.start(name))
    return value
