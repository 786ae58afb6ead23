# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/allocinfo: the bytes of each place in the kernel's source that allocates memory (lib/alloc_tag.c).

Linux 6.10 and later have it, with CONFIG_MEM_ALLOC_PROFILING. Its first line has the version of the format.
"""

import re
from collections.abc import Iterator

from spo_trace.formats.escape import escape
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject, RejectSink
from spo_trace.formats.rows import SiteRow
from spo_trace.formats.text_lines import split_lines
from spo_trace.limits import MAX_MEMORY_BYTES

__all__ = ["FILE", "is_allocinfo", "parse_allocinfo"]

FILE = "allocinfo"

# Version 2 adds `accurate:no` to some lines.
_FIRST_LINE = re.compile(rb"allocinfo - version: [12]\.\d{1,3}")
# codetag_to_text() of lib/codetag.c. The name of a module is in brackets.
_SITE = re.compile(
    rb" *(-?\d{1,19}) +(\d{1,20}) ([^\s:]{1,1000}):(\d{1,9}) (?:\[([^\s\]]{1,64})\] )?func:(\S{1,512})"
    rb"( accurate:no)? ?"
)


def is_allocinfo(head: bytes) -> bool:
    """Return whether a text begins as /proc/allocinfo does, in a version that can be parsed."""
    return _FIRST_LINE.fullmatch(head.split(b"\n", 1)[0]) is not None


def parse_allocinfo(text: bytes, reject: RejectSink) -> Iterator[SiteRow]:
    """Yield the sites of a text; lines that are not understood go to `reject`."""
    for line, offset, number in split_lines([text], len(text)):
        if row := _row(line.removesuffix(b"\n")):
            yield row
        elif number > 1 and line != b"\n" and not line.startswith(b"#"):
            reject(Reject(FILE, offset, number, Reason.LINE, line, lost=True))


def _row(line: bytes) -> SiteRow | None:
    match = _SITE.fullmatch(line)
    if match is None:
        return None
    size, calls = int(match[1]), int(match[2])
    if abs(size) > MAX_MEMORY_BYTES or calls >= 1 << 63:
        return None
    module = None if match[5] is None else escape(match[5])
    return SiteRow(escape(match[3]), int(match[4]), module, escape(match[6]), size, calls, match[7] is None)
