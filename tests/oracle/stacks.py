# SPDX-License-Identifier: LGPL-2.1-or-later
"""Base pages by stack, computed by awk from the lines with a leading space."""

from tests.oracle.awk import run

__all__ = ["pages_by_stack", "stack_pages"]


def stack_pages(text: bytes) -> dict[str, int]:
    """Return base pages by stack, with frames innermost first and joined with ";".

    >>> stack_pages(b"Page allocated via pid 7, ...\\nSWP entry 0x1\\n a+0x1/0x2\\n b+0x3/0x4\\n\\n")
    {'a+0x1/0x2;b+0x3/0x4': 1}
    """
    rows = (line.split(b"\t", 1) for line in run("stacks.awk", text))
    return {stack.decode("utf-8", "backslashreplace"): int(pages) for pages, stack in rows}


def pages_by_stack(page_owner: bytes, swap_page_owner: bytes) -> dict[str, tuple[int, int]]:
    """Return each stack's base pages in memory and in swap."""
    mem, swap = stack_pages(page_owner), stack_pages(swap_page_owner)
    return {stack: (mem.get(stack, 0), swap.get(stack, 0)) for stack in {*mem, *swap}}
