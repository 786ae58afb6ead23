# SPDX-License-Identifier: LGPL-2.1-or-later
"""The structure offsets from a page to its owner and its stack: from BTF, or else known from the kernel's source.

A layout is used only after probes.loader.layout_checks has compared it with what debugfs prints.
"""

import os
import struct
from typing import NamedTuple, Protocol

from spo_trace.memory.btf import Btf
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols

__all__ = ["DEPOTS", "Depot", "Layout", "Memory", "find_layout"]


# Not a data class: `dataclasses` takes longer to import than a layout to find.
class Layout:
    """Hold `struct layout` of bpf/swap_owner.c, in its order."""

    ready: int = 0
    events: int = 0
    owners: int = 0
    vmemmap: int = 0
    page_bytes: int = 64
    swap_offset: int = 0x28
    head_bit: int = 0
    order_offset: int = 0
    mem_section: int = 0
    section_shift: int = 0
    section_bytes: int = 32
    section_page_ext: int = 16
    root_shift: int = 0
    ext_bytes: int = 0
    owner_offset: int = 0
    allocated_bit: int = 1
    order: int = 0
    handle: int = 8
    ts_nsec: int = 16
    pid: int = 48
    comm: int = 32
    pools: int = 0
    pool_mask: int = 0
    pool_bias: int = 0
    offset_shift: int = 0
    offset_mask: int = 0
    record_size: int = 20
    record_handle: int = 24
    record_entries: int = 32
    vma_mm: int = 0
    mm_owner: int = 0
    task_comm: int = 0
    swapbacked_bit: int = 0

    def pack(self) -> bytes:
        """Return the bytes of the BPF program's structure."""
        values = [getattr(self, name) for name in Layout.__annotations__]
        return struct.pack(f"={len(values)}Q", *values)


