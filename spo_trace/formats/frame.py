# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stack frames: one line of text per return address."""

import re

from spo_trace.formats.escape import escape
from spo_trace.limits import MAX_FRAME_BYTES

__all__ = ["are_frames", "is_frame", "parse_frames"]

_SYMBOL = rb"""
    [^\s+]+ \+ 0x[0-9a-f]+ / 0x[0-9a-f]+ (?:\ \[[^]\n]+\])?   # %pS: sym+0xoff/0xsize [module]
  | [^\s+]+ \+ [0-9]+                                         # -mm's 2.6.11 printed the offset in decimal
  | 0x[0-9a-f]+ (?:\ \[[^]\n]+\])?                            # not resolved
  | \((?:null|efault|einval|ptrval|_{4}ptrval_{4})\)           # what vsprintf() prints for such pointers
"""

# Linux 3.19 to 4.9 printed "[<address>] %pS"; 2.6.11-mm "[0xaddress]". The address differs from boot to boot
# (KASLR) and adds nothing to the symbol, so it is left out of a frame's text.
_FRAME = re.compile(rb"\ * (?:\[<?(?:0x)?[0-9a-f]+>?\]\ )? (" + _SYMBOL + rb")\Z", re.VERBOSE)

# 2f060190efce, 6.6: lx-dump-page-owner (scripts/gdb) prints each entry with gdb: "   0x… <sym+28>:\tmov …".
_GDB_FRAME = re.compile(rb"\ *(?:=> )?0x[0-9a-f]+ <([^\s>]+)>:")


def is_frame(line: bytes) -> bool:
    """Check whether a line (without its newline) is a stack frame; the leading space may be missing, as in mail."""
    if len(line) > MAX_FRAME_BYTES:
        return False
    return _FRAME.match(line) is not None or _GDB_FRAME.match(line) is not None


def are_frames(lines: bytes) -> bool:
    """Check whether all of these lines are stack frames."""
    return all(is_frame(line) for line in lines.removesuffix(b"\n").split(b"\n")) if lines else True


def parse_frames(lines: bytes) -> tuple[str, ...]:
    """Return the frames in the lines of a stack, innermost first, as %pS prints them.

    >>> parse_frames(b" [<ffffffff811682c8>] alloc_pages+0x28/0x50\\n ip_rcv+0x1/0x2 [ip]\\n")
    ('alloc_pages+0x28/0x50', 'ip_rcv+0x1/0x2 [ip]')
    """
    return tuple(_frame_text(line) for line in lines.split(b"\n") if line)


def _frame_text(line: bytes) -> str:
    match = _FRAME.match(line) or _GDB_FRAME.match(line)
    return escape(match[1] if match else line.strip())
