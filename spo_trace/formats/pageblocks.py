# SPDX-License-Identifier: LGPL-2.1-or-later
"""The size of a pageblock, as PFN lines of page_owner show it."""

import re
from itertools import islice

from spo_trace.limits import MAX_ORDER

__all__ = ["pageblock_order"]

_BLOCK = re.compile(rb"^PFN (0x[0-9a-f]{1,16}|\d{1,19}) (?:type \S+ )?Block (\d{1,19}) type ", re.MULTILINE)
_MOST_LINES = 1000


def pageblock_order(head: bytes) -> int | None:
    """Return the base-2 logarithm of a pageblock's pages, None if `head` does not show it.

    A PFN line has both the PFN and the number of its pageblock: PFN >> order.
    """
    orders = set(range(MAX_ORDER + 1))
    shown = False
    for match in islice(_BLOCK.finditer(head), _MOST_LINES):
        pfn, block = int(match[1], 0), int(match[2])
        if block:
            shown = True
            orders = {order for order in orders if pfn >> order == block}
    return orders.pop() if shown and len(orders) == 1 else None
