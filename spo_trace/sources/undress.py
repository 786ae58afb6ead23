# SPDX-License-Identifier: LGPL-2.1-or-later
"""Look at the head of each file of a capture: what it is, how it is dressed, and what it tells of the machine."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from spo_trace.errors import SpoTraceError
from spo_trace.formats.dress import HEAD, Dress, encoding_of, is_dressed
from spo_trace.formats.text import Chunks, Outcome
from spo_trace.sources.recognise import what_is
from spo_trace.sources.source import RECORD_FILES

__all__ = ["needs_undressing", "pageblock_order", "undressed"]

_BLOCK = re.compile(rb"^PFN (0x[0-9a-f]{1,16}|\d{1,19}) (?:type \S+ )?Block (\d{1,19}) type ", re.MULTILINE)
_MOST_BLOCKS = 1000


def needs_undressing(name: str, head: bytes) -> bool:
    """Tell whether the text of file `name` of PATHS that begins with `head` is encoded or dressed.

    Raise SpoTraceError with what the text is, if it is none of the kernel's.
    """
    encoding = encoding_of(head)
    if name not in RECORD_FILES:
        return encoding is not None
    if (known := what_is(head)) is not None:
        raise SpoTraceError(f"{name}: this is {known.what}", hint=known.hint)
    return encoding is not None or is_dressed(head)


def undressed(name: str, pieces: Iterable[bytes], outcome: Outcome) -> Chunks:
    """Return the text of file `name` of PATHS as the kernel printed it; its head is read with the first of it."""
    chunks = iter(pieces)
    dress = Dress(outcome.marks)

    def plain() -> Iterator[bytes]:
        head = _head(chunks)
        whole = chain([head], chunks) if head else chunks
        clean = dress.text(whole, head) if needs_undressing(name, head) else whole
        first = next(clean, b"")
        outcome.pageblock_order = pageblock_order(first)
        yield first
        yield from clean

    return Chunks(plain(), dress.place)


def _head(chunks: Iterable[bytes]) -> bytes:
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    return bytes(head)


def pageblock_order(head: bytes) -> int | None:
    """Return the base-2 logarithm of a pageblock's pages, None where PFN and Block of `head` do not tell it."""
    orders = set(range(31))
    told = False
    for match in islice(_BLOCK.finditer(head), _MOST_BLOCKS):
        pfn, block = int(match[1], 0), int(match[2])
        if block:
            told = True
            orders = {order for order in orders if pfn >> order == block}
    return orders.pop() if told and len(orders) == 1 else None
