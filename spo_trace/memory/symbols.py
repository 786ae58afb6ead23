# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/kallsyms: the addresses of the kernel's functions and variables."""

from collections.abc import Collection, Iterable, Iterator

from spo_trace.memory.problem import Problem

__all__ = ["VARIABLES", "KernelSymbols"]

# The variables that are read to find the owner and the stack of a page; each kernel has only some of them.
VARIABLES = ("mem_section", "vmemmap_base", "page_ext_size", "page_owner_ops", "stack_pools", "stack_slabs")

_HIDDEN = "run it as root, and not with sysctl kernel.kptr_restrict=2"


class KernelSymbols:
    """Hold the addresses of the `wanted` names in the kernel itself, without those in modules."""

    def __init__(self, parts: Iterable[bytes], wanted: Collection[str]) -> None:
        """Read parts of /proc/kallsyms, in their order; raise Problem if it hides the addresses."""
        self._addresses: dict[str, list[int]] = {}
        names = frozenset(name.encode() for name in wanted)
        for words in _words(parts):
            # A part of a kernel's 100,000 lines has few of the names, and most have none.
            if not names.isdisjoint(words[2::3]):
                for address, name in zip(words[::3], words[2::3], strict=True):
                    if name in names:
                        self._addresses.setdefault(name.decode(), []).append(int(address, 16))
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


# Yield the address, type and name of each symbol of the kernel, one after the other, for some whole lines at a time.
# Symbols of modules come after those of the kernel, and their lines have a fourth field: [module].
def _words(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = b""
    for part in parts:
        lines, _, rest = (rest + part).rpartition(b"\n")
        kernel, has_module, _ = lines.partition(b"\t[")
        if has_module:
            yield kernel[: kernel.rfind(b"\n") + 1].split()
            return
        yield lines.split()
