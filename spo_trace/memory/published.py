# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running kernel publishes of itself: symbols, types, and the list of its modules."""

import os
import struct
from collections.abc import Iterator
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from spo_trace.limits import MAX_BTF_BYTES, MAX_MODULES
from spo_trace.memory.block_sizes import pageblock_order
from spo_trace.memory.btf import Btf
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import SymbolTable, in_kallsyms, lines_in

__all__ = ["Published"]

_BTF = Path("/sys/kernel/btf/vmlinux")
_KALLSYMS = Path("/proc/kallsyms")
_PAGETYPEINFO = Path("/proc/pagetypeinfo")
_MODULES = Path("/proc/modules")
_MODULE_DIRECTORIES = Path("/sys/module")

_MACHINES = ("x86_64", "aarch64")
_PIECE = 1 << 18
# Enough for the names that a module uses, which are a part of its line.
_LONGEST_LINE = 1 << 12

_ModuleKey = frozenset[tuple[bytes, ...]]


class Published:
    """Hold the kernel's symbols and types, which stay as they are until it ends, and modules as they were last read.

    To read them takes longer than to read owners.
    """

    def __init__(self, wanted: tuple[str, ...] | None = None) -> None:
        """Read them; `wanted`: the names of the only symbols that are needed.

        Raise Problem, with the alternative, if the kernel publishes no addresses or no types.
        """
        machine = os.uname().machine
        if machine not in _MACHINES:
            raise Problem(f"owners cannot be read from memory on {machine}", f"{' and '.join(_MACHINES)} are supported")
        try:
            with _BTF.open("rb") as file:
                self.types = Types(Btf(file.read(min(os.fstat(file.fileno()).st_size, MAX_BTF_BYTES))))
            with _KALLSYMS.open("rb") as file:
                lines = lines_in(file) if wanted is None else _lines_of(file, wanted)
                self.symbols = SymbolTable(in_kallsyms(lines))
        except Problem as problem:
            hint = "run it as root, and not with sysctl kernel.kptr_restrict=2; or read through debugfs"
            raise Problem(f"/proc/kallsyms hides the kernel's addresses ({problem.message})", hint) from problem
        except (OSError, ValueError, struct.error) as error:
            found = f"the kernel's types and symbols cannot be read: {error}"
            if isinstance(error, FileNotFoundError) and error.filename == str(_BTF):
                found = f"the kernel has no types (BTF) in {_BTF}"
            hint = "use a kernel with CONFIG_DEBUG_INFO_BTF=y and CONFIG_KALLSYMS_ALL=y, or read through debugfs"
            raise Problem(found, hint) from error
        self._modules: _ModuleKey | None = None

    @cached_property
    def pageblock_order(self) -> int | None:
        """Return the order of a pageblock, None if /proc/pagetypeinfo does not tell.

        For each read of this file, the kernel looks at all pages (pagetypeinfo_showmixedcount(), mm/vmstat.c).
        """
        return pageblock_order(_PAGETYPEINFO)

    def update_modules(self, kernel: Kernel) -> None:
        """Read the modules in the memory of `kernel`, which has these symbols, unless they are the same as before."""
        # Before the modules themselves: if one changes meanwhile, the next key differs.
        key = _module_key()
        if key is None or key != self._modules:
            self.symbols.set_modules(loaded_modules(kernel))
            self._modules = key


# The lines of /proc/modules without the numbers of references, which change while a module stays as it is. A module
# that is loaded again, even at the same address, has another inode in /sys/module (kernfs numbers them in a cycle).
# None if one of the two cannot be read.
def _module_key() -> _ModuleKey | None:
    try:
        with _MODULES.open("rb") as file:
            lines = [line.split() for line in islice(iter(partial(file.readline, _LONGEST_LINE), b""), MAX_MODULES)]
        with os.scandir(_MODULE_DIRECTORIES) as entries:
            inodes = {(os.fsencode(entry.name), b"%d" % entry.inode()) for entry in entries}
    except OSError:
        return None
    return frozenset(inodes | {(*words[:2], *words[4:6]) for words in lines})


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
