# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernel text: pure functions from fields to the bytes of one record, as Linux 7.2 prints them."""

from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "PAGEBLOCK_ORDER",
    "PAGE_FLAGS",
    "PageRecord",
    "flag_bits",
    "handle_count_record",
    "memcg_line",
    "page_flags_text",
    "page_owner_record",
    "stack_count_record",
    "stack_handle_record",
    "stack_text",
    "swap_record",
]

PAGEBLOCK_ORDER = 9

# Bits of include/linux/page-flags.h, in the order in which `%pGp` names them: that of
# include/trace/events/mmflags.h (7.2).
PAGE_FLAGS = {
    "locked": 1 << 0,
    "waiters": 1 << 7,
    "referenced": 1 << 2,
    "uptodate": 1 << 3,
    "dirty": 1 << 4,
    "lru": 1 << 5,
    "active": 1 << 8,
    "workingset": 1 << 9,
    "owner_priv_1": 1 << 10,
    "owner_2": 1 << 11,
    "reserved": 1 << 13,
    "private": 1 << 14,
    "writeback": 1 << 1,
    "head": 1 << 6,
    "reclaim": 1 << 16,
    "swapbacked": 1 << 17,
    "unevictable": 1 << 18,
}


class PageRecord(NamedTuple):
    """The fields of one page_owner record.

    `gfp` and `flags` are as the kernel prints them (`0x140cca(GFP_...)`), `stack` and `memcg` are whole lines from
    `stack_text` and `memcg_line`; `migrate_reason` is empty for pages that were never migrated.
    """

    pfn: int
    order: int
    gfp: bytes
    pid: int
    tgid: int
    comm: bytes
    ts_nsec: int
    free_ts_nsec: int
    migratetype: bytes
    block_migratetype: bytes
    flags: bytes
    stack: bytes
    migrate_reason: bytes
    memcg: bytes
    swapped: bool


_PAGE = (
    b"Page allocated via order %d, mask %b, pid %d, tgid %d (%b), ts %d ns%b\n"
    b"PFN 0x%x type %b Block %d type %b Flags %b\n%b%b%b\n"
)
_SWAP = b"Page allocated via pid %d, tgid %d (%b), ts %d ns\nSWP entry 0x%x\n%b\n"
_MIGRATED = b"Page has been migrated, last migrate reason: %b\n"


def page_owner_record(page: PageRecord) -> bytes:
    """Return one record of /sys/kernel/debug/page_owner (mm/page_owner.c print_page_owner(), 6.7 to 7.2)."""
    pfn, order, gfp, pid, tgid, comm, ts, _, kind, block_kind, flags, stack, reason, memcg, swapped = page
    mark = b" (swapped)" if swapped else b""
    migrated = _MIGRATED % reason if reason else b""
    block = pfn >> PAGEBLOCK_ORDER
    return _PAGE % (
        order, gfp, pid, tgid, comm, ts, mark, pfn, kind, block, block_kind, flags, stack, migrated, memcg,
    )  # fmt: skip


def swap_record(entry: int, pid: int, tgid: int, comm: bytes, ts_nsec: int, stack: bytes) -> bytes:
    """Return one record of /sys/kernel/debug/swap_page_owner (RFC v1 of swap support for page_owner)."""
    return _SWAP % (pid, tgid, comm, ts_nsec, entry, stack)


def stack_text(frames: tuple[str, ...]) -> bytes:
    """Return the lines of a stack, each with the leading space of stack_trace_snprint()."""
    return "".join(f" {frame}\n" for frame in frames).encode()


def memcg_line(charge: str, name: bytes, *, offline: bool) -> bytes:
    """Return the line of print_page_owner_memcg() for a `charge` of none, page, objcg or objexts (5.18+)."""
    if charge == "objexts":
        return b"Slab cache page\n"
    if charge == "none":
        return b""
    via = b"(via objcg) " if charge == "objcg" else b""
    return b"Charged %bto %bmemcg %b\n" % (via, b"offline " if offline else b"", name)


def stack_count_record(stack: bytes, nr_base_pages: int) -> bytes:
    """Return one record of page_owner_stacks/show_stacks (6.9 and later)."""
    return b"%bnr_base_pages: %d\n\n" % (stack, nr_base_pages)


def handle_count_record(handle: int, nr_base_pages: int) -> bytes:
    """Return one record of page_owner_stacks/show_handles (6.19 and later)."""
    return b"handle: %d\nnr_base_pages: %d\n\n" % (handle, nr_base_pages)


def stack_handle_record(stack: bytes, handle: int) -> bytes:
    """Return one record of page_owner_stacks/show_stacks_handles (6.19 and later)."""
    return b"%bhandle: %d\n\n" % (stack, handle)


def flag_bits(names: tuple[str, ...]) -> int:
    """Return the bits of the page flags with these names."""
    return sum(PAGE_FLAGS[name] for name in names)


@lru_cache(maxsize=4096)
def page_flags_text(flags: int, *, with_zone: bool = True) -> bytes:
    """Return the output of `%pGp` for `flags` of a page in node 0, zone 0; `with_zone` since 5.13."""
    names = [name for name, bit in PAGE_FLAGS.items() if flags & bit]
    if with_zone:
        names += ["node=0", "zone=0"]
    return f"{flags:#x}({'|'.join(names)})".encode()
