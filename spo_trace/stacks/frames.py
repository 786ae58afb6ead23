# SPDX-License-Identifier: LGPL-2.1-or-later
"""A frame of a stack: the name of its function and of its module, without offset, size and compiler suffixes."""

import re

__all__ = ["UNKNOWN", "function_name", "module_name"]

# The name of a function whose address the kernel could not resolve.
UNKNOWN = "[unknown]"

# Before the name: "[<address>] " (up to 4.9), and the dot of ppc64's ELFv1. After it: a compiler suffix (no C name has
# a dot, and Rust's legacy names have two in a row), the hash of clang's ThinLTO, offset and size (gdb and 2.6.11-mm: a
# decimal offset), and the module.
_NOT_NAME = re.compile(r"^(?:\[<[^>]*>\] *)?\.?|(?:(?<!\.)\.(?!\.)|\$[0-9a-f]{8,}(?=[.+ ]|$)|\+(?:0x|\d+$)| \[).*")
# Kernels may be built to print the module's build id after its name.
_MODULE = re.compile(r" \[(?P<name>[^\s\]]+)[^\]]*\]$")
# What %pS prints without a symbol: the address, or "(null)" for address 0.
_UNRESOLVED = re.compile(r"0x[0-9a-f]+$|\(null\)$")


def function_name(frame: str) -> str:
    """
    Return the function's name alone, the same for every build of a kernel.

    >>> function_name("mas_insert.isra.0+0x44/0x99")
    'mas_insert'
    >>> function_name("ttm_dma_populate+0x502/0x900 [ttm]")
    'ttm_dma_populate'

    Compiler suffixes (.isra.0, .constprop.0, .part.0, .cold, .llvm.123, .cfi_jt) are dropped: compiler and options
    decide on them, not the source. ppc64's ELFv1 has a dot before the name. An address without a symbol differs at
    each boot, so it becomes "[unknown]", as does "(null)".
    """
    name = _NOT_NAME.sub("", frame.strip())
    return UNKNOWN if _UNRESOLVED.match(name) else name


def module_name(frame: str) -> str:
    """
    Return the name in brackets, without a build id; "" for the kernel itself.

    >>> module_name("ttm_dma_populate+0x502/0x900 [ttm]")
    'ttm'
    """
    match = _MODULE.search(frame.strip())
    return match["name"] if match else ""
