# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sections of memory (SPARSEMEM): where the kernel keeps struct page, page_ext and pageblock flags of each."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from spo_trace.memory.image import Image, Unreadable

__all__ = ["Section", "Sections", "present_sections"]

_PRESENT, _HAS_MEM_MAP = 1, 2
# PAGE_EXT_INVALID of mm/page_ext.c: the section is going offline.
_PAGE_EXT_INVALID = 1
_WORD = (1 << 64) - 1


class Sections(NamedTuple):
    """Hold the array of sections: its roots, and the offsets in struct mem_section."""

    roots: int
    section_bytes: int
    per_root: int
    pages: int
    mem_map: int
    map_mask: int
    usage: int
    page_ext: int


class Section(NamedTuple):
    """Hold a section: its first PFN, and the addresses of its arrays, `page_ext` None if it has none."""

    pfn: int
    pages: int
    page_ext: int | None
    usage: int
    map_base: int


def present_sections(image: Image, sections: Sections, max_pfn: int) -> Iterator[Section]:
    """Yield the sections below `max_pfn` that have memory, in order; raise Unreadable if the list cannot be read.

    `map_base` and `page_ext` are those of PFN 0: both arrays are kept so that the PFN itself is the index.
    """
    last = -(-max_pfn // sections.pages)
    for root_at in range(-(-last // sections.per_root)):
        try:
            root = image.u64(sections.roots + 8 * root_at)
            data = image.read(root, sections.per_root * sections.section_bytes) if root else b""
        except Unreadable as error:
            raise Unreadable("the kernel's list of memory sections cannot be read") from error
        for at in range(0, len(data), sections.section_bytes):
            number = root_at * sections.per_root + at // sections.section_bytes
            coded = _u64(data, at + sections.mem_map)
            if number < last and coded & _PRESENT and coded & _HAS_MEM_MAP:
                ext = _u64(data, at + sections.page_ext)
                valid = ext and not ext & _PAGE_EXT_INVALID
                yield Section(
                    number * sections.pages,
                    sections.pages,
                    ext if valid else None,
                    _u64(data, at + sections.usage),
                    coded & sections.map_mask,
                )


def _u64(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", data, at)[0])
