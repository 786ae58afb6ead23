# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: its memory, with the symbols and types that it publishes itself."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spo_trace.limits import MAX_BTF_BYTES
from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Image
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import SymbolTable, in_kallsyms

__all__ = ["pageblock_order", "published", "running_kernel"]

_BTF = Path("/sys/kernel/btf/vmlinux")
_KALLSYMS = Path("/proc/kallsyms")
_PAGETYPEINFO = Path("/proc/pagetypeinfo")

_PIECE = 1 << 18
_BLOCK_ORDER = re.compile(rb"^Page block order: (\d{1,2})$", re.MULTILINE)


def running_kernel(image: Image) -> Kernel:
    """Return the running kernel, read through `image`; raise Problem if it publishes no addresses or no types."""
    table, types = published()
    kernel = Kernel(image, table, types)
    table.add(loaded_modules(kernel))
    return kernel


def published(wanted: tuple[str, ...] | None = None) -> tuple[SymbolTable, Types]:
    """Return the symbols, without those of modules, and the types; raise Problem if the kernel publishes none.

    `wanted`: names of the only symbols that are needed.
    """
    try:
        with _BTF.open("rb") as file:
            types = Types(Btf(file.read(MAX_BTF_BYTES)))
        with _KALLSYMS.open("rb") as file:
            symbols = in_kallsyms(file) if wanted is None else in_kallsyms(_lines_of(file, wanted))
            table = SymbolTable(symbol for symbol in symbols if not symbol.module)
    except (OSError, ValueError, struct.error) as error:
        raise Problem(
            f"the kernel's types and symbols cannot be read: {error}",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y and CONFIG_KALLSYMS_ALL=y, or read through debugfs",
        ) from error
    return table, types


# A search for each name takes a tenth of the time of splitting 100,000 lines.
def _lines_of(file: BinaryIO, names: tuple[str, ...]) -> Iterator[bytes]:
    wanted, rest = [b" %b\n" % name.encode() for name in names], b""
    while piece := file.read(_PIECE):
        text = rest + piece
        end = text.rfind(b"\n") + 1
        for name in wanted:
            at = text.find(name, 0, end)
            while at >= 0:
                yield text[text.rfind(b"\n", 0, at) + 1 : at + len(name)]
                at = text.find(name, at + 1, end)
        rest = text[end:]


def pageblock_order(path: Path = _PAGETYPEINFO) -> int | None:
    """Return the order of a pageblock from /proc/pagetypeinfo, or from a copy; None if it does not tell."""
    try:
        with path.open("rb") as file:
            found = _BLOCK_ORDER.search(file.read(_PIECE))
    except OSError:
        return None
    return int(found[1]) if found else None
