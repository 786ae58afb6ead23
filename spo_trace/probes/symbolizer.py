# SPDX-License-Identifier: LGPL-2.1-or-later
"""Kernel addresses as the text that the kernel's %pS prints: `symbol+0xoffset/0xsize [module]`."""

from bisect import bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from spo_trace.errors import SpoTraceError

__all__ = ["Symbolizer", "live_symbolizer"]


class _Symbol(NamedTuple):
    name: str
    module: str


class Symbolizer:
    """Hold /proc/kallsyms: for each address the name that the kernel finds first."""

    def __init__(self, kallsyms: Iterable[str], modules: Iterable[str] = ()) -> None:
        """Read the lines of /proc/kallsyms, and those of /proc/modules for the ends of modules.

        Raise SpoTraceError if the addresses are hidden.
        """
        # Reversed, so that the first of several aliases wins, as in kallsyms_lookup().
        by_address = {int(line.partition(" ")[0], 16): line for line in reversed(list(kallsyms))}
        if len(by_address) <= 1:
            raise SpoTraceError("/proc/kallsyms hides the kernel's addresses", hint=_HIDDEN)
        self._addresses = sorted(by_address)
        # Stacks contain few of the symbols: a line is parsed when it is needed.
        self._lines = [by_address[address] for address in self._addresses]
        self._module_ends = dict(map(_module_end, modules))
        self._known: dict[tuple[int, ...], bytes] = {}

    def frame(self, address: int) -> str:
        """Return the text of %pS for an address (sprint_symbol(), kernel/kallsyms.c)."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return f"{address:#x}"
        start, symbol = self._addresses[index], self._symbol(index)
        end = self._end(index, symbol)
        if end is None or address >= end:
            return f"{address:#x}"
        text = f"{symbol.name}+{address - start:#x}/{end - start:#x}"
        # The kernel prints no module for a BPF program.
        return f"{text} [{symbol.module}]" if symbol.module not in ("", "bpf") else text

    def knows(self, name: str) -> bool:
        """Return whether the kernel or a module has a symbol with this name (of several aliases, the first)."""
        return any(line.split(None, 3)[2] == name for line in self._lines)

    def block(self, addresses: tuple[int, ...]) -> bytes:
        """Return a stack as the lines that page_owner prints."""
        if addresses not in self._known:
            self._known[addresses] = b"".join(b" %b\n" % self.frame(address).encode() for address in addresses)
        return self._known[addresses]

    def _symbol(self, index: int) -> _Symbol:
        name, _, module = self._lines[index].split(None, 2)[2].partition("\t")
        return _Symbol(name.strip(), module.strip().strip("[]"))

    # A symbol ends at the next one; the last one of a module ends with the module.
    def _end(self, index: int, symbol: _Symbol) -> int | None:
        following = index + 1
        if following < len(self._addresses) and self._symbol(following).module == symbol.module:
            return self._addresses[following]
        if symbol.module in self._module_ends:
            return self._module_ends[symbol.module]
        return self._addresses[following] if following < len(self._addresses) and not symbol.module else None


# NAME SIZE REFERENCES USERS STATE ADDRESS
def _module_end(line: str) -> tuple[str, int]:
    name, size, _, _, _, address = line.split()[:6]
    return name, int(address, 16) + int(size)


_HIDDEN = "run it as root, and not with sysctl kernel.kptr_restrict=2"


def live_symbolizer() -> Symbolizer:
    """Return the symbols of the running kernel."""
    modules = Path("/proc/modules")
    with Path("/proc/kallsyms").open(errors="replace") as lines:
        return Symbolizer(lines, modules.read_text().splitlines() if modules.exists() else ())
