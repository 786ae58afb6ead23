# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small dump of fixtures/dump in each format, and with parts missing or changed."""

import lzma
import struct
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path

from spo_trace.memory.dump import kernel_of
from spo_trace.memory.kdump import Kdump
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.physical import Physical
from spo_trace.memory.sorted_symbols import Symbol
from spo_trace.memory.vmcoreinfo import Vmcoreinfo
from spo_trace.memory.x86_64 import X86Image

__all__ = [
    "FIXTURE",
    "PAGE",
    "Dump",
    "changed",
    "elf",
    "flattened",
    "kcore",
    "kdump",
    "kernel_with",
    "physical",
    "small_dump",
    "small_kernel",
    "symbols_of",
    "variable",
    "without",
    "zlib_page",
]

FIXTURE = Path(__file__).parents[1] / "fixtures" / "dump"
PAGE = 4096
Compression = Callable[[bytes], tuple[int, bytes]]


@dataclass(frozen=True)
class Dump:
    """Hold pages by number (physical address / PAGE), the text of VMCOREINFO, and the machine's name."""

    pages: Mapping[int, bytes]
    vmcoreinfo: bytes
    machine: bytes = b"x86_64"
    level: int = 0
    notes: bytes = field(default=b"")


@cache
def small_dump() -> Dump:
    """Return the dump of the fixture."""
    reader = Kdump(BytesIO(lzma.decompress((FIXTURE / "vmcore.xz").read_bytes())))
    info = "".join(f"{name}={value}\n" for name, value in reader.vmcoreinfo.lines.items()).encode()
    whole = range(8 * len(reader._bitmap))
    return Dump({number: page for number in whole if (page := reader._page(number)) is not None}, info)


def as_is(page: bytes) -> tuple[int, bytes]:
    """Leave a page uncompressed, as makedumpfile does if compression gains nothing."""
    return 0, page


def zlib_page(page: bytes) -> tuple[int, bytes]:
    """Compress a page as makedumpfile -c does."""
    return 1, zlib.compress(page, 1)


