# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stack frames in dumps of single pages, which differ from those in page_owner."""

import re

from spo_trace.formats.frame import is_frame
from spo_trace.limits import MAX_FRAME_BYTES

__all__ = ["dump_frame", "is_inlined"]

# crash prints no size of the function. syzbot adds the place in the source.
_FRAME = re.compile(
    rb"\s*(?:\[<[0-9a-f]+>\] )?([^\s+]+\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?(?: \[[^]\n]+\])?)(?: \S+:\d+)?\s*"
)

# syzbot also lists functions that the compiler inlined, which are no return addresses.
_INLINED = re.compile(rb"\s*\S+ \S+:\d+ \[inline\]\s*")

# crash prints an address without a symbol as 16 digits.
_ADDRESS = re.compile(rb"\s+([0-9a-f]{16})")


def dump_frame(line: bytes) -> bytes | None:
    """Return the frame that a line has, without its place in the source; None if it is another line."""
    if len(line) > MAX_FRAME_BYTES:
        return None
    if match := _FRAME.fullmatch(line):
        return match[1]
    if match := _ADDRESS.fullmatch(line):
        return b"0x" + match[1]
    return line if line[:1].isspace() and is_frame(line) else None


def is_inlined(line: bytes) -> bool:
    """Check whether a line is a function that the compiler inlined into the next frame."""
    return len(line) <= MAX_FRAME_BYTES and _INLINED.fullmatch(line) is not None
