# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the first lines of page_owner and swap_page_owner records share."""

import re

from spo_trace.formats.body import CUT_OFF
from spo_trace.formats.record import Malformed, Record

__all__ = ["COMM", "MAX_U64", "bounded", "integer", "match_header"]

# A comm is any 15 bytes but NUL, `), ts 9 ns` and newlines included: the match is greedy, so that the last
# `), ts N ns` within reach ends it.
COMM = rb"[^\0]{0,15}"

MAX_U64 = (1 << 64) - 1


def match_header(pattern: re.Pattern[bytes], record: Record) -> re.Match[bytes]:
    """Match a record's first lines, or raise Malformed with what is wrong with them."""
    match = pattern.match(record.text)
    if match:
        return match
    if not record.text.startswith(b"Page allocated via "):
        raise Malformed("text before the first record" if record.offset == 0 else "text outside any record")
    if not record.text.rstrip(b"\r").endswith((b"\n\n", b"\r\n\r\n")):
        raise Malformed(CUT_OFF)
    raise Malformed("first line not understood")


def integer(digits: bytes | None) -> int | None:
    """Return the value of decimal digits, None for None."""
    return None if digits is None else int(digits)


def bounded(match: re.Match[bytes], name: str, maximum: int) -> int | None:
    """Return the value of the decimal group `name`, None if it is absent; raise Malformed above `maximum`."""
    digits = match[name]
    if digits is None:
        return None
    # The length comes first: int() refuses, and takes quadratic time for, very many digits.
    if len(digits) > 20 or (value := int(digits)) > maximum:
        raise Malformed(f"{name} is out of range", match.start(name))
    return value
