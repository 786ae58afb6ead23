# SPDX-License-Identifier: LGPL-2.1-or-later
"""Symbols in order of address, in a few arrays: as objects of Python, 100,000 symbols take 20 MiB."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import islice
from operator import gt

from spo_trace.limits import MAX_SYMBOL_BYTES

__all__ = ["SortedSymbols", "Symbol"]

# Address and name. A tuple is made in half the time of a named one.
Symbol = tuple[int, bytes]


class SortedSymbols:
    """Hold 64-bit addresses, and names without NUL; symbols of one address stay in their order."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        """Take symbols, up to MAX_SYMBOL_BYTES; it takes less time if they are in order."""
        self._clear()
        self._take(symbols)
        if any(map(gt, self._addresses, islice(self._addresses, 1, None))):
            order = sorted(range(len(self)), key=self._addresses.__getitem__)
            found = [self[number] for number in order]
            self._clear()
            self._take(found)

    def __len__(self) -> int:
        """Return the number of symbols."""
        return len(self._addresses)

    def __getitem__(self, number: int) -> Symbol:
        """Return a symbol by its number from 0."""
        start = self._starts[number]
        return self._addresses[number], bytes(self._names[start : self._names.index(0, start)])

    def find(self, name: bytes) -> int | None:
        """Return the address of the first symbol of this name, None if there is none."""
        at = self._names.find(b"\0%b\0" % name)
        return None if at < 0 else self._addresses[bisect_left(self._starts, at + 1)]

    def below(self, address: int) -> tuple[Symbol, int | None] | None:
        """Return the nearest symbol at or below an address, and where the next one begins; None if there is none.

        Of several names of one address, the first is returned. There is no next one after the last address.
        """
        after = bisect_right(self._addresses, address)
        if not after:
            return None
        first = bisect_left(self._addresses, self._addresses[after - 1])
        return self[first], self._addresses[after] if after < len(self) else None

    def _clear(self) -> None:
        self._addresses, self._starts = array("Q"), array("I")
        # All names, between NULs.
        self._names = bytearray(b"\0")

    def _take(self, symbols: Iterable[Symbol]) -> None:
        addresses, starts, names = self._addresses, self._starts, self._names
        for address, name in symbols:
            if len(names) + len(name) > MAX_SYMBOL_BYTES:
                break
            addresses.append(address)
            starts.append(len(names))
            names += name
            names.append(0)
