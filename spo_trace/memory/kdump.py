# SPDX-License-Identifier: LGPL-2.1-or-later
"""kdump-compressed dumps of makedumpfile and QEMU, flattened or not (makedumpfile's diskdump_mod.h)."""

import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import BinaryIO

from spo_trace.limits import MAX_BITMAP_BYTES, MAX_NOTE_BYTES
from spo_trace.memory.elf import notes_in, qemu_page_tables
from spo_trace.memory.flattened import opened
from spo_trace.memory.page_decompressors import decompress
from spo_trace.memory.physical import Physical
from spo_trace.memory.problem import COPY_AGAIN, Problem
from spo_trace.memory.vmcoreinfo import Vmcoreinfo

__all__ = ["Kdump"]

_SIGNATURE = b"KDUMP   "
# struct disk_dump_header after signature, version and utsname: see the offsets below.
_MACHINE_AT, _MACHINE_BYTES = 12 + 4 * 65, 65
_NUMBERS = struct.Struct("<IiIIII")
_NUMBERS_AT = 424
# struct kdump_sub_header.
_SUB = struct.Struct("<QiiQQQQQQQQQQQ")
_DESCRIPTOR = struct.Struct("<QIIQ")
_BLOCK_SIZES = (4096, 8192, 16384, 65536)
_KEPT_PAGES = 512
_PART = 16 << 20
# DUMP_DH_COMPRESSED_INCOMPLETE, DUMP_DH_EXCLUDED_VMEMMAP: remarks on a page, no compression.
_REMARKS = 0x8 | 0x10
# Set bits before each group of this many bytes are counted once, to find the descriptor of a page.
_GROUP = 512


class Kdump(Physical):
    """Read a kdump-compressed dump, page by page."""

    def __init__(self, file: BinaryIO) -> None:
        """Read headers and bitmaps; raise Problem if they are damaged."""
        self._file = opened(file)
        header = self._read(0, _NUMBERS_AT + _NUMBERS.size)
        if not header.startswith(_SIGNATURE):
            raise Problem("this is not a kdump-compressed dump", COPY_AGAIN)
        _, block, sub_blocks, bitmap_blocks, _, _ = _NUMBERS.unpack_from(header, _NUMBERS_AT)
        if block not in _BLOCK_SIZES or not 0 < sub_blocks < 1 << 20:
            raise Problem("the header of the dump is damaged", COPY_AGAIN)
        self._block = block
        self.machine = header[_MACHINE_AT : _MACHINE_AT + _MACHINE_BYTES].split(b"\0")[0].decode("latin-1")
        self._read_sub_header(self._read(block, _SUB.size))
        self._read_bitmap((1 + sub_blocks) * block, bitmap_blocks * block)
        self.size = self._before[-1] * block
        self._descriptors = (1 + sub_blocks + bitmap_blocks) * block
        self._pages: OrderedDict[int, bytes] = OrderedDict()

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of a physical range that the dump has, in ascending order, each with its offset."""
        at = 0
        while at < size:
            inner = (address + at) % self._block
            step = min(self._block - inner, size - at)
            page = self._page((address + at) // self._block)
            if page is not None:
                yield at, page[inner : inner + step]
            at += step

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_sub_header(self, data: bytes) -> None:
        _, _, split, *_, info_at, info_bytes, notes_at, notes_bytes, _, _, _, _, _ = _SUB.unpack(data)
        if split == 1:
            raise Problem("this is one part of a split dump", "join the parts: makedumpfile --reassemble")
        self.vmcoreinfo = Vmcoreinfo(self._read(info_at, min(info_bytes, MAX_NOTE_BYTES)) if info_bytes else b"")
        notes = list(notes_in(self._read(notes_at, min(notes_bytes, MAX_NOTE_BYTES)))) if notes_bytes else []
        self.page_tables, self.five_levels = qemu_page_tables(notes)

    # Two bitmaps of equal size: which pages exist, and which of them are in the dump.
    def _read_bitmap(self, at: int, size: int) -> None:
        if not 0 < size <= 2 * MAX_BITMAP_BYTES:
            raise Problem("the header of the dump is damaged", COPY_AGAIN)
        self._bitmap = self._read(at + size // 2, size // 2)
        groups = range(0, len(self._bitmap), _GROUP)
        self._before = [0]
        for start in groups:
            self._before.append(self._before[-1] + _ones(self._bitmap[start : start + _GROUP]))

    def _page(self, number: int) -> bytes | None:
        page = self._pages.get(number)
        if page is None and self._has(number):
            page = self._pages[number] = self._read_page(number)
            if len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
        return page

    def _has(self, number: int) -> bool:
        return number >> 3 < len(self._bitmap) and bool(self._bitmap[number >> 3] >> (number & 7) & 1)

    def _read_page(self, number: int) -> bytes:
        byte = number >> 3
        start = byte // _GROUP * _GROUP
        last = self._bitmap[byte] & (1 << (number & 7)) - 1
        index = self._before[byte // _GROUP] + _ones(self._bitmap[start:byte]) + last.bit_count()
        descriptor = self._read(self._descriptors + index * _DESCRIPTOR.size, _DESCRIPTOR.size)
        offset, size, flags, _ = _DESCRIPTOR.unpack(descriptor)
        if size > 2 * self._block:
            raise Problem("the dump is damaged: a page is too large", COPY_AGAIN)
        page = decompress(self._read(offset, size), flags & ~_REMARKS, self._block)
        if len(page) != self._block:
            raise Problem("the dump is damaged: a page has another size than its header says", COPY_AGAIN)
        return page

    def _read(self, offset: int, size: int) -> bytes:
        data = b""
        try:
            self._file.seek(offset)
            # In parts: a damaged header may ask for gigabytes that the file does not have.
            while len(data) < size and (part := self._file.read(min(size - len(data), _PART))):
                data += part
        except (OSError, OverflowError, ValueError) as error:
            raise Problem(f"the dump cannot be read: {error}", COPY_AGAIN) from error
        if len(data) != size:
            raise Problem("the dump was cut off", COPY_AGAIN)
        return data


def _ones(data: bytes) -> int:
    return int.from_bytes(data, "little").bit_count()
