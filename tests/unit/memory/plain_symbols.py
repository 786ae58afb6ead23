# SPDX-License-Identifier: LGPL-2.1-or-later
"""A table of symbols as plain objects: the same answers as SymbolTable, without its arrays."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["PlainSymbol", "PlainTable", "plain_kallsyms"]


class PlainSymbol(NamedTuple):
    """Hold a symbol; `module`: empty for the kernel itself."""

    address: int
    name: bytes
    module: bytes = b""


class PlainTable:
    """Look up symbols one by one."""

    def __init__(self, kernel: Iterable[PlainSymbol], modules: Iterable[tuple[int, int, list[PlainSymbol]]]) -> None:
        """Take the kernel's own symbols, and of each module the first and the last address and the symbols."""
        self._symbols = sorted(kernel, key=lambda symbol: symbol.address)
        self._by_name = {symbol.name: symbol.address for symbol in reversed(self._symbols)}
        self._modules = list(modules)

    def find(self, name: str) -> int | None:
        """Return an address, None if the kernel has no such symbol."""
        return self._by_name.get(name.encode())

    def text(self, address: int) -> bytes:
        """Return the text of %pS."""
        for start, end, symbols in self._modules:
            if start <= address < end:
                return _text(symbols, address, end) or b"%#x" % address
        last = self._symbols[-1].address if self._symbols else 0
        return _text(self._symbols, address, last) if address < last else b"%#x" % address


def _text(symbols: Sequence[PlainSymbol], address: int, end: int) -> bytes:
    below = [symbol for symbol in symbols if symbol.address <= address]
    if not below:
        return b"%#x" % address
    nearest = max(symbol.address for symbol in below)
    first = next(symbol for symbol in below if symbol.address == nearest)
    after = min([symbol.address for symbol in symbols if symbol.address > address] + [end])
    text = b"%b+%#x/%#x" % (first.name, address - nearest, after - nearest)
    return text + (b" [%b]" % first.module.strip(b"[]") if first.module else b"")


def plain_kallsyms(text: bytes) -> list[PlainSymbol]:
    """Return the symbols of the text of /proc/kallsyms."""
    found = []
    for words in (line.split() for line in text.split(b"\n")):
        if 3 <= len(words) <= 4 and len(words[0]) <= 16 and _HEXADECIMAL.fullmatch(words[0]):
            found.append(PlainSymbol(int(words[0], 16), words[2], *words[3:]))
    return found


_HEXADECIMAL = re.compile(rb"(0[xX])?[0-9a-fA-F]+")
