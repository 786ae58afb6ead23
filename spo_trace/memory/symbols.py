# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/kallsyms: the addresses of the kernel's functions and variables."""

from collections.abc import Collection, Iterable

from spo_trace.memory.problem import Problem

__all__ = ["VARIABLES", "KernelSymbols"]

# The variables that are read to find the owner and the stack of a page; each kernel has only some of them.
VARIABLES = ("mem_section", "vmemmap_base", "page_ext_size", "page_owner_ops", "stack_pools", "stack_slabs")

_HIDDEN = "run it as root, and not with sysctl kernel.kptr_restrict=2"


class KernelSymbols:
    """Hold the addresses of the `wanted` names in the kernel itself, without those in modules."""

    def __init__(self, lines: Iterable[str], wanted: Collection[str]) -> None:
        """Read /proc/kallsyms; raise Problem if it hides the addresses."""
        self._addresses: dict[str, list[int]] = {}
        for line in lines:
            fields = line.split()
            if len(fields) == 3 and fields[2] in wanted:
                self._addresses.setdefault(fields[2], []).append(int(fields[0], 16))
        if self._addresses and not any(map(any, self._addresses.values())):
            raise Problem("/proc/kallsyms hides the kernel's addresses", _HIDDEN)

    def names(self) -> set[str]:
        """Return the names that were found."""
        return set(self._addresses)

    def find(self, name: str) -> int | None:
        """Return an address, None if the kernel has no such symbol."""
        return self._addresses.get(name, [None])[0]

    def address(self, name: str) -> int:
        """Return an address; raise Problem if the kernel has no such symbol."""
        found = self.find(name)
        if found is None:
            raise Problem(
                f"/proc/kallsyms has no {name}, which is needed to find the owners of pages",
                "use a kernel with CONFIG_KALLSYMS_ALL=y and CONFIG_SPARSEMEM_VMEMMAP=y, or count events: `trace 1`",
            )
        return found

    def all_of(self, name: str) -> list[int]:
        """Return the addresses of all symbols with this name (static functions may share one)."""
        return self._addresses.get(name, [])
