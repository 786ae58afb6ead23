# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/slabinfo: the caches of the slab allocator (mm/slab_common.c), version 2.x, since 2.6."""

import re
from collections.abc import Iterator

from spo_trace.formats.escape import escape
from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Reject, RejectSink
from spo_trace.formats.rows import SlabCacheRow
from spo_trace.formats.text_lines import split_lines

__all__ = ["FILE", "parse_slabinfo"]

FILE = "slabinfo"

_FIRST_LINE = re.compile(rb"slabinfo - version: 2\.\d{1,3}\b")
# name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables … : slabdata <active_slabs> <num_slabs>
# Some drivers give their caches names with blanks.
_CACHE = re.compile(
    rb"(\S[^\n]{0,200}?) +(\d{1,13}) +(\d{1,13}) +(\d{1,13}) +(\d{1,6}) +(\d{1,6}) : tunables [^:]{1,80}: "
    rb"slabdata +\d{1,13} +(\d{1,13}) .{0,200}"
)


def parse_slabinfo(text: bytes, reject: RejectSink) -> Iterator[SlabCacheRow]:
    """Yield the caches of a text; lines that are not understood go to `reject`."""
    for line, offset, number in split_lines([text], len(text)):
        if match := _CACHE.fullmatch(line.rstrip(b"\r\n")):
            yield SlabCacheRow(escape(match[1]), *(int(match[field]) for field in range(2, 8)))
        elif line.strip() and not (_FIRST_LINE.match(line) or line.startswith(b"# name ")):
            reject(Reject(FILE, offset, number, Reason.LINE, line, lost=True))
