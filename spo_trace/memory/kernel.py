# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel to read: its memory, its symbols and its types."""

import struct
from typing import NamedTuple

from spo_trace.limits import MAX_BTF_BYTES
from spo_trace.memory.btf import Btf
from spo_trace.memory.image import Image, Unreadable
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbol_table import SymbolTable

__all__ = ["Kernel", "Types", "types_in"]


class Types:
    """Look up what must exist in the kernel's types; raise Problem, with the name, if it does not."""

    def __init__(self, btf: Btf) -> None:
        self.btf = btf

    def offset(self, name: str, *members: str) -> int:
        """Return the offset of the first of `members` that struct or union `name` has."""
        for member in members:
            found = self.btf.offset(name, member)
            if found is not None:
                return found
        raise _missing(f"struct {name} has no {' or '.join(members)}")

    def size(self, name: str) -> int:
        """Return the size of struct or union `name`, from 1 to 1 MiB."""
        found = self.btf.size(name)
        if found is None or not 0 < found <= 1 << 20:
            raise _missing(f"there is no struct {name}")
        return found

    def length(self, name: str, member: str) -> int:
        """Return the number of elements of an array in struct `name`."""
        found = self.btf.length(name, member)
        if found is None:
            raise _missing(f"struct {name} has no array {member}")
        return found

    def value(self, name: str) -> int:
        """Return the value of an enumerator."""
        found = self.btf.enumerator(name)
        if found is None:
            raise _missing(f"there is no enumerator {name}")
        return found


class Kernel(NamedTuple):
    """Hold what the rules need."""

    image: Image
    symbols: SymbolTable
    types: Types

    def variable(self, name: str) -> int:
        """Return the 64-bit value of a variable."""
        return self.image.u64(self.symbols.address(name))


def types_in(image: Image, symbols: SymbolTable) -> Types:
    """Return the types of the kernel, from the BTF in its memory; raise Problem if it has none."""
    start, end = symbols.find("__start_BTF"), symbols.find("__stop_BTF")
    if start is None or end is None or not 0 < end - start <= MAX_BTF_BYTES:
        raise Problem("the kernel's memory has no types (BTF)", _NO_BTF)
    try:
        return Types(Btf(image.read(start, end - start)))
    except Unreadable as error:
        raise Problem(
            "the kernel's types (BTF) are not in the dump", "take a dump without filtering kernel pages"
        ) from error
    except (ValueError, IndexError, struct.error) as error:
        raise Problem("the kernel's types (BTF) are damaged", "take another dump") from error


def _missing(what: str) -> Problem:
    return Problem(f"this kernel keeps the owners of pages in another way: {what}", _NO_BTF)


_NO_BTF = (
    "owners can be read from memory of kernels from 5.18 on with CONFIG_DEBUG_INFO_BTF=y; of others, give the text of "
    "/sys/kernel/debug/page_owner"
)
