# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: its memory, with the symbols and types that it publishes itself."""

from pathlib import Path

from spo_trace.limits import MAX_BTF_BYTES
from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Image
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import ModuleText, Symbol, SymbolTable, in_kallsyms

__all__ = ["running_kernel"]

_BTF = Path("/sys/kernel/btf/vmlinux")
_KALLSYMS = Path("/proc/kallsyms")
_MODULES = Path("/proc/modules")


def running_kernel(image: Image) -> Kernel:
    """Return the running kernel, read through `image`; raise Problem if it publishes no addresses or no types."""
    if not _BTF.exists():
        raise Problem(f"there is no {_BTF}", "use a kernel with CONFIG_DEBUG_INFO_BTF=y, or read through debugfs")
    with _KALLSYMS.open("rb") as file:
        symbols = in_kallsyms(file)
    table = SymbolTable((symbol for symbol in symbols if not symbol.module), _modules(symbols))
    with _BTF.open("rb") as file:
        return Kernel(image, table, Types(Btf(file.read(MAX_BTF_BYTES))))


# /proc/modules has the base and the size of each module's core. Symbols of BPF programs and trampolines, which
# kallsyms lists as modules, too, have no size there.
def _modules(symbols: list[Symbol]) -> list[ModuleText]:
    by_module: dict[bytes, list[Symbol]] = {}
    for symbol in symbols:
        if symbol.module and symbol.address:
            by_module.setdefault(symbol.module, []).append(symbol)
    found = []
    for line in _MODULES.read_bytes().splitlines() if _MODULES.exists() else []:
        words = line.split()
        own = sorted(by_module.get(words[0], []), key=lambda symbol: symbol.address)
        if len(words) >= 6 and own:
            start = int(words[5], 16)
            found.append(ModuleText(start, max(start + int(words[1]), own[-1].address + 1), own))
    return found
