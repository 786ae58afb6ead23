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

# Distinct masks and flags whose text is kept; a machine has a few hundred.
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
        self._gfp_text = lru_cache(_KEPT)(gfp_names(kernel).text)
        self._flags_text = lru_cache(_KEPT)(page_flags(kernel).text)
        types = kernel.types
        self._types = names_in(kernel, "migratetype_names", types.value("MIGRATE_TYPES"))
        self._reasons = names_in(kernel, "migrate_reason_names", types.value("MR_TYPES"))
        disabled = kernel.symbols.find("page_group_by_mobility_disabled")
        by_mobility = not (disabled and kernel.image.u32(disabled))
        self._movable_bits = _MOVABLE_BITS if by_mobility else _UNMOVABLE

    def records(self, rows: Iterable[npt.NDArray[Any]]) -> Iterator[bytes]:
        """Yield the record of each row (PAGE_ROW)."""
        for some in rows:
            for row in some.tolist():
                yield self._record(*row[:-1])

    def _record(
        self,
        pfn: int,
        ts_nsec: int,
        free_ts_nsec: int,
        flags: int,
        memcg_data: int,
        comm: bytes,
        gfp: int,
        handle: int,
        pid: int,
        tgid: int,
        order: int,
        reason: int,
        block_type: int,
        swapped: int,
    ) -> bytes:
        free_ts = b", free_ts %d ns" % free_ts_nsec if self._formats.free_ts else b""
        # gfp_migratetype() of linux/gfp.h.
        page_type = gfp >> _MOVABLE_SHIFT & self._movable_bits
        return (
            b"Page allocated via order %d, mask %#x(%b), pid %d, tgid %d (%b), ts %d ns%b%b\n"
            b"PFN %b type %b Block %d type %b Flags %b\nhandle: %d\n%b%b\n"
        ) % (
            *(order, gfp, self._gfp_text(gfp), pid, tgid, comm, ts_nsec, free_ts, b" (swapped)" if swapped else b""),
            b"%d" % pfn if self._formats.decimal_pfn else b"%#x" % pfn,
            *(_name(self._types, page_type), pfn >> self._block_order, _name(self._types, block_type)),
            *(self._flags_text(flags), handle),
            b"" if reason == _NO_REASON else _MIGRATED % _name(self._reasons, reason),
            self._memcg.text(memcg_data),
        )


def _name(names: list[bytes], number: int) -> bytes:
    return names[number] if 0 <= number < len(names) else b"(null)"
