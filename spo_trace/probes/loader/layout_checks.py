# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check a layout: for sample pages, the owner in kernel memory must be the one that debugfs prints."""

import errno
import os
import re
import struct
from collections.abc import Collection, Iterable
from typing import NamedTuple

from spo_trace.memory.layout import DEPOTS, Layout, Memory
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols

__all__ = ["MemoryOwner", "Sample", "check_layout", "find_depot", "read_owner", "symbols_in", "take_samples"]

_RECORD = re.compile(
    rb"Page allocated via order (\d+), mask .*?, pid (-?\d+), tgid (-?\d+) \((.*)\), ts (\d+) ns[^\n]*\n"
    rb"PFN (0x[0-9a-f]+|\d+) [^\n]* Flags (0x[0-9a-f]+)\(([^\n]*)\)\n((?: \S+(?: \[[^\n]*\])?\n)+)",
    re.DOTALL,
)
_FRAME = re.compile(rb"^ ([^\s+]+)\+0x([0-9a-f]+)/0x[0-9a-f]+$", re.MULTILINE)

_NUMBER = 48

_REPORT = "please report it with the output of uname -a"


class Sample(NamedTuple):
    """Hold what debugfs prints for one page.

    `frames`: (symbol, offset in it), None for frames in modules. `head`: it is the first page of a larger folio.
    """

    pfn: int
    position: int
    text: bytes
    owner: tuple[int, int, int, bytes, int]
    flags: int
    head: bool
    frames: tuple[tuple[str, int] | None, ...]


class MemoryOwner(NamedTuple):
    """Hold what struct page_owner contains: (order, pid, tgid, comm, ts_nsec), and the handle of the stack."""

    owner: tuple[int, int, int, bytes, int]
    handle: int


def take_samples(fd: int, last_pfn: int) -> list[Sample]:
    """Return pages spread over all memory, as the open debugfs file page_owner prints them."""
    found: dict[int, Sample] = {}
    for number in range(_NUMBER):
        position = number * last_pfn // _NUMBER
        text = _pread(fd, position)
        sample = _parse(text, position)
        if sample is not None:
            found[sample.pfn] = sample
    return list(found.values())


def _pread(fd: int, position: int) -> bytes:
    try:
        return os.pread(fd, 1 << 16, position)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        return b""


def _parse(text: bytes, position: int) -> Sample | None:
    match = _RECORD.match(text)
    if match is None:
        return None
    order, pid, tgid, comm, ts, pfn, flags, names, stack = match.groups()
    owner = (int(order), int(pid), int(tgid), comm, int(ts))
    frames = tuple(_frame(line) for line in stack.splitlines())
    return Sample(int(pfn, 0), position, text, owner, int(flags, 0), b"head" in names.split(b"|"), frames)


def _frame(line: bytes) -> tuple[str, int] | None:
    match = _FRAME.match(line)
    return (match[1].decode("ascii", "replace"), int(match[2], 16)) if match else None


def symbols_in(samples: Iterable[Sample]) -> set[str]:
    """Return the functions in the stacks of the samples."""
    return {frame[0] for sample in samples for frame in sample.frames if frame}


def read_owner(layout: Layout, memory: Memory, pfn: int) -> MemoryOwner | None:
    """Return the owner of a page from kernel memory, read as the BPF program reads it; None if it has none."""
    number = pfn >> layout.section_shift
    root = memory.u64(layout.mem_section + (number >> layout.root_shift) * 8)
    section = root + (number & (1 << layout.root_shift) - 1) * layout.section_bytes
    ext = memory.u64(section + layout.section_page_ext) if root else 0
    if not ext or ext & 1:
        return None
    # `ext` is the address that the page_ext of page frame 0 would have; it may have wrapped below 0.
    address = (ext + pfn * layout.ext_bytes) & (1 << 64) - 1
    if not memory.u64(address) >> layout.allocated_bit & 1:
        return None
    raw = memory.read(address + layout.owner_offset, 64)
    (order,) = struct.unpack_from("<H", raw, layout.order)
    (handle,) = struct.unpack_from("<I", raw, layout.handle)
    (ts_nsec,) = struct.unpack_from("<Q", raw, layout.ts_nsec)
    pid, tgid = struct.unpack_from("<ii", raw, layout.pid)
    comm = raw[layout.comm : layout.comm + 16].split(b"\0")[0]
    return MemoryOwner((order, pid, tgid, comm, ts_nsec), handle)


