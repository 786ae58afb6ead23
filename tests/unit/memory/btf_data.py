# SPDX-License-Identifier: LGPL-2.1-or-later
"""A builder for BTF like a kernel's: nested structures, bit fields, an enum, functions."""

import struct

__all__ = ["Builder", "kernel_btf"]


class Builder:
    """Append types; each method returns the number of the new type."""

    def __init__(self) -> None:
        self._types = bytearray()
        self._strings = bytearray(b"\0")
        self._number = 0

    def integer(self, name: str, size: int) -> int:
        """Add an unsigned integer of `size` bytes."""
        return self._add(name, 1, 0, size, struct.pack("<I", size * 8))

    def structure(
        self, name: str, size: int, *members: tuple[str, int, int], union: bool = False, bit_fields: bool = False
    ) -> int:
        """Add a structure; members are (name, type, offset in bits)."""
        body = b"".join(struct.pack("<III", self._text(m), kind, bits) for m, kind, bits in members)
        return self._add(name, 5 if union else 4, len(members) | bit_fields << 31, size, body)

    def enum(self, name: str, **values: int) -> int:
        """Add an enum."""
        body = b"".join(struct.pack("<Ii", self._text(key), value) for key, value in values.items())
        return self._add(name, 6, len(values), 4, body)

    def function(self, name: str) -> int:
        """Add a function without parameters, and its prototype."""
        prototype = self._add("", 13, 0, 0, b"")
        return self._add(name, 12, 1, prototype, b"")

    def array(self, kind: int) -> int:
        """Add an array of 16 of type `kind`."""
        return self._add("", 3, 0, 0, struct.pack("<III", kind, kind, 16))

    def data(self) -> bytes:
        """Return the BTF with its header."""
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._strings))
        return header + bytes(self._types) + bytes(self._strings)

    def _add(self, name: str, kind: int, info: int, size: int, body: bytes) -> int:
        self._types += struct.pack("<III", self._text(name), info | kind << 24, size) + body
        self._number += 1
        return self._number

    def _text(self, text: str) -> int:
        if not text:
            return 0
        at = len(self._strings)
        self._strings += text.encode() + b"\0"
        return at


def kernel_btf() -> bytes:
    """Return the structures that the probes look up, as in Linux 7.2."""
    b = Builder()
    u16, u32, u64 = b.integer("u16", 2), b.integer("u32", 4), b.integer("unsigned long", 8)
    comm = b.array(b.integer("char", 1))
    entry = b.structure("swp_entry", 8, ("val", u64, 0))
    inner = b.structure("", 8, ("private", u64, 0), ("swap", entry, 0), union=True)
    first = b.structure("", 64, ("flags", u64, 0), ("", inner, 0x28 * 8))
    second = b.structure("", 64, ("_flags_1", u64, 0))
    b.structure("folio", 128, ("", first, 0), ("", second, 64 * 8))
    b.structure("page", 64, ("flags", u64, 0), ("private", u64, 0x28 * 8))
    b.enum("pageflags", PG_locked=0, PG_head=6, PG_swapbacked=17)
    b.structure("vm_area_struct", 192, ("vm_mm", u64, 0x10 * 8))
    b.structure("mm_struct", 1024, ("owner", u64, 0x1A0 * 8))
    b.structure("task_struct", 4096, ("comm", comm, 0xBC0 * 8))
    b.enum("page_ext_flags", PAGE_EXT_OWNER=0, PAGE_EXT_OWNER_ALLOCATED=1)
    b.structure("mem_section", 32, ("section_mem_map", u64, 0), ("usage", u64, 64), ("page_ext", u64, 128))
    b.structure(
        "page_owner", 64, ("order", u16, 0), ("handle", u32, 64), ("ts_nsec", u64, 128), ("comm", comm, 256),
        ("pid", u32, 384), ("tgid", u32, 416),
    )  # fmt: skip
    b.structure(
        "handle_parts", 4, ("pool_index_plus_1", u32, 17 << 24), ("offset", u32, 10 << 24 | 17), bit_fields=True
    )
    b.function("swap_writeout")
    b.function("swap_read_folio")
    return b.data()