def kdump(dump: Dump, compress: Compression = as_is) -> bytes:
    """Return a kdump-compressed dump (makedumpfile's diskdump_mod.h)."""
    most = max(dump.pages, default=0) + 1
    bitmap = bytearray(-(-most // 8 // PAGE) * PAGE or PAGE)
    for number in dump.pages:
        bitmap[number >> 3] |= 1 << (number & 7)
    bitmap_blocks = 2 * len(bitmap) // PAGE
    notes_at = 2 * PAGE + len(dump.vmcoreinfo)
    extra = dump.vmcoreinfo + dump.notes
    sub_blocks = 1 + -(-len(extra) // PAGE)
    names = b"".join(word.ljust(65, b"\0") for word in (b"Linux", b"", b"", b"", dump.machine, b""))
    header = struct.pack("<8si390s6xQQ", b"KDUMP   ", 6, names, 0, 0)
    header += struct.pack("<IiIIII", 0, PAGE, sub_blocks, bitmap_blocks, most, 0)
    info_at = 2 * PAGE if dump.vmcoreinfo else 0
    sub_header = struct.pack(
        "<QiiQQQQQQQQQQQ",
        *(0, dump.level, 0, 0, 0, info_at, len(dump.vmcoreinfo), notes_at if dump.notes else 0, len(dump.notes)),
        *(0, 0, 0, 0, most),
    )
    at = (1 + sub_blocks + bitmap_blocks) * PAGE + 24 * len(dump.pages)
    descriptors, data = [], []
    for number in sorted(dump.pages):
        flags, page = compress(dump.pages[number])
        descriptors.append(struct.pack("<QIIQ", at, len(page), flags, 0))
        data.append(page)
        at += len(page)
    blocks = [header.ljust(PAGE, b"\0"), sub_header.ljust(PAGE, b"\0"), extra.ljust((sub_blocks - 1) * PAGE, b"\0")]
    return b"".join([*blocks, bytes(bitmap), bytes(bitmap), *descriptors, *data])


def elf(dump: Dump, *, machine: int = 62, header_bytes: int = 64, overlap: bool = False) -> bytes:
    """Return an ELF dump with a segment for each run of pages.

    `header_bytes`: e_ehsize; QEMU 7.2 writes 8. `overlap`: the first run a second time, before all others, as
    /proc/vmcore has the kernel's own memory.
    """
    runs: list[list[int]] = []
    for number in sorted(dump.pages):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if overlap:
        runs.insert(0, runs[0])
    note = dump.notes
    if dump.vmcoreinfo:
        note += struct.pack("<III", 11, len(dump.vmcoreinfo), 0) + b"VMCOREINFO\0\0"
        note += dump.vmcoreinfo.ljust(-(-len(dump.vmcoreinfo) // 4) * 4, b"\0")
    count = len(runs) + 1
    start = 64 + 56 * count
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, machine, 1, 0, 64, 0, 0, header_bytes, 56, count, 0, 0, 0
    )
    programs = [struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(note), len(note), 0)]
    at = start + len(note)
    for run in runs:
        size = PAGE * len(run)
        programs.append(struct.pack("<IIQQQQQQ", 1, 7, at, 0, run[0] * PAGE, size, size, 0))
        at += size
    data = [dump.pages[number] for run in runs for number in run]
    return b"".join([header, *programs, note, *data])


def kcore(dump: Dump) -> bytes:
    """Return what /proc/kcore would be of the small dump's kernel: its memory by virtual address."""
    numbers = sorted(dump.pages)
    places = {number: at for at, number in enumerate(numbers)}
    runs: list[list[int]] = []
    for address, number in _mapped(dump):
        at = places[number] * PAGE
        if runs and runs[-1][0] + runs[-1][2] == address and runs[-1][1] + runs[-1][2] == at:
            runs[-1][2] += PAGE
        else:
            runs.append([address, at, PAGE])
    note = struct.pack("<III", 11, len(dump.vmcoreinfo), 0) + b"VMCOREINFO\0\0"
    note += dump.vmcoreinfo.ljust(-(-len(dump.vmcoreinfo) // 4) * 4, b"\0")
    count = len(runs) + 1
    start = 64 + 56 * count
    data = start + len(note)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    programs = [struct.pack("<IIQQQQQQ", 4, 0, start, 0, 0, len(note), len(note), 0)]
    programs += [struct.pack("<IIQQQQQQ", 1, 7, data + at, address, 0, size, size, 0) for address, at, size in runs]
    return b"".join([header, *programs, note, *(dump.pages[number] for number in numbers)])


# Yield each page of the dump that is mapped in the kernel's half, by virtual address.
def _mapped(dump: Dump) -> Iterator[tuple[int, int]]:
    numbers = sorted(dump.pages)
    image = small_kernel().image
    assert isinstance(image, X86Image)

    def below(table: int, level: int, base: int) -> Iterator[tuple[int, int]]:
        shift = 12 + 9 * level
        for slot, entry in enumerate(image._entries(table)):
            address = base + (slot << shift)
            if not entry & 1 or (base == 0 and slot < 256):
                continue
            target = entry & (1 << 52) - 1 & ~0xFFF
            if level and not (level <= 2 and entry & 1 << 7):
                if target // PAGE in dump.pages:
                    yield from below(target, level - 1, address)
                continue
            first = (target & -1 << shift) // PAGE
            for at in range(bisect_left(numbers, first), bisect_left(numbers, first + (1 << shift) // PAGE)):
                yield sign | address + (numbers[at] - first) * PAGE, numbers[at]

    levels = 5 if image.five_levels else 4
    sign = (1 << 64) - (1 << 12 + 9 * levels)
    return below(image.root, levels - 1, 0)


def flattened(data: bytes, piece: int = 30_000) -> bytes:
    """Return a file in makedumpfile's flattened format, with its start twice: first zeros, and in the end as it is."""
    starts = [*range(0, len(data), piece)]
    pieces = [(0, bytes(PAGE)), *((at, data[at : at + piece]) for at in (*starts[1:], starts[0]))]
    head = b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)
    body = b"".join(struct.pack(">qq", at, len(part)) + part for at, part in pieces)
    return head.ljust(4096, b"\0") + body + struct.pack(">qq", -1, -1)


class Pages(Physical):
    """Read a dump that is in memory, without any format."""

    def __init__(self, dump: Dump) -> None:
        """Take the dump's pages."""
        self._pages = dump.pages
        self.machine, self.vmcoreinfo = dump.machine.decode(), Vmcoreinfo(dump.vmcoreinfo)
        self.size = PAGE * len(dump.pages)

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of a physical range that exist."""
        at = 0
        while at < size:
            inner = (address + at) % PAGE
            step = min(PAGE - inner, size - at)
            page = self._pages.get((address + at) // PAGE)
            if page is not None:
                yield at, page[inner : inner + step]
            at += step

    def close(self) -> None:
        """Do nothing."""


@cache
def small_kernel() -> Kernel:
    """Return the kernel in the small dump."""
    return kernel_of(Pages(small_dump()))


def symbols_of(kernel: Kernel) -> list[Symbol]:
    """Return a kernel's own symbols in order of address."""
    found = kernel.symbols._kernel
    return [found[number] for number in range(len(found))]


def kernel_with(dump: Dump) -> Kernel:
    """Return the same kernel with another memory; symbols and types are not read again."""
    image = small_kernel().image
    assert isinstance(image, X86Image)
    return small_kernel()._replace(image=X86Image(Pages(dump), image.root, five_levels=image.five_levels))


def physical(address: int) -> int:
    """Return the physical address of a virtual one in the small dump."""
    image = small_kernel().image
    assert isinstance(image, X86Image)
    found = image.translate(address)[0]
    assert found is not None
    return found


def variable(name: str) -> int:
    """Return the physical address of a variable of the small dump's kernel."""
    return physical(small_kernel().symbols.address(name))


def changed(dump: Dump, address: int, data: bytes) -> Dump:
    """Return a dump with other bytes at a physical address, all within a page."""
    page = bytearray(dump.pages[address // PAGE])
    page[address % PAGE : address % PAGE + len(data)] = data
    return replace(dump, pages={**dump.pages, address // PAGE: bytes(page)})


def without(dump: Dump, *addresses: int) -> Dump:
    """Return a dump without the pages at some physical addresses."""
    gone = {address // PAGE for address in addresses}
    return replace(dump, pages={number: page for number, page in dump.pages.items() if number not in gone})
