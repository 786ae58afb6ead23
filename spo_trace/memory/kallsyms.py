# SPDX-License-Identifier: LGPL-2.1-or-later
"""The kernel's own symbol table in its memory (kernel/kallsyms.c), found by VMCOREINFO (f09bddbd8661, 6.0)."""

import struct
from collections.abc import Iterator

from spo_trace.limits import MAX_SYMBOL_NAME_BYTES, MAX_SYMBOLS
from spo_trace.memory.image import Image
from spo_trace.memory.problem import Problem
from spo_trace.memory.sorted_symbols import Symbol

__all__ = ["kernel_symbols"]

_TOKENS = 256
# The longest expansion of all tokens, far above what scripts/kallsyms.c makes.
_TOKEN_TABLE_BYTES = 1 << 16
_WORD = (1 << 64) - 1


def kernel_symbols(image: Image) -> Iterator[Symbol]:
    """Yield the symbols in their order; raise Problem if VMCOREINFO does not tell where they are."""
    info = image.vmcoreinfo
    names_at, offsets_at = info.symbol("kallsyms_names"), info.symbol("kallsyms_offsets")
    count_at, table_at = info.symbol("kallsyms_num_syms"), info.symbol("kallsyms_token_table")
    index_at = info.symbol("kallsyms_token_index")
    if not (names_at and offsets_at and count_at and table_at and index_at):
        raise Problem(
            "the memory does not tell where the kernel's symbols are (VMCOREINFO has no kallsyms)", _NO_SYMBOLS
        )
    count = image.u32(count_at)
    if not 0 < count <= MAX_SYMBOLS:
        raise Problem(f"the kernel's table of symbols is damaged: it has {count:,}", "take another dump")
    tokens = _tokens(image, table_at, index_at)
    addresses = _addresses(image, offsets_at, count)
    yield from zip(addresses, _names(image, names_at, count, tokens), strict=True)


def _tokens(image: Image, table_at: int, index_at: int) -> list[bytes]:
    index = struct.unpack(f"<{_TOKENS}H", image.read(index_at, 2 * _TOKENS))
    table = bytes(image.read_filled(table_at, _TOKEN_TABLE_BYTES)[0])
    return [table[start : table.find(b"\0", start)] for start in index]


# Three encodings: relative to each offset itself (seen on 7.2); before, to kallsyms_relative_base, and with
# CONFIG_KALLSYMS_ABSOLUTE_PERCPU only if negative. _stext, in VMCOREINFO too, tells which one is right.
def _addresses(image: Image, offsets_at: int, count: int) -> list[int]:
    signed = struct.unpack(f"<{count}i", image.read(offsets_at, 4 * count))
    base_at = image.vmcoreinfo.symbol("kallsyms_relative_base")
    if base_at is None:
        return [offsets_at + 4 * at + offset & _WORD for at, offset in enumerate(signed)]
    base = image.u64(base_at)
    relative = [base + (offset & 0xFFFFFFFF) & _WORD for offset in signed]
    absolute = [offset if offset >= 0 else base - 1 - offset & _WORD for offset in signed]
    start = image.vmcoreinfo.symbol("_stext")
    return absolute if start in absolute and start not in relative else relative


def _names(image: Image, names_at: int, count: int, tokens: list[bytes]) -> Iterator[bytes]:
    # A name takes at least 2 bytes; most take 10.
    chunk, at, base = b"", 0, names_at
    for _ in range(count):
        if len(chunk) - at < MAX_SYMBOL_NAME_BYTES:
            base += at
            chunk, at = bytes(image.read_filled(base, 1 << 20)[0]), 0
        length = chunk[at]
        at += 1
        # Names of more than 127 tokens have two bytes of length (6.1 to 7.2).
        if length & 0x80:
            length = length & 0x7F | chunk[at] << 7
            at += 1
        if length > MAX_SYMBOL_NAME_BYTES - 2:
            raise Problem("the kernel's table of symbols is damaged", "take another dump")
        # The first character is the type.
        name = b"".join([tokens[token] for token in chunk[at : at + length]])[1:]
        if len(name) >= MAX_SYMBOL_NAME_BYTES:
            raise Problem("the kernel's table of symbols is damaged", "take another dump")
        yield name
        at += length


_NO_SYMBOLS = (
    "with QEMU, add -device vmcoreinfo before the guest boots; or also give a copy of /proc/kallsyms of the same boot"
)
