# SPDX-License-Identifier: LGPL-2.1-or-later
"""Modules in a kernel's memory: ranges, symbols, and lists that do not end."""

import struct
from collections.abc import Iterator

import pytest

from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Image
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.symbol_table import SymbolTable
from spo_trace.memory.vmcoreinfo import Vmcoreinfo
from tests.unit.memory.btf_data import Builder

HEAD, MODULE, TABLE, SYMBOLS, STRINGS, TEXT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x9000
LIST, NAME, KALLSYMS, RANGES = 8, 24, 88, 96
NAMES = b"\0init\0ioctl\0data\0"


class Memory(Image):
    """Hold bytes at some addresses."""

    def __init__(self) -> None:
        super().__init__(Vmcoreinfo())
        self._bytes: dict[int, int] = {}

    def put(self, address: int, data: bytes) -> None:
        """Write bytes."""
        self._bytes |= {address + at: byte for at, byte in enumerate(data)}

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield single bytes."""
        for at in range(size):
            if address + at in self._bytes:
                yield at, bytes([self._bytes[address + at]])


def kernel_with(*, new: bool, next_module: int = HEAD) -> Kernel:
    """Return a kernel with one module, before 6.4 (module_layout) or after (module_memory)."""
    b = Builder()
    u32, u64 = b.integer("unsigned int", 4), b.integer("unsigned long", 8)
    name = b.array(b.integer("char", 1))
    kind = "module_memory" if new else "module_layout"
    part = b.structure(kind, 16, ("base", u64, 0), ("size" if new else "text_size", u32, 64))
    both = [("mem", b.array(part), 8 * RANGES)] if new else [("core_layout", part, 8 * RANGES)]
    both += [] if new else [("init_layout", part, 8 * RANGES + 128)]
    b.structure(
        "module", 512, ("list", u64, 8 * LIST), ("name", name, 8 * NAME), ("kallsyms", u64, 8 * KALLSYMS), *both
    )
    b.structure("mod_kallsyms", 32, ("symtab", u64, 0), ("num_symtab", u32, 64), ("strtab", u64, 128))
    memory = Memory()
    memory.put(HEAD, struct.pack("<Q", MODULE + LIST))
    memory.put(MODULE, bytes(512))
    memory.put(MODULE + LIST, struct.pack("<Q", next_module))
    memory.put(MODULE + NAME, b"loop\0")
    memory.put(MODULE + KALLSYMS, struct.pack("<Q", TABLE))
    memory.put(MODULE + RANGES, struct.pack("<QI", TEXT, 0x800))
    memory.put(TABLE, struct.pack("<QIIQ", SYMBOLS, 5, 0, STRINGS))
    entries = [(0, 0, 0), (1, 1, TEXT + 0x10), (6, 1, TEXT + 0x100), (12, 2, 0xF000), (6, 0, TEXT + 0x200)]
    memory.put(SYMBOLS, b"".join(struct.pack("<IBBHQQ", name, 0, 0, section, at, 0) for name, section, at in entries))
    memory.put(STRINGS, NAMES)
    return Kernel(memory, SymbolTable([(HEAD, b"modules")]), Types(Btf(b.data())))


@pytest.mark.parametrize("new", [False, True])
def test_frames_in_modules_are_printed_as_the_kernel_does(new: bool) -> None:
    kernel = kernel_with(new=new)
    kernel.symbols.set_modules(loaded_modules(kernel))
    texts = [kernel.symbols.text(TEXT + at) for at in (0x14, 0x107, 0x250)]
    # An undefined symbol and one of data are no end of a function.
    assert texts == [b"init+0x4/0xf0 [loop]", b"ioctl+0x7/0x700 [loop]", b"ioctl+0x150/0x700 [loop]"]


def test_a_list_without_an_end_is_left() -> None:
    found = loaded_modules(kernel_with(new=True, next_module=MODULE + LIST))
    assert {module.start for module in found} == {TEXT}
    assert (found[0].name, found[0].symbols[0]) == (b"loop", (TEXT + 0x10, b"init"))


def test_a_list_that_leaves_memory_keeps_what_was_read() -> None:
    found = loaded_modules(kernel_with(new=True, next_module=0xDEAD000))
    assert [module.start for module in found] == [TEXT]
