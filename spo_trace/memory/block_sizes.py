# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sizes of pageblocks and of memory blocks, in the files that show them."""

import re
from pathlib import Path

from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import OwnerLayout
from spo_trace.memory.problem import Problem

__all__ = ["block_order", "block_size_texts", "pageblock_order"]

# pagetypeinfo_show() of mm/vmstat.c
_BLOCK_ORDER = re.compile(rb"^Page block order: (\d{1,2})\r?$", re.MULTILINE)

# The order is at the beginning.
_PIECE = 1 << 18
# MAX_BLOCK_SIZE of x86 is 2 GiB, in sections of 128 MiB.
_MOST_SECTIONS = 1 << 16


def block_order(pagetypeinfo: bytes) -> int | None:
    """Return the base-2 logarithm of a pageblock's pages from the text of /proc/pagetypeinfo, None without it."""
    found = _BLOCK_ORDER.search(pagetypeinfo)
    return int(found[1]) if found else None


def pageblock_order(path: Path) -> int | None:
    """Return the order of a pageblock from the file /proc/pagetypeinfo or a copy; None if it does not tell."""
    try:
        with path.open("rb") as file:
            return block_order(file.read(_PIECE))
    except OSError:
        return None


def block_size_texts(kernel: Kernel, layout: OwnerLayout) -> dict[str, bytes]:
    """Return what the kernel prints of these sizes, by name in a capture; without memory hotplug only of pageblocks."""
    order = layout.pageblock_order
    texts = {"pagetypeinfo": b"Page block order: %d\nPages per block:  %d\n" % (order, 1 << order)}
    sections = _sections_per_block(kernel)
    if sections is not None:
        texts["block_size_bytes"] = b"%x\n" % (sections * layout.sections.pages * layout.page_size)
    return texts


# drivers/base/memory.c, an int
def _sections_per_block(kernel: Kernel) -> int | None:
    address = kernel.symbols.find("sections_per_block")
    try:
        number = 0 if address is None else kernel.image.u32(address)
    except Problem:
        return None
    return number if 0 < number <= _MOST_SECTIONS else None
