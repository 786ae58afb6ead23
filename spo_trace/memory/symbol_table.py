# SPDX-License-Identifier: LGPL-2.1-or-later
"""All symbols of a kernel: addresses by name, and the text of an address as %pS prints it."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import BinaryIO, NamedTuple

from spo_trace.limits import MAX_SYMBOL_NAME_BYTES, MAX_SYMBOLS
from spo_trace.memory.problem import Problem
from spo_trace.memory.sorted_symbols import SortedSymbols, Symbol

__all__ = ["ModuleText", "SymbolTable", "in_kallsyms", "lines_in"]

_DIGITS = 16
# The name of a module has up to 55 bytes (MODULE_NAME_LEN).
_LONGEST_LINE = 2 * MAX_SYMBOL_NAME_BYTES


class ModuleText(NamedTuple):
    """Hold a range of memory with code of the module `name`, and its symbols."""

    start: int
    end: int
    name: bytes
    symbols: SortedSymbols


class SymbolTable:
    """Look up symbols of the kernel and, by address alone, of modules."""

    def __init__(self, kernel: Iterable[Symbol]) -> None:
        self._kernel = SortedSymbols(islice(kernel, MAX_SYMBOLS))
        self._modules: list[ModuleText] = []
        self._found: dict[str, int | None] = {}

    def set_modules(self, modules: Iterable[ModuleText]) -> None:
        """Replace the modules, which can be found only with the kernel's own symbols."""
        self._modules = list(modules)

    def find(self, name: str) -> int | None:
        """Return an address, None if the kernel has no such symbol."""
        # The names are read through for each search, and the same few are asked for again.
        if name not in self._found:
            self._found[name] = self._kernel.find(name.encode())
        return self._found[name]

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
        (start, name), end = self._kernel.below(address) or ((0, b""), None)
        if end is None:
            return b"%#x" % address
        return b"%b+%#x/%#x" % (name, address - start, end - start)


# find_kallsyms_symbol() of kernel/module/kallsyms.c: the nearest symbol below, up to the next one or the end.
def _text_in(module: ModuleText, address: int) -> bytes | None:
    found = module.symbols.below(address)
    if found is None:
        return None
    (start, name), after = found
    end = module.end if after is None else min(after, module.end)
    return b"%b+%#x/%#x [%b]" % (name, address - start, end - start, module.name)


def in_kallsyms(lines: Iterable[bytes]) -> Iterator[Symbol]:
    """Yield the kernel's own symbols in the text of /proc/kallsyms; raise Problem if it hides the addresses."""
    visible = False
    for line in lines:
        # A fourth word is the name of a module.
        words = line.split()
        if len(words) == 3 and (address := _address(words[0])) is not None and _is_name(words[2]):
            visible = visible or address != 0
            yield address, words[2]
    if not visible:
        raise Problem(
            "kallsyms has no addresses", "copy /proc/kallsyms as root, not with sysctl kernel.kptr_restrict=2"
        )


def lines_in(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of /proc/kallsyms or of a copy; too long ones in several pieces."""
    return iter(partial(file.readline, _LONGEST_LINE), b"")


def _address(word: bytes) -> int | None:
    try:
        return int(word, 16) if len(word) <= _DIGITS and word.isalnum() else None
    except ValueError:
        return None


def _is_name(word: bytes) -> bool:
    return len(word) < MAX_SYMBOL_NAME_BYTES and 0 not in word
