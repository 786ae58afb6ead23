# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a kernel keeps the owners of pages: addresses from its symbols, offsets from its types, and its constants.

Every number comes from the kernel itself, and is checked here against what the readers can use.
"""

from itertools import pairwise
from typing import NamedTuple

from spo_trace.limits import MAX_ORDER
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem
from spo_trace.memory.sections import Sections, present_sections

__all__ = ["COMM_BYTES", "OwnerLayout", "find_owners"]

# TASK_COMM_LEN of linux/sched.h.
COMM_BYTES = 16

# x86-64, and arm64 with pages of 4 and 16 KiB (SECTION_SIZE_BITS of asm/sparsemem.h).
_SECTION_SIZE_BITS = 27
_PAGE_SIZE = 4096
# PAGE_BUDDY_MAPCOUNT_VALUE before page types became numbers (PGTY_buddy): ~PG_buddy.
_BUDDY_BEFORE_NUMBERS = 0xFFFFFF7F
_MAX_EXT_BYTES = 512
_MAX_PFN = 1 << 40


class OwnerLayout(NamedTuple):
    """Hold where owners are; names are those of the kernel's structures and members."""

    page_size: int
    min_low_pfn: int
    max_pfn: int
    pageblock_order: int
    sections: Sections
    # page_ext and the struct page_owner in it
    ext_bytes: int
    owner_bit: int
    allocated_bit: int
    swapped_bit: int | None
    owner: int
    order: int
    last_migrate_reason: int
    gfp_mask: int
    handle: int
    ts_nsec: int
    free_ts_nsec: int | None
    comm: int
    pid: int
    tgid: int
    # struct page
    page_bytes: int
    flags: int
    page_type: int
    private: int
    head: int
    memcg_data: int | None
    buddy: int
    max_page_order: int
    # mem_section_usage
    pageblock_flags: int
    pageblock_bits: int
    isolate_bit: int | None
    isolate_type: int | None


def find_owners(kernel: Kernel, pageblock_order: int | None = None) -> OwnerLayout:
    """Return the layout; raise Problem if the kernel keeps no owners, or keeps them in another way.

    `pageblock_order`: where it is known, as of the running kernel.
    """
    types, symbols = kernel.types, kernel.symbols
    _check_page_owner(kernel)
    operations = symbols.address("page_owner_ops")
    owner = kernel.image.u64(operations + types.offset("page_ext_operations", "offset"))
    ext_bytes = kernel.variable("page_ext_size")
    if ext_bytes == 0 or owner == 0:
        raise Problem("page_owner is not switched on in this kernel", "boot it with page_owner=on")
    owner_end = owner + types.size("page_owner")
    if not owner_end <= ext_bytes <= _MAX_EXT_BYTES or ext_bytes % 8:
        raise Problem(f"the kernel's page_ext_size is damaged: {ext_bytes}", "take another dump")
    page_size = kernel.image.vmcoreinfo.number("PAGESIZE") or _PAGE_SIZE
    sections = _sections(kernel, page_size)
    _check_size(kernel, sections, ext_bytes)
    # 6.1 and 6.12 have compound_head, 7.2 has compound_info.
    head = types.offset("page", "compound_head", "compound_info")
    order = kernel.types.length("zone", "free_area") - 1
    if not 0 < order <= MAX_ORDER:
        raise Problem("the kernel's types (BTF) are damaged", "take another dump")
    return OwnerLayout(
        page_size=page_size,
        min_low_pfn=_pfn(kernel, "min_low_pfn"),
        max_pfn=_pfn(kernel, "max_pfn"),
        pageblock_order=_pageblock_order(kernel, sections, order) if pageblock_order is None else pageblock_order,
        sections=sections,
        ext_bytes=ext_bytes,
        owner_bit=types.value("PAGE_EXT_OWNER"),
        allocated_bit=types.value("PAGE_EXT_OWNER_ALLOCATED"),
        swapped_bit=types.btf.enumerator("PAGE_EXT_OWNER_SWAPPED"),
        owner=owner,
        **{
            member: types.offset("page_owner", member)
            for member in ("order", "last_migrate_reason", "gfp_mask", "handle", "ts_nsec", "comm", "pid", "tgid")
        },
        free_ts_nsec=types.btf.offset("page_owner", "free_ts_nsec"),
        page_bytes=types.size("page"),
        flags=types.offset("page", "flags"),
        page_type=types.offset("page", "page_type"),
        private=types.offset("page", "private"),
        head=head,
        memcg_data=types.btf.offset("page", "memcg_data"),
        buddy=_buddy(kernel),
        max_page_order=order,
        pageblock_flags=types.offset("mem_section_usage", "pageblock_flags"),
        pageblock_bits=_pageblock_bits(kernel),
        isolate_bit=types.btf.enumerator("PB_migrate_isolate"),
        isolate_type=types.btf.enumerator("MIGRATE_ISOLATE"),
    )


