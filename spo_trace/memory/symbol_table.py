# SPDX-License-Identifier: LGPL-2.1-or-later
"""All symbols of a kernel: addresses by name, and the text of an address as %pS prints it."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from spo_trace.limits import MAX_SYMBOLS
from spo_trace.memory.problem import Problem

__all__ = ["ModuleText", "Symbol", "SymbolTable", "in_kallsyms"]


class Symbol(NamedTuple):
    """Hold a symbol; `module`: empty for the kernel itself."""

    address: int
    name: bytes
    module: bytes = b""


class ModuleText(NamedTuple):
    """Hold a range of memory with a module's code, and its symbols in order of address."""

    start: int
    end: int
    symbols: list[Symbol]


class SymbolTable:
    """Look up symbols; `kernel`: in the order of kallsyms, which is that of the addresses."""

    def __init__(self, kernel: Iterable[Symbol], modules: Iterable[ModuleText] = ()) -> None:
        self._symbols = list(islice(kernel, MAX_SYMBOLS))
        self._symbols.sort(key=lambda symbol: symbol.address)
        self._addresses = [symbol.address for symbol in self._symbols]
        self._by_name: dict[bytes, int] = {}
        for symbol in self._symbols:
            self._by_name.setdefault(symbol.name, symbol.address)
        self._modules = list(modules)

    def add(self, modules: Iterable[ModuleText]) -> None:
        """Add modules, which can be found only with the kernel's own symbols."""
        self._modules += modules

    def find(self, name: str) -> int | None:
        """Return an address, None if the kernel has no such symbol."""
        return self._by_name.get(name.encode())

    def address(self, name: str) -> int:
        """Return an address; raise Problem if the kernel has no such symbol."""
        found = self.find(name)
        if found is None:
            raise Problem(
                f"the kernel's symbols lack {name}",
                "owners can be read from memory of kernels with CONFIG_KALLSYMS_ALL=y and CONFIG_SPARSEMEM_VMEMMAP=y; "
                "of others, give the text of /sys/kernel/debug/page_owner",
            )
        return found

    def text(self, address: int) -> bytes:
        """Return name+0xoffset/0xsize [module], or 0xaddress without symbol (__sprint_symbol(), kernel/kallsyms.c)."""
        for module in self._modules:
            if module.start <= address < module.end:
                return _text_in(module, address) or b"%#x" % address
        at = bisect_right(self._addresses, address)
        if not at or at == len(self._addresses):
            return b"%#x" % address
        start = self._addresses[at - 1]
        # Of several names of one address, the kernel prints the first.
        while at > 1 and self._addresses[at - 2] == start:
            at -= 1
        end = self._addresses[bisect_right(self._addresses, address)]
        return b"%b+%#x/%#x" % (self._symbols[at - 1].name, address - start, end - start)


# find_kallsyms_symbol() of kernel/module/kallsyms.c: the nearest symbol below, up to the next one or the end.
def _text_in(module: ModuleText, address: int) -> bytes | None:
    at = bisect_right(module.symbols, address, key=lambda symbol: symbol.address)
    if not at:
        return None
    end = module.symbols[at].address if at < len(module.symbols) else module.end
    start = module.symbols[at - 1].address
    while at > 1 and module.symbols[at - 2].address == start:
        at -= 1
    symbol = module.symbols[at - 1]
    return b"%b+%#x/%#x [%b]" % (symbol.name, address - start, min(end, module.end) - start, symbol.module)


def in_kallsyms(lines: Iterable[bytes]) -> list[Symbol]:
    """Return the symbols in the text of /proc/kallsyms; raise Problem if it hides the addresses."""
    found = []
    for line in islice(lines, MAX_SYMBOLS):
        words = line.split()
        if 3 <= len(words) <= 4 and len(words[0]) <= 16:
            try:
                address = int(words[0], 16)
            except ValueError:
                continue
            found.append(Symbol(address, words[2], words[3].strip(b"[]") if len(words) == 4 else b""))
    if not any(symbol.address for symbol in found):
        raise Problem(
            "kallsyms has no addresses", "copy /proc/kallsyms as root, not with sysctl kernel.kptr_restrict=2"
        )
    return found
