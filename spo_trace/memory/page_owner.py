# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner out of kernel memory: each row as the kernel's own text in mode=handle (print_page_owner())."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy.typing as npt

from spo_trace.memory.flag_names import gfp_names, names_in, page_flags
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.memcg import MemcgLines
from spo_trace.memory.owner_layout import OwnerLayout
from spo_trace.memory.printed_formats import printed_formats

__all__ = ["PageOwner"]

# Distinct parts of records whose text is kept; a machine has a few thousand.
_KEPT = 1 << 16
# GFP_MOVABLE_SHIFT and GFP_MOVABLE_MASK of linux/gfp.h: __GFP_MOVABLE and __GFP_RECLAIMABLE.
_MOVABLE_SHIFT, _MOVABLE_BITS = 3, 3
_UNMOVABLE = 0
_NO_REASON = -1
_MIGRATED = b"Page has been migrated, last migrate reason: %b\n"


class PageOwner:
    """Print the owners of a kernel's pages."""

    def __init__(self, kernel: Kernel, layout: OwnerLayout) -> None:
        """Read the kernel's tables of names; raise Problem if one is missing."""
        self._block_order = layout.pageblock_order
        self._memcg = MemcgLines(kernel)
        self._formats = printed_formats(kernel)
        self._gfp_names = gfp_names(kernel)
        self._page_flags = page_flags(kernel)
        types = kernel.types
        self._types = names_in(kernel, "migratetype_names", types.value("MIGRATE_TYPES"))
        self._reasons = names_in(kernel, "migrate_reason_names", types.value("MR_TYPES"))
        disabled = kernel.symbols.find("page_group_by_mobility_disabled")
        by_mobility = not (disabled and kernel.image.u32(disabled))
        self._movable_bits = _MOVABLE_BITS if by_mobility else _UNMOVABLE

    def records(self, rows: Iterable[npt.NDArray[Any]]) -> Iterator[bytes]:
        """Yield the record of each row (PAGE_ROW)."""
        # Most records share these parts with others. A cache in `self` would keep the whole kernel in memory until the
        # garbage collector runs.
        first, body, charged, type_text = (
            lru_cache(_KEPT)(part) for part in (self._first, self._body, self._memcg.text, self._type_text)
        )
        number = b"%d" if self._formats.decimal_pfn else b"%#x"
        form = b"%b%d ns%b%b\nPFN " + number + b" type %b Block %d type %b"
        for some in rows:
            for (
                pfn,
                ts,
                free_ts,
                flags,
                memcg,
                comm,
                gfp,
                handle,
                pid,
                tgid,
                order,
                reason,
                kind,
                swapped,
                _,
            ) in some.tolist():
                free = b", free_ts %d ns" % free_ts if self._formats.free_ts else b""
                yield form % (
                    *(first(order, gfp, pid, tgid, comm), ts, free, b" (swapped)" if swapped else b""),
                    *(pfn, type_text(gfp), pfn >> self._block_order),
                    body(kind, flags, handle, reason, charged(memcg)),
                )

    def _first(self, order: int, gfp: int, pid: int, tgid: int, comm: bytes) -> bytes:
        return b"Page allocated via order %d, mask %#x(%b), pid %d, tgid %d (%b), ts " % (
            *(order, gfp, self._gfp_names.text(gfp), pid, tgid, comm),
        )

    def _body(self, block_type: int, flags: int, handle: int, reason: int, charged: bytes) -> bytes:
        migrated = b"" if reason == _NO_REASON else _MIGRATED % _name(self._reasons, reason)
        return b"%b Flags %b\nhandle: %d\n%b%b\n" % (
            *(
                _name(self._types, block_type),
                self._page_flags.text(flags),
                handle,
                migrated,
                charged,
            ),
        )

    # gfp_migratetype() of linux/gfp.h.
    def _type_text(self, gfp: int) -> bytes:
        return _name(self._types, gfp >> _MOVABLE_SHIFT & self._movable_bits)


def _name(names: list[bytes], number: int) -> bytes:
    return names[number] if 0 <= number < len(names) else b"(null)"