def _check_page_owner(kernel: Kernel) -> None:
    if kernel.symbols.find("page_owner_ops") is None:
        raise Problem(
            "this kernel has no page_owner, or its symbols lack variables (CONFIG_KALLSYMS_ALL)",
            "use a kernel with CONFIG_PAGE_OWNER=y and CONFIG_KALLSYMS_ALL=y; where only the latter lacks, give the "
            "text of /sys/kernel/debug/page_owner",
        )
    if kernel.symbols.find("mem_section") is None or kernel.types.btf.offset("mem_section", "page_ext") is None:
        raise Problem(
            "this kernel has one flat array of pages (FLATMEM)",
            "owners can be read from memory with CONFIG_SPARSEMEM=y; give the text of /sys/kernel/debug/page_owner",
        )


def _sections(kernel: Kernel, page_size: int) -> Sections:
    types = kernel.types
    size = types.size("mem_section")
    bits = kernel.image.vmcoreinfo.number("NUMBER(SECTION_SIZE_BITS)") or _SECTION_SIZE_BITS
    pages = (1 << bits) // page_size if 20 <= bits <= 40 else 0
    if not pages or page_size not in (4096, 16384, 65536) or size > page_size:
        raise Problem("the sizes in VMCOREINFO are damaged", "take another dump")
    # 6.12 and 7.2 have SECTION_MAP_LAST_BIT; 6.1 has 6 flags.
    last_bit = types.btf.enumerator("SECTION_MAP_LAST_BIT")
    flags = 6 if last_bit is None else last_bit
    return Sections(
        roots=kernel.variable("mem_section"),
        section_bytes=size,
        per_root=page_size // size,
        pages=pages,
        mem_map=types.offset("mem_section", "section_mem_map"),
        map_mask=(1 << 64) - (1 << flags),
        usage=types.offset("mem_section", "usage"),
        page_ext=types.offset("mem_section", "page_ext"),
    )


# In a damaged dump, a few tables can claim any number of sections, all at the same place.
def _check_size(kernel: Kernel, sections: Sections, ext_bytes: int) -> None:
    listed = 0
    for section in present_sections(kernel.image, sections, _pfn(kernel, "max_pfn")):
        listed += sections.pages * ext_bytes if section.page_ext is not None else 0
        if kernel.image.size is not None and listed > kernel.image.size:
            raise Problem(
                "the kernel's list of memory sections is damaged: it is larger than the dump", "take another dump"
            )


def _pfn(kernel: Kernel, name: str) -> int:
    value = kernel.variable(name)
    if value > _MAX_PFN:
        raise Problem(f"the kernel's {name} is damaged: {value:#x}", "take another dump")
    return value


def _buddy(kernel: Kernel) -> int:
    known = kernel.image.vmcoreinfo.number("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)")
    number = kernel.types.btf.enumerator("PGTY_buddy")
    if known is not None:
        return known & 0xFFFFFFFF
    return _BUDDY_BEFORE_NUMBERS if number is None else number << 24


def _pageblock_bits(kernel: Kernel) -> int:
    bits = kernel.types.btf.enumerator("NR_PAGEBLOCK_BITS") or kernel.types.btf.enumerator("__NR_PAGEBLOCK_BITS")
    # The size of a block's flags is a power of two: none of them spans two words.
    return 1 << (min(bits or 4, 64) - 1).bit_length()


# pageblock_order is a constant of the build, in no type and no symbol. The flags of all blocks of a section are in one
# allocation with struct mem_section_usage; early sections' allocations follow each other.
def _pageblock_order(kernel: Kernel, sections: Sections, largest: int) -> int:
    header = kernel.types.offset("mem_section_usage", "pageblock_flags")
    bits = _pageblock_bits(kernel)
    usages = sorted({section.usage for section in present_sections(kernel.image, sections, _pfn(kernel, "max_pfn"))})
    strides = [b - a for a, b in pairwise(usages)]
    for order in range(largest, 4, -1):
        flag_bytes = -(-(sections.pages >> order) * bits // 64) * 8
        if header + flag_bytes in strides:
            return order
    # One section, or none next to another: the size of a huge page's order, which most builds have.
    return min(9, largest)
