# SPDX-License-Identifier: LGPL-2.1-or-later
"""Older page_owner formats: the text of kernels before 6.7 for the same page (formats A to E)."""

import re
import zlib
from collections.abc import Callable

from spo_trace.simulator.printer import (
    PAGE_FLAGS,
    PAGEBLOCK_ORDER,
    PageRecord,
    page_flags_text,
    page_owner_record,
)

__all__ = ["PAGE_OWNER_RECORDS"]

_MIGRATETYPES = {b"Unmovable": 0, b"Movable": 1, b"Reclaimable": 2}
_FLAG_LETTERS = (
    ("K", "locked"), ("E", ""), ("R", "referenced"), ("U", "uptodate"), ("D", "dirty"), ("L", "lru"),
    ("A", "active"), ("S", ""), ("W", "writeback"), ("C", "head"), ("B", "owner_priv_1"), ("M", ""),
)  # fmt: skip
# 02e1960aafac, 6.12: PG_owner_2; before, the bit is PG_mappedtodisk.
_NEW_FLAGS = PAGE_FLAGS["owner_2"]
_KERNEL_TEXT = 0xFFFFFFFF81000000


def _record_a(page: PageRecord) -> bytes:
    """48c96a368579, 3.19 to 4.5: kernel addresses in front of the symbols, flags as letters."""
    head = b"Page allocated via order %d, mask %b\n" % (page.order, _mask(page.gfp))
    bits = _flag_bits(page)
    letters = "".join(letter if PAGE_FLAGS.get(name, 0) & bits else " " for letter, name in _FLAG_LETTERS)
    fallback = b"Fallback" if page.migratetype != page.block_migratetype else b" " * 8
    number = _MIGRATETYPES[page.block_migratetype]
    pfn_line = b"PFN %d Block %d type %d %b Flags %b\n" % (
        page.pfn, page.pfn >> PAGEBLOCK_ORDER, number, fallback, letters.encode(),
    )  # fmt: skip
    return head + pfn_line + _with_addresses(page.stack) + b"\n"


def _record_b(page: PageRecord) -> bytes:
    """4.6 to 5.10: decoded gfp and flags; 7cd12b4abfd2, 4.6: migration line."""
    head = b"Page allocated via order %d, mask %b\n" % (page.order, page.gfp)
    return head + _body(page, with_zone=False) + b"\n"


def _record_c(page: PageRecord) -> bytes:
    """9cc7e96aa846, 5.11 and 5.12: pid and time."""
    head = b"Page allocated via order %d, mask %b, pid %d, ts %d ns\n" % (
        page.order, page.gfp, page.pid, page.ts_nsec,
    )  # fmt: skip
    return head + _body(page, with_zone=False) + b"\n"


def _record_d(page: PageRecord) -> bytes:
    """866b48526217, 5.13 to 5.17: time of the page's previous free."""
    head = b"Page allocated via order %d, mask %b, pid %d, ts %d ns, free_ts %d ns\n" % (
        page.order, page.gfp, page.pid, page.ts_nsec, page.free_ts_nsec,
    )  # fmt: skip
    return head + _body(page, with_zone=True) + b"\n"


def _record_e(page: PageRecord) -> bytes:
    """bf215eab785a, 865ed6a32786, fcf8935832b8, 5.18 to 6.6: tgid, comm, memcg lines.

    The PFN is decimal; 6.5 and 6.6 print it in hexadecimal.
    """
    head = b"Page allocated via order %d, mask %b, pid %d, tgid %d (%b), ts %d ns, free_ts %d ns\n" % (
        page.order, page.gfp, page.pid, page.tgid, page.comm, page.ts_nsec, page.free_ts_nsec,
    )  # fmt: skip
    return head + _body(page, with_zone=True) + page.memcg + b"\n"


def _body(page: PageRecord, *, with_zone: bool) -> bytes:
    flags = page_flags_text(_flag_bits(page), with_zone=with_zone)
    pfn_line = b"PFN %d type %b Block %d type %b Flags %b\n" % (
        page.pfn, page.migratetype, page.pfn >> PAGEBLOCK_ORDER, page.block_migratetype, flags,
    )  # fmt: skip
    reason = page.migrate_reason
    migrated = b"Page has been migrated, last migrate reason: %b\n" % reason if reason else b""
    return pfn_line + page.stack + migrated


def _flag_bits(page: PageRecord) -> int:
    return int(_mask(page.flags), 16) & ~_NEW_FLAGS


def _mask(decoded: bytes) -> bytes:
    return decoded.partition(b"(")[0]


def _with_addresses(stack: bytes) -> bytes:
    return re.sub(rb"(?m)^ (\S+?)\+0x([0-9a-f]+)/", _with_address, stack)


def _with_address(frame: re.Match[bytes]) -> bytes:
    symbol, offset = frame.groups()
    address = _KERNEL_TEXT + (zlib.crc32(symbol) & 0x7FFFF0) + int(offset, 16)
    return b" [<%016x>] %b+0x%b/" % (address, symbol, offset)


PAGE_OWNER_RECORDS: dict[str, Callable[[PageRecord], bytes]] = {
    "A": _record_a,
    "B": _record_b,
    "C": _record_c,
    "D": _record_d,
    "E": _record_e,
    "F": page_owner_record,
}
