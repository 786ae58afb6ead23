# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model of kernel memory: sections, page_ext with owners, and a stack depot, as in Linux 7.2 or 6.1."""

import struct
from dataclasses import dataclass, field

from spo_trace.memory.layout import Depot
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import VARIABLES, KernelSymbols

__all__ = ["FakeKernel", "Owner"]

VMEMMAP = 0xFFD4000000000000
_MEM_SECTION, _VMEMMAP_BASE, _EXT_SIZE, _OPS, _POOLS = (0xFFFFFFFF82000000 + 0x100 * n for n in range(5))
_ROOTS, _ROOT, _EXT, _POOL_ARRAY, _POOL = (0xFF11000000000000 + 0x1000000 * n for n in range(5))
_BASE_PFN = 0x100


@dataclass(frozen=True)
class Owner:
    """The owner of a page, and its stack."""

    comm: bytes = b"dd"
    pid: int = 7
    tgid: int = 7
    ts_nsec: int = 123456789
    order: int = 0
    stack: tuple[int, ...] = (0xFFFFFFFF81001098, 0xFFFFFFFF81002001)


@dataclass
class FakeKernel:
    """Hold memory by address; `owner_size` is the size of struct page_owner, `depot` the layout of stacks."""

    depot: Depot
    owner_size: int = 64
    owners: dict[int, Owner] = field(default_factory=dict)
    bytes_at: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._put(_MEM_SECTION, struct.pack("<Q", _ROOTS))
        self._put(_ROOTS, struct.pack("<64Q", _ROOT, *[0] * 63))
        ext_size = 8 + self.owner_size
        # Biased like the kernel's, so that it is the address for page frame 0; bits 0 and 1 of the map are flags.
        base = _EXT - _BASE_PFN * ext_size
        self._put(_ROOT, bytes(32 * 128))
        self._put(_ROOT, struct.pack("<QQQQ", VMEMMAP | 3, 0, base, 0))
        self._put(_VMEMMAP_BASE, struct.pack("<Q", VMEMMAP))
        self._put(_EXT_SIZE, struct.pack("<Q", ext_size))
        self._put(_OPS, struct.pack("<QQ", 8, self.owner_size))
        self._put(_POOLS, struct.pack("<QQ", _POOL_ARRAY if self.depot.pointer else 0, _POOL))
        self._put(_POOL_ARRAY, struct.pack("<QQ", 0, _POOL))
        self._put(_EXT, bytes(ext_size * 64))
        self._next = 1

    def own(self, pfn: int, owner: Owner) -> None:
        """Give the page `pfn` an owner, its stack in the depot."""
        self.owners[pfn] = owner
        at = _EXT + (pfn - _BASE_PFN) * (8 + self.owner_size)
        # The order of a folio is in its second page.
        self._put(VMEMMAP + pfn * 64, struct.pack("<Q", _flags(owner)))
        if owner.order:
            self._put(VMEMMAP + pfn * 64 + 64, struct.pack("<Q", 0xAB00 | owner.order))
        handle = self._stack(owner.stack)
        comm = owner.comm.ljust(16, b"\0")
        record = struct.pack(
            "<HhIIIQQ16sii", owner.order, -1, 0xCC0, handle, 0, owner.ts_nsec, 0, comm, owner.pid, owner.tgid
        )
        self._put(at, struct.pack("<Q", 3) + record.ljust(self.owner_size, b"\0"))

    def free(self, pfn: int) -> None:
        """Remove the owner of the page, as freeing it does."""
        del self.owners[pfn]
        self._put(_EXT + (pfn - _BASE_PFN) * (8 + self.owner_size), struct.pack("<Q", 1))

    def symbols(self) -> KernelSymbols:
        """Return the symbols that /proc/kallsyms would list."""
        addresses = {"mem_section": _MEM_SECTION, "vmemmap_base": _VMEMMAP_BASE, "page_ext_size": _EXT_SIZE}
        addresses |= {"page_owner_ops": _OPS, self.depot.symbol: _POOLS}
        addresses |= {"alloc_pages_mpol": 0xFFFFFFFF81001000, "do_swap_page": 0xFFFFFFFF81002000}
        lines = [b"%016x T %b\n" % (address, name.encode()) for name, address in addresses.items()]
        return KernelSymbols(lines, {*VARIABLES, "alloc_pages_mpol", "do_swap_page"})

    def text(self, pfn: int) -> bytes:
        """Return the page's record in debugfs."""
        o = self.owners[pfn]
        return (
            b"Page allocated via order %d, mask 0xcc0(GFP_KERNEL), pid %d, tgid %d (%b), ts %d ns\n"
            b"PFN 0x%x type Movable Block 0 type Movable Flags 0x%x(lru%b|node=0|zone=1)\n"
            b" alloc_pages_mpol+0x98/0x157\n do_swap_page+0x1/0x1000\n\n"
            % (o.order, o.pid, o.tgid, o.comm, o.ts_nsec, pfn, _flags(o), b"|head" if o.order else b"")
        )

    def read(self, address: int, size: int) -> bytes:
        """Return memory; raise Problem if there is none."""
        try:
            return bytes(self.bytes_at[address + number] for number in range(size))
        except KeyError:
            raise Problem(f"kernel memory at {address:#x} cannot be read") from None

    def u64(self, address: int) -> int:
        """Return a 64-bit word."""
        return int(struct.unpack("<Q", self.read(address, 8))[0])

    def _put(self, address: int, content: bytes) -> None:
        self.bytes_at.update((address + number, byte) for number, byte in enumerate(content))

    def _stack(self, entries: tuple[int, ...]) -> int:
        size_at, handle_at, entries_at = self.depot.record
        number, self._next = self._next, self._next + 20
        index = 1 + self.depot.pool_bias
        handle = index | number << self.depot.pool_bits
        record = bytearray(entries_at + 8 * len(entries))
        struct.pack_into("<I", record, size_at, len(entries))
        struct.pack_into("<I", record, handle_at, handle)
        struct.pack_into(f"<{len(entries)}Q", record, entries_at, *entries)
        self._put(_POOL + (number << 4), bytes(record))
        return handle


# PG_lru, and PG_head for folios of several pages.
def _flags(owner: Owner) -> int:
    return 1 << 3 | (1 << 6 if owner.order else 0)
