# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a stack: names of functions and modules, without offsets, sizes and compiler suffixes."""

import re

__all__ = ["UNKNOWN", "function_name", "module_name"]

# The name for functions whose address the kernel could not resolve.
UNKNOWN = "[unknown]"

# Before the name: "[<address>] " (up to 4.9), and the dot of ppc64's ELFv1. After it: a compiler suffix (no C name has
# a dot, and Rust's legacy names have two in a row), the hash of clang's ThinLTO, offset and size (gdb and 2.6.11-mm: a
# decimal offset), and the module.
_NOT_NAME = re.compile(r"^(?:\[<[^>]*>\] *)?\.?|(?:(?<!\.)\.(?!\.)|\$[0-9a-f]{8,}(?=[.+ ]|$)|\+(?:0x|\d+$)| \[).*")
# With CONFIG_STACKTRACE_BUILD_ID, the kernel prints the module's build ID after its name.
_MODULE = re.compile(r" \[(?P<name>[^\s\]]+)[^\]]*\]$")
# What %pS prints without a symbol: the address, or "(null)" for address 0.
_UNRESOLVED = re.compile(r"0x[0-9a-f]+$|\(null\)$")


def function_name(frame: str) -> str:
    """
    Return the name of the function, which is the same for every build of a kernel.

    >>> function_name("mas_insert.isra.0+0x44/0x99")
    'mas_insert'
    >>> function_name("ttm_dma_populate+0x502/0x900 [ttm]")
    'ttm_dma_populate'

    Compiler suffixes (.isra.0, .constprop.0, .part.0, .cold, .llvm.123, .cfi_jt) are removed, because they depend on
    the compiler and its options. So is the dot before names in ppc64's ELFv1. Addresses without a symbol differ at
    each boot and become "[unknown]", as does "(null)".
    """
    name = _NOT_NAME.sub("", frame.strip())
    return UNKNOWN if _UNRESOLVED.match(name) else name


def module_name(frame: str) -> str:
    """
    Return the name in brackets without its build ID; "" for the kernel itself.

    >>> module_name("ttm_dma_populate+0x502/0x900 [ttm]")
    'ttm'
    """
    match = _MODULE.search(frame.strip())
    return match["name"] if match else ""
