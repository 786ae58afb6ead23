# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: its memory, with the symbols and types that it publishes itself."""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO

from spo_trace.limits import MAX_BTF_BYTES
from spo_trace.memory.block_sizes import block_order
from spo_trace.memory.bpf import BpfImage
from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.owner_layout import OwnerLayout, find_owners
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import SymbolTable, in_kallsyms, lines_in

__all__ = ["pageblock_order", "running_kernel"]

_BTF = Path("/sys/kernel/btf/vmlinux")
_KALLSYMS = Path("/proc/kallsyms")
_PAGETYPEINFO = Path("/proc/pagetypeinfo")

_MACHINES = ("x86_64", "aarch64")
_PIECE = 1 << 18

# In order of preference: kcore needs less of the kernel for a small read.
_IMAGES: tuple[Callable[[], KcoreImage | BpfImage], ...] = (KcoreImage, BpfImage)


def running_kernel(images: ExitStack, wanted: tuple[str, ...] | None = None) -> tuple[Kernel, OwnerLayout]:
    """Return the running kernel, and where it keeps owners; `images` closes its memory.

    `wanted`: names of the only symbols that are needed, by default all, and those of modules. Raise Problem, with the
    alternative, if memory cannot be read, or if the kernel publishes no addresses or no types.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise Problem(f"owners cannot be read from memory on {machine}", f"{' and '.join(_MACHINES)} are supported")
    symbols, types = _published(wanted)
    order = pageblock_order()
    problems: list[Problem] = []
    for open_image in _IMAGES:
        try:
            image = open_image()
        except Problem as problem:
            problems.append(problem)
            continue
        kernel = Kernel(images.enter_context(closing(image)), symbols, types)
        try:
            layout = find_owners(kernel, order)
        except Unreadable as problem:
            # /proc/kcore may lack some memory.
            problems.append(problem)
            continue
        if wanted is None:
            symbols.set_modules(loaded_modules(kernel))
        return kernel, layout
    messages = dict.fromkeys(problem.message for problem in problems)
    raise Problem("; ".join(messages), problems[-1].hint)


def _published(wanted: tuple[str, ...] | None) -> tuple[SymbolTable, Types]:
    try:
        with _BTF.open("rb") as file:
            types = Types(Btf(file.read(MAX_BTF_BYTES)))
        with _KALLSYMS.open("rb") as file:
            lines = lines_in(file) if wanted is None else _lines_of(file, wanted)
            return SymbolTable(in_kallsyms(lines)), types
    except Problem as problem:
        hint = "run it as root, and not with sysctl kernel.kptr_restrict=2; or read through debugfs"
        raise Problem(f"/proc/kallsyms hides the kernel's addresses ({problem.message})", hint) from problem
    except (OSError, ValueError, struct.error) as error:
        raise Problem(
            f"the kernel's types and symbols cannot be read: {error}",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y and CONFIG_KALLSYMS_ALL=y, or read through debugfs",
        ) from error


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
            return block_order(file.read(_PIECE))
    except OSError:
        return None