class Memory(Protocol):
    """Read kernel memory."""

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes (at most 256); raise Problem if they cannot be read."""
        ...

    def u64(self, address: int) -> int:
        """Return a 64-bit word."""
        ...


# Known sizes of struct page_owner (page_owner_ops.size), for kernels without BTF.
# 865ed6a32786, 5.18: 56 bytes, with pid, tgid and comm.
# 1b5c65b64cd4, 6.8: also free_pid and free_tgid.
# openEuler (OLK-5.10): also module_name.
_OWNER_SIZES = (56, 64, 112)

_PAGE_SHIFT = os.sysconf("SC_PAGE_SIZE").bit_length() - 1

# SECTION_SIZE_BITS of asm/sparsemem.h. f0b13ee23241, 5.12: these values on arm64; before, 30.
_SECTION_BITS = {"x86_64": 27, "aarch64": 29 if _PAGE_SHIFT == 16 else 27}

_SECTION_MAP_MASK = ~0x3F
_PRESENT = 1

# Of Memory.read.
_MOST_READ = 256


def find_layout(symbols: KernelSymbols, btf: Btf | None, memory: Memory | None) -> Layout:
    """Return the layout without the stack depot's part; without `memory`, only the part that events need.

    Raise Problem if an offset or an address is unknown.
    """
    layout = Layout()
    if btf is not None:
        _set_folio(layout, btf)
    if memory is None:
        if btf is not None:
            _set_mappers(layout, btf)
        return layout
    machine = os.uname().machine
    if machine not in _SECTION_BITS:
        raise Problem(f"owners of swap cannot be found on {machine}", "x86_64 and aarch64 are supported")
    layout.section_shift = _SECTION_BITS[machine] - _PAGE_SHIFT
    layout.mem_section = memory.u64(symbols.address("mem_section"))
    _set_sections(layout, btf)
    layout.vmemmap = _vmemmap(layout, symbols, memory)
    layout.ext_bytes = memory.u64(symbols.address("page_ext_size"))
    _set_owner(layout, symbols, btf, memory)
    layout.owners = 1
    return layout


def _set_folio(layout: Layout, btf: Btf) -> None:
    layout.page_bytes = btf.size("page") or layout.page_bytes
    # 85a1333417a7, 6.6: the entry is in folio->swap; before, in page->private.
    swap = btf.offset("folio", "swap") or btf.offset("page", "private")
    layout.swap_offset = swap or layout.swap_offset
    head = btf.enumerator_of("pageflags", "PG_head")
    # Before 6.1, the order is in compound_order of the second page.
    # 379708ffde1b, 6.1: it is in _folio_order.
    # ebc1baf5c9b4, 6.6: it is in the low byte of _flags_1.
    order = btf.offset("folio", "_folio_order") or btf.offset("folio", "_flags_1")
    if order is None and (second := btf.offset("page", "compound_order")) is not None:
        order = layout.page_bytes + second
    if head is not None and order is not None:
        layout.head_bit, layout.order_offset = head, order


# mm_struct has the member owner only with CONFIG_MEMCG.
def _set_mappers(layout: Layout, btf: Btf) -> None:
    path = (("vm_area_struct", "vm_mm"), ("mm_struct", "owner"), ("task_struct", "comm"))
    mm, owner, comm = (btf.offset(*member) for member in path)
    swapbacked = btf.enumerator_of("pageflags", "PG_swapbacked")
    if mm is not None and owner is not None and comm is not None and swapbacked is not None:
        layout.vma_mm, layout.mm_owner, layout.task_comm = mm, owner, comm
        layout.swapbacked_bit = swapbacked


def _set_sections(layout: Layout, btf: Btf | None) -> None:
    if btf is not None:
        layout.section_bytes = btf.size("mem_section") or layout.section_bytes
        page_ext = btf.offset("mem_section", "page_ext")
        if page_ext is None:
            raise Problem("this kernel has no page_ext in struct mem_section", "use a kernel with CONFIG_SPARSEMEM=y")
        layout.section_page_ext = page_ext
        bit = btf.enumerator_of("page_ext_flags", "PAGE_EXT_OWNER_ALLOCATED")
        layout.allocated_bit = layout.allocated_bit if bit is None else bit
    # SECTIONS_PER_ROOT of CONFIG_SPARSEMEM_EXTREME.
    layout.root_shift = ((1 << _PAGE_SHIFT) // layout.section_bytes).bit_length() - 1


# With SPARSEMEM_VMEMMAP, section_mem_map of every present section is vmemmap with flags in the low bits.
def _vmemmap(layout: Layout, symbols: KernelSymbols, memory: Memory) -> int:
    root = next((r for n in range(64) if (r := memory.u64(layout.mem_section + 8 * n))), 0)
    maps = _section_maps(layout, root, memory) if root else []
    found = {value & _SECTION_MAP_MASK for value in maps if value & _PRESENT}
    base = symbols.find("vmemmap_base")
    if len(found) != 1 or (base is not None and memory.u64(base) not in found):
        raise Problem("the array of struct page cannot be found", "use a kernel with CONFIG_SPARSEMEM_VMEMMAP=y")
    return found.pop() & (1 << 64) - 1


# The first word of each section of a root, which is read in parts: a read takes two system calls.
def _section_maps(layout: Layout, root: int, memory: Memory) -> list[int]:
    size = layout.section_bytes << layout.root_shift
    raw = b"".join(memory.read(root + at, min(_MOST_READ, size - at)) for at in range(0, size, _MOST_READ))
    return [struct.unpack_from("=Q", raw, at)[0] for at in range(0, size, layout.section_bytes)]


def _set_owner(layout: Layout, symbols: KernelSymbols, btf: Btf | None, memory: Memory) -> None:
    operations = symbols.address("page_owner_ops")
    layout.owner_offset, size = memory.u64(operations), memory.u64(operations + 8)
    members = ("order", "handle", "ts_nsec", "pid", "comm")
    if btf is not None and btf.size("page_owner"):
        for member in members:
            offset = btf.offset("page_owner", member)
            if offset is None:
                raise Problem(f"struct page_owner of this kernel has no {member}", "Linux 5.18 is the oldest supported")
            setattr(layout, member, offset)
        if btf.size("page_owner") != size or btf.offset("page_owner", "tgid") != layout.pid + 4:
            raise Problem("BTF and page_owner_ops disagree about struct page_owner", _REPORT)
    elif size not in _OWNER_SIZES:
        raise Problem(
            f"the layout of a struct page_owner of {size} bytes is unknown",
            "Linux 5.18 is the oldest supported; with CONFIG_DEBUG_INFO_BTF=y, the kernel gives the offsets itself",
        )


_REPORT = "please report it with the output of uname -a"


class Depot(NamedTuple):
    """Hold how a stack depot handle refers to its record, and the offsets in the record."""

    symbol: str
    # ed4f142f72a9, 6.17: static void **stack_pools; before, an array of pools.
    pointer: bool
    pool_bits: int
    pool_bias: int
    record: tuple[int, int, int]

    def apply(self, layout: Layout, symbols: KernelSymbols, memory: Memory) -> bool:
        """Set the stack depot's part of `layout`; return whether the kernel has the symbol."""
        address = symbols.find(self.symbol)
        if address is None:
            return False
        layout.pools = memory.u64(address) if self.pointer else address
        layout.pool_mask = (1 << self.pool_bits) - 1
        layout.pool_bias = self.pool_bias
        layout.offset_shift = self.pool_bits
        # DEPOT_POOL_ORDER 2, DEPOT_STACK_ALIGN 4.
        layout.offset_mask = (1 << (_PAGE_SHIFT + 2 - 4)) - 1
        layout.record_size, layout.record_handle, layout.record_entries = self.record
        return True


_NEW_RECORD = (20, 24, 32)
_OLD_RECORD = (12, 16, 24)

# Newest first.
DEPOTS = (
    # ed4f142f72a9, 6.17: stack_pools is a pointer.
    Depot("stack_pools", True, 17, 1, _NEW_RECORD),
    # 3ee34eabac2a, 6.9: the handle has the pool's index plus 1, so that no handle is 0.
    Depot("stack_pools", False, 17, 1, _NEW_RECORD),
    # 5f9ce55e0207, 6.8: pool_index of 17 bits, no bit `valid`.
    # 4805180bc165, 6.8: the record has a list_head.
    # 410b764f89f5, 6.8: the record has a count.
    Depot("stack_pools", False, 17, 0, _NEW_RECORD),
    # 961c949b012f, 6.3: slabs are called pools.
    Depot("stack_pools", False, 16, 0, _OLD_RECORD),
    # 83a4f1ef45a9, 6.1: slabindex of 16 bits and 5 extra bits.
    Depot("stack_slabs", False, 16, 0, _OLD_RECORD),
    # f2ca0b557107, 4.8: page_owner keeps its stacks in the depot, with a slabindex of 21 bits.
    Depot("stack_slabs", False, 21, 0, _OLD_RECORD),
)
