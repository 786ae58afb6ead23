# SPDX-License-Identifier: LGPL-2.1-or-later
"""The order of pageblocks, from PFN lines."""

import pytest

from spo_trace.formats.pageblocks import pageblock_order


@pytest.mark.parametrize(
    ("blocks", "order"),
    [
        ([(0x200, 1), (0x5FF, 2)], 9),
        ([(264212, 129), (264216, 129)], 11),
        ([(0x4000, 2), (0x4001, 2)], 13),
        ([(0x200, 0)], None),
        ([(0x200, 1), (0x5000, 1)], None),
        ([], None),
    ],
)
def test_the_order_of_pageblocks(blocks: list[tuple[int, int]], order: int | None) -> None:
    lines = [b"PFN 0x%x type Movable Block %d type Movable Flags 0x0()\n" % pair for pair in blocks]
    assert pageblock_order(b"".join(lines)) == order
