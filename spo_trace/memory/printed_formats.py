# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel prints of a page: its own format strings tell, so that no table of versions is needed."""

from typing import NamedTuple

from spo_trace.limits import MAX_IMAGE_READ_BYTES
from spo_trace.memory.kernel import Kernel

__all__ = ["PrintedFormats", "printed_formats"]

_FIRST_LINE = b"Page allocated via order %u"


class PrintedFormats(NamedTuple):
    """Hold what differs: whether the first line has free_ts (5.13 to 6.6), and whether PFNs are decimal (to 6.4)."""

    free_ts: bool = False
    decimal_pfn: bool = False


def printed_formats(kernel: Kernel) -> PrintedFormats:
    """Return the formats of this kernel; those of 7.2 if its strings cannot be read."""
    start, end = kernel.symbols.find("__start_rodata"), kernel.symbols.find("__end_rodata")
    if start is None or end is None or not 0 < end - start <= MAX_IMAGE_READ_BYTES:
        return PrintedFormats()
    strings = bytes(kernel.image.read_filled(start, end - start)[0])
    at = strings.find(_FIRST_LINE)
    first_line = strings[at : strings.find(b"\0", at)] if at >= 0 else b""
    return PrintedFormats(b"free_ts %llu" in first_line, b"PFN %lu type %s" in strings)
