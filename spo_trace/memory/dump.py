# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open a dump of any kind: the kernel in it, by virtual address."""

from collections.abc import Iterable
from typing import BinaryIO

from spo_trace.memory.elf_dump import ElfDump
from spo_trace.memory.image import Image, Unreadable
from spo_trace.memory.kallsyms import kernel_symbols
from spo_trace.memory.kdump import Kdump
from spo_trace.memory.kernel import Kernel, types_in
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.physical import Physical
from spo_trace.memory.problem import Problem
from spo_trace.memory.signatures import ELF
from spo_trace.memory.sorted_symbols import Symbol
from spo_trace.memory.symbol_table import SymbolTable
from spo_trace.memory.x86_64 import START_KERNEL_MAP, X86Image

__all__ = ["kernel_of", "open_dump"]


def open_dump(file: BinaryIO) -> Physical:
    """Return the content of a dump; raise Problem if it is damaged or of a machine that is not supported."""
    file.seek(0)
    kind = ElfDump if file.read(len(ELF)) == ELF else Kdump
    file.seek(0)
    dump: Physical = kind(file)
    if dump.machine != "x86_64":
        raise Problem(
            f"this is a dump of {dump.machine}; dumps of x86_64 are supported",
            "give the text of /sys/kernel/debug/page_owner of that machine",
        )
    return dump


def kernel_of(dump: Physical, symbols: Iterable[Symbol] | None = None) -> Kernel:
    """Return the kernel in a dump; raise Problem if it cannot be found.

    `symbols`: those of /proc/kallsyms of the same boot, for a dump without VMCOREINFO.
    """
    known = None if symbols is None else SymbolTable(symbols)
    image = _image(dump, known)
    table = known or SymbolTable(kernel_symbols(image))
    kernel = Kernel(image, table, types_in(image, table))
    table.set_modules(loaded_modules(kernel))
    return kernel


def _image(dump: Physical, symbols: SymbolTable | None) -> Image:
    info = dump.vmcoreinfo
    tables, five = dump.page_tables, dump.five_levels
    root, base = info.symbol("swapper_pg_dir"), info.number("NUMBER(phys_base)")
    if root is not None and base is not None:
        tables = (root - START_KERNEL_MAP + base,)
        five = info.number("NUMBER(pgtable_l5_enabled)") == 1
    probe = info.symbol("init_uts_ns") or (symbols.find("init_uts_ns") if symbols else None)
    if not tables or probe is None:
        raise Problem("the dump does not tell where the kernel is: it has no VMCOREINFO", _NO_VMCOREINFO)
    for table in tables:
        image = X86Image(dump, table, five_levels=five)
        try:
            image.read(probe, 8)
        except Unreadable:
            continue
        return image
    raise Problem("the kernel's page tables are not in the dump", "take a dump without filtering kernel pages")


_NO_VMCOREINFO = (
    "with QEMU, add -device vmcoreinfo before the guest boots; or also give a copy of /proc/kallsyms of the same boot"
)
