# SPDX-License-Identifier: LGPL-2.1-or-later
"""The code and the symbols of loaded modules (struct module, kernel/module/kallsyms.c)."""

import struct
from collections.abc import Iterator

from spo_trace.limits import MAX_MODULE_SYMBOLS, MAX_MODULES, MAX_SYMBOL_NAME_BYTES
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.sorted_symbols import SortedSymbols, Symbol
from spo_trace.memory.symbol_table import ModuleText

__all__ = ["loaded_modules"]

# Elf64_Sym: name, info, other, section, value, size.
_SYMBOL = struct.Struct("<IBBHQQ")
_SHN_UNDEF = 0
_NAME_BYTES = 64
# module_memory of 6.4: its text is at MOD_TEXT; each type has its own range, and the kernel looks in all of them.
_STRING_TABLE_BYTES = 16 << 20


def loaded_modules(kernel: Kernel) -> list[ModuleText]:
    """Return the ranges of memory of all modules; without those whose structures cannot be read."""
    head = kernel.symbols.find("modules")
    if head is None or kernel.types.btf.size("module") is None:
        return []
    found: list[ModuleText] = []
    left = MAX_MODULE_SYMBOLS
    link = kernel.types.offset("module", "list")
    try:
        at = kernel.image.u64(head)
        seen = {head, 0}
        while at not in seen and left > 0 and len(seen) <= MAX_MODULES:
            seen.add(at)
            symbols, texts = _module(kernel, at - link, left)
            left -= symbols
            found += texts
            at = kernel.image.u64(at)
    except Unreadable:
        # The frames of the other modules are printed as addresses.
        return found
    return found


def _module(kernel: Kernel, module: int, most: int) -> tuple[int, list[ModuleText]]:
    """Return the number of a module's symbols, and its ranges."""
    name = kernel.image.string(module + kernel.types.offset("module", "name"), _NAME_BYTES)
    symbols = list(_symbols(kernel, module, most))
    ranges = [(start, start + size) for start, size in _ranges(kernel, module) if start and 0 < size < 1 << 31]
    return len(symbols), [
        ModuleText(start, end, name, SortedSymbols(symbol for symbol in symbols if start <= symbol[0] < end))
        for start, end in ranges
    ]


def _ranges(kernel: Kernel, module: int) -> Iterator[tuple[int, int]]:
    types = kernel.types
    # 6.12 and 7.2 have module_memory, 6.1 has module_layout.
    if types.btf.offset("module", "mem") is not None:
        at, step = module + types.offset("module", "mem"), types.size("module_memory")
        base, size = types.offset("module_memory", "base"), types.offset("module_memory", "size")
        for number in range(min(types.length("module", "mem"), 16)):
            yield kernel.image.u64(at + number * step + base), kernel.image.u32(at + number * step + size)
        return
    base, size = types.offset("module_layout", "base"), types.offset("module_layout", "text_size")
    for layout in ("core_layout", "init_layout"):
        at = module + types.offset("module", layout)
        yield kernel.image.u64(at + base), kernel.image.u32(at + size)


def _symbols(kernel: Kernel, module: int, most: int) -> Iterator[Symbol]:
    types, image = kernel.types, kernel.image
    table = image.u64(module + types.offset("module", "kallsyms"))
    symbols_at = image.u64(table + types.offset("mod_kallsyms", "symtab"))
    strings_at = image.u64(table + types.offset("mod_kallsyms", "strtab"))
    count = image.u32(table + types.offset("mod_kallsyms", "num_symtab"))
    if not 0 < count <= most:
        return
    entries = list(_SYMBOL.iter_unpack(image.read(symbols_at, count * _SYMBOL.size)))
    # A damaged offset may be far outside.
    longest = min(len(entries) * MAX_SYMBOL_NAME_BYTES, _STRING_TABLE_BYTES)
    length = min(max(entry[0] for entry in entries) + MAX_SYMBOL_NAME_BYTES, longest)
    strings = bytes(image.read_filled(strings_at, length)[0])
    for name_at, _, _, section, value, _ in entries[1:]:
        end = strings.find(b"\0", name_at, name_at + MAX_SYMBOL_NAME_BYTES)
        text = strings[name_at : max(end, name_at)]
        # The kernel skips unnamed symbols and the marks of arm64 and RISC-V.
        if section != _SHN_UNDEF and text and not text.startswith((b"$", b".L", b"L0")):
            yield value, text
