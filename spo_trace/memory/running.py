# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running kernel: its memory, with the symbols and types that it publishes itself."""

import struct
from pathlib import Path

from spo_trace.limits import MAX_BTF_BYTES
from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Image
from spo_trace.memory.kernel import Kernel, Types
from spo_trace.memory.modules import loaded_modules
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import SymbolTable, in_kallsyms

__all__ = ["running_kernel"]

_BTF = Path("/sys/kernel/btf/vmlinux")
_KALLSYMS = Path("/proc/kallsyms")


def running_kernel(image: Image) -> Kernel:
    """Return the running kernel, read through `image`; raise Problem if it publishes no addresses or no types."""
    try:
        with _BTF.open("rb") as file:
            types = Types(Btf(file.read(MAX_BTF_BYTES)))
        with _KALLSYMS.open("rb") as file:
            table = SymbolTable(symbol for symbol in in_kallsyms(file) if not symbol.module)
    except (OSError, ValueError, struct.error) as error:
        raise Problem(
            f"the kernel's types and symbols cannot be read: {error}",
            "use a kernel with CONFIG_DEBUG_INFO_BTF=y and CONFIG_KALLSYMS_ALL=y, or read through debugfs",
        ) from error
    kernel = Kernel(image, table, types)
    table.add(loaded_modules(kernel))
    return kernel