def find_depot(layout: Layout, symbols: KernelSymbols, memory: Memory, handles: Collection[int]) -> None:
    """Set the stack depot's part of `layout` to the first one of DEPOTS with which every handle leads to its record.

    Raise Problem if there is none.
    """
    for depot in DEPOTS:
        if handles and depot.apply(layout, symbols, memory) and all(_leads(layout, memory, h) for h in handles):
            return
    raise Problem("the layout of the kernel's stack depot is unknown", _REPORT)


def _leads(layout: Layout, memory: Memory, handle: int) -> bool:
    try:
        size, found, _ = _record(layout, memory, handle)
    except Problem:
        return False
    return found == handle and 0 < size <= 64


def _record(layout: Layout, memory: Memory, handle: int) -> tuple[int, int, tuple[int, ...]]:
    pool = memory.u64(layout.pools + ((handle & layout.pool_mask) - layout.pool_bias) * 8)
    record = pool + ((handle >> layout.offset_shift & layout.offset_mask) << 4)
    raw = memory.read(record, layout.record_entries)
    (size,) = struct.unpack_from("<I", raw, layout.record_size)
    (found,) = struct.unpack_from("<I", raw, layout.record_handle)
    entries = memory.read(record + layout.record_entries, min(size, 16) * 8) if found == handle else b""
    return size, found, struct.unpack(f"<{len(entries) // 8}Q", entries)


def check_layout(layout: Layout, symbols: KernelSymbols, memory: Memory, samples: list[Sample], fd: int) -> int:
    """Return how many pages have the owner in memory that debugfs prints; set the stack depot's part of `layout`.

    Raise Problem if memory and debugfs differ in an owner that did not change meanwhile, in a stack, or in the flags of
    many pages; also if no page could be compared.
    """
    owners = {s: owner for s in samples if (owner := read_owner(layout, memory, s.pfn)) and owner.owner == s.owner}
    for sample in set(samples) - set(owners):
        again = read_owner(layout, memory, sample.pfn)
        if _pread(fd, sample.position) == sample.text and (again is None or again.owner != sample.owner):
            raise Problem(
                f"the owner of page frame {sample.pfn:#x} in kernel memory is not the one that page_owner prints",
                f"the layout of this kernel's struct page_owner is unknown: {_REPORT}",
            )
    if not owners:
        raise Problem("no sample page could be compared with what page_owner prints", "try again")
    _check_pages(layout, memory, owners, fd)
    find_depot(layout, symbols, memory, {owner.handle for owner in owners.values()})
    for sample, owner in owners.items():
        _check_stack(_record(layout, memory, owner.handle)[2], sample, symbols)
    return len(owners)


# Page flags change all the time: read debugfs again right before memory, and accept up to a quarter of mismatches.
def _check_pages(layout: Layout, memory: Memory, samples: Iterable[Sample], fd: int) -> None:
    texts = ((_pread(fd, sample.position), sample.position) for sample in samples)
    same = [_same_page(layout, memory, page) for text in texts if (page := _parse(*text))]
    if not same or 4 * sum(same) < 3 * len(same):
        raise Problem(
            f"struct page was not found: only {sum(same)} of {len(same)} pages have the flags and order that page_owner"
            " prints",
            f"the layout of this kernel's struct page is unknown: {_REPORT}",
        )


def _same_page(layout: Layout, memory: Memory, page: Sample) -> bool:
    address = layout.vmemmap + page.pfn * layout.page_bytes
    order = page.owner[0]
    try:
        flags = memory.u64(address)
        if flags != page.flags or not (layout.order_offset and order and page.head):
            return flags == page.flags
        return bool(flags >> layout.head_bit & 1) and memory.u64(address + layout.order_offset) & 0xFF == order
    except Problem:
        return False


def _check_stack(entries: tuple[int, ...], sample: Sample, symbols: KernelSymbols) -> None:
    same = all(
        frame is None or entry - frame[1] in symbols.all_of(frame[0])
        for frame, entry in zip(sample.frames, entries)  # noqa: B905  # Python 3.9 has no strict=
    )
    if not same or len(entries) != len(sample.frames):
        raise Problem(
            f"the stack of page frame {sample.pfn:#x} in kernel memory is not the one that page_owner prints",
            _REPORT,
        )
