# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's tables of names, and the text of flags as %pGg and %pGp print them (format_flags(), lib/vsprintf.c)."""

from typing import NamedTuple

from spo_trace.limits import MAX_FLAG_NAMES
from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel

__all__ = ["FlagNames", "PageFlags", "gfp_names", "names_in", "page_flags"]

_NAME_BYTES = 64


class FlagNames(NamedTuple):
    """Hold a table of masks and names (struct trace_print_flags), in its order."""

    rows: tuple[tuple[int, bytes], ...]

    def text(self, flags: int) -> bytes:
        """Return the names joined by |; what has no name follows as a number."""
        found = []
        for mask, name in self.rows:
            if flags and flags & mask == mask:
                found.append(name)
                flags &= ~mask
        if flags:
            found.append(b"%#x" % flags)
        return b"|".join(found)


class _Field(NamedTuple):
    name: bytes
    shift: int
    mask: int
    decimal: bool


class PageFlags(NamedTuple):
    """Hold how page->flags are printed: names of the lowest bits, then fields such as node and zone."""

    names: FlagNames
    named_mask: int
    fields: tuple[_Field, ...]

    def text(self, flags: int) -> bytes:
        """Return 0xflags(names|field=number…)."""
        parts = [self.names.text(flags & self.named_mask)] if flags & self.named_mask else []
        for field in self.fields:
            value = flags >> field.shift & field.mask
            parts.append(b"%b=%b" % (field.name, b"%d" % value if field.decimal else b"%#x" % value))
        return b"%#x(%b)" % (flags, b"|".join(parts))


def gfp_names(kernel: Kernel) -> FlagNames:
    """Return the names of GFP flags."""
    return _flag_names(kernel, "gfpflag_names")


def page_flags(kernel: Kernel) -> PageFlags:
    """Return the names and fields of page flags."""
    count = min(max(kernel.types.value("__NR_PAGEFLAGS"), 0), 64)
    return PageFlags(_flag_names(kernel, "pageflag_names"), (1 << count) - 1, tuple(_fields(kernel)))


def names_in(kernel: Kernel, symbol: str, count: int) -> list[bytes]:
    """Return the strings of an array of `count` pointers."""
    at = kernel.symbols.address(symbol)
    count = min(max(count, 0), MAX_FLAG_NAMES)
    return [kernel.image.string(kernel.image.u64(at + 8 * number), _NAME_BYTES) for number in range(count)]


def _flag_names(kernel: Kernel, symbol: str) -> FlagNames:
    at, rows = kernel.symbols.address(symbol), []
    for number in range(MAX_FLAG_NAMES):
        mask, name = kernel.image.u64(at + 16 * number), kernel.image.u64(at + 16 * number + 8)
        if not name:
            break
        rows.append((mask, kernel.image.string(name, _NAME_BYTES)))
    return FlagNames(tuple(rows))


# `pff` of lib/vsprintf.c: width, shift, mask, printf_spec, name.
def _fields(kernel: Kernel) -> list[_Field]:
    types, image = kernel.types, kernel.image
    table, decimal = kernel.symbols.find("pff"), kernel.symbols.find("default_dec_spec")
    # c244297acbe5, 5.13: the fields are printed.
    if table is None or types.btf.size("page_flags_fields") is None:
        return []
    size, found = types.size("page_flags_fields"), []
    width, shift, mask, spec, name = (
        types.offset("page_flags_fields", member) for member in ("width", "shift", "mask", "spec", "name")
    )
    # Its length is in no type: section, node, zone, lastcpupid, kasantag; and gen, ref of MGLRU are not in it.
    for number in range(5):
        at = table + number * size
        try:
            if image.u32(at + width):
                text = image.string(image.u64(at + name), _NAME_BYTES)
                is_decimal = image.u64(at + spec) == decimal
                found.append(_Field(text, image.u32(at + shift) & 63, image.u32(at + mask), is_decimal))
        except Unreadable:
            break
    return found
