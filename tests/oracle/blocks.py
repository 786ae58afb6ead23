# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages by pageblock, computed by awk from the block numbers that the kernel printed."""

from typing import NamedTuple

from tests.oracle.awk import run

__all__ = ["BlockPages", "block_pages"]


class BlockPages(NamedTuple):
    """The output of blocks.awk for one pageblock."""

    pages: int
    unmovable: int
    mixed: int


def block_pages(text: bytes, order: int) -> dict[int, BlockPages]:
    """Return the pages of each pageblock in page_owner text; `order`: of a pageblock.

    >>> second = b"PFN 0x2 type Movable Block 0 type Movable Flags 0x0()"
    >>> block_pages(b"Page allocated via order 1, mask 0x8()\\n" + second, 9)
    {0: BlockPages(pages=2, unmovable=0, mixed=0)}
    """
    rows = (tuple(map(int, line.split(b"\t"))) for line in run("blocks.awk", text, order=order))
    return {block: BlockPages(*pages) for block, *pages in rows}
