# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel prints of a page: its own format strings tell, so that no table of versions is needed."""

from typing import NamedTuple

from spo_trace.limits import MAX_IMAGE_READ_BYTES
from spo_trace.memory.kernel import Kernel

__all__ = ["PrintedFormats", "printed_formats"]

_FIRST_LINE = b"Page allocated via order %u"
_FREE_TS = b", ts %llu ns, free_ts %llu ns"
_PFN, _DECIMAL_PFN = b"PFN 0x%lx type %s", b"PFN %lu type %s"
_STEP = 1 << 16


class PrintedFormats(NamedTuple):
    """Hold what differs: whether the first line has free_ts (5.13 to 6.6), and whether PFNs are decimal (to 6.4)."""

    free_ts: bool = False
    decimal_pfn: bool = False


def printed_formats(kernel: Kernel) -> PrintedFormats:
    """Return the formats of this kernel; those of 7.2 if its strings cannot be read."""
    strings = _strings(kernel)
    return PrintedFormats(_FREE_TS in strings, _DECIMAL_PFN in strings)


# Constants of a kernel are megabytes: stop where both lines are, which are next to each other.
def _strings(kernel: Kernel) -> bytes:
    start, end = kernel.symbols.find("__start_rodata"), kernel.symbols.find("__end_rodata")
    if start is None or end is None or not 0 < end - start <= MAX_IMAGE_READ_BYTES:
        return b""
    before = b""
    for at in range(start, end, _STEP):
        part = before + kernel.image.read_filled(at, min(_STEP, end - at))[0]
        if _FIRST_LINE in part and (_DECIMAL_PFN in part or _PFN in part):
            return part
        before = part[-_STEP:]
    return b""
