# SPDX-License-Identifier: LGPL-2.1-or-later
r"""Totals over framed records, for any bytes in a comm.

It relies on two facts. A comm is at most 15 bytes, so it cannot contain "\nPage allocated via order ": each such line
starts a record. And no line after the PFN (or SWP entry) line starts like it, so the last such line of a record is the
real one, and everything before it is the header.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Record", "escape", "memory", "pages_by_comm", "pages_by_memcg", "records", "swap"]


class Record(NamedTuple):
    """One record of page_owner (number = PFN) or swap_page_owner (number = swp_entry_t, pages = 1)."""

    comm: bytes
    pages: int
    number: int
    ts_nsec: int
    swapped: bool
    memcg: bytes  # the whole line, "Slab cache page" included; empty if there is none
    # init_page_owner() treats pages on per-CPU free lists as allocated. Such a page is not listed whenever the
    # allocator has it back (seen on 6.1: 24 such pages in one of ten readings).
    early: bool = False


def memory(page_owner: bytes) -> list[Record]:
    """Return the records of page_owner text, in its order."""
    return records(page_owner, b"order ", b"\nPFN ")


def swap(swap_page_owner: bytes) -> list[Record]:
    """Return the records of swap_page_owner text, in its order."""
    return records(swap_page_owner, b"pid ", b"\nSWP entry ")


def records(text: bytes, start: bytes, second_line: bytes) -> list[Record]:
    """Return the records whose first line continues with `start` and whose second line matches `second_line`."""
    _, *chunks = (b"\n" + text).split(b"\nPage allocated via " + start)
    return [_record(start + chunk, second_line) for chunk in chunks]


def _record(chunk: bytes, second_line: bytes) -> Record:
    header, _, body = chunk.rpartition(second_line)
    comm_start = header.index(b" (", header.index(b", tgid ")) + 2
    comm_end = header.rindex(b"), ts ")
    order = int(header[len(b"order ") : header.index(b",")]) if header.startswith(b"order ") else 0
    return Record(
        comm=header[comm_start:comm_end],
        pages=1 << order,
        number=int(body.split(None, 1)[0], 0),
        ts_nsec=int(header[comm_end:].split()[2]),
        swapped=header.endswith(b" ns (swapped)"),
        memcg=next((line for line in body.split(b"\n") if line.startswith((b"Charged ", b"Slab "))), b""),
        early=b"\n init_page_owner+" in body,
    )


def pages_by_comm(pages: Iterable[Record], entries: Iterable[Record]) -> dict[bytes, tuple[int, int]]:
    """Return each comm's base pages in memory and in swap."""
    mem = _sum((record.comm, record.pages) for record in pages)
    swapped_out = Counter(record.comm for record in entries)
    return {comm: (mem[comm], swapped_out[comm]) for comm in {*mem, *swapped_out}}


def pages_by_memcg(pages: Iterable[Record]) -> Counter[bytes]:
    """Return base pages by memcg line, "Slab cache page" and no line (empty) included."""
    return _sum((record.memcg, record.pages) for record in pages)


def _sum(pairs: Iterable[tuple[bytes, int]]) -> Counter[bytes]:
    total: Counter[bytes] = Counter()
    for key, pages in pairs:
        total[key] += pages
    return total


def escape(comm: bytes) -> str:
    r"""Return a comm as spo-trace prints it: backslash and newline as in C, other unprintable bytes in octal.

    >>> escape(b"na\xc3\xafve \xff\n\x1b[1m")
    'naïve \\377\\n\\033[1m'
    """
    special = {"\\": r"\\", "\n": r"\n"}
    text = comm.decode("utf-8", "surrogateescape")
    return "".join(special.get(char) or (char if char.isprintable() else _octal(char)) for char in text)


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))
