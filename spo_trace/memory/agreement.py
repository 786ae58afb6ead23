# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether memory has what debugfs prints: a few dozen records of page_owner, compared with memory."""

import os
import re
import struct
from typing import NamedTuple

from spo_trace.memory.image import Unreadable
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import COMM_BYTES, OwnerLayout
from spo_trace.memory.sections import Section, present_sections
from spo_trace.memory.stack_depot import StackDepot

__all__ = ["Agreement", "compare"]

_POSITIONS = 48
# c8f61cfc871f, 5.0: a read of page_owner returns at most PAGE_SIZE, which is up to 64 KiB.
_LONGEST_RECORD = 1 << 16

# Without flags, which change while a page stays allocated. A comm may itself contain the text that follows it.
_RECORD = re.compile(
    rb"Page allocated via order (?P<order>\d{1,3}), mask (?P<gfp>0x[0-9a-f]{1,8})\([^)]*\), pid (?P<pid>-?\d{1,10}), "
    rb"tgid (?P<tgid>-?\d{1,10}) \((?P<comm>.{0,15})\), ts (?P<ts>\d{1,20}) ns[^\n]*\n"
    rb"PFN (?P<pfn>0x[0-9a-f]{1,16}|\d{1,18}) type \S+ Block (?P<block>\d{1,18}) [^\n]*\n"
    rb"(?P<frames>(?: [^\n]*\n)*)",
    re.DOTALL,
)


class Agreement(NamedTuple):
    """Hold the number of records that were compared, and the first that differs, if one does."""

    compared: int
    different: str | None = None


def compare(kernel: Kernel, layout: OwnerLayout, path: str) -> Agreement:
    """Compare records all over memory that debugfs prints equally before and after their memory is read.

    Raise OSError if `path`, page_owner in debugfs, cannot be read.
    """
    pages = _Pages(kernel, layout)
    compared = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        for number in range(_POSITIONS):
            # 8f0efa81dfbc, 6.1: positions are PFNs. Before, they count from the lowest PFN, which is near enough.
            position = layout.min_low_pfn + (layout.max_pfn - layout.min_low_pfn) * number // _POSITIONS
            before = _read(fd, position)
            found = pages.fields(before) if before else None
            if before is None or found is None or _read(fd, position) != before:
                continue
            compared += 1
            if found != before:
                names = [name for name, a, b in zip(_Fields._fields, found, before, strict=True) if a != b]
                return Agreement(compared, f"PFN {before.pfn:#x}: {', '.join(names)}")
    finally:
        os.close(fd)
    return Agreement(compared)


class _Fields(NamedTuple):
    pfn: int
    order: int
    gfp_mask: int
    pid: int
    tgid: int
    comm: bytes
    ts_nsec: int
    block: int
    frames: int


def _read_at(fd: int, position: int) -> bytes:
    return os.pread(fd, _LONGEST_RECORD, position)


def _read(fd: int, position: int) -> _Fields | None:
    found = _RECORD.match(_read_at(fd, position))
    if found is None:
        return None
    frames = found["frames"].count(b"\n")
    pfn, order, gfp, pid, tgid, ts_nsec, block = (
        int(found[name], 0) for name in ("pfn", "order", "gfp", "pid", "tgid", "ts", "block")
    )
    return _Fields(pfn, order, gfp, pid, tgid, found["comm"], ts_nsec, block, frames)


class _Pages:
    def __init__(self, kernel: Kernel, layout: OwnerLayout) -> None:
        self._image, self._layout = kernel.image, layout
        self._depot = StackDepot(kernel)
        self._sections = {one.pfn: one for one in present_sections(kernel.image, layout.sections, layout.max_pfn)}

    def fields(self, wanted: _Fields) -> _Fields | None:
        """Return what memory has of the page of a record, None if it cannot be read."""
        layout, pages = self._layout, self._layout.sections.pages
        section: Section | None = self._sections.get(wanted.pfn // pages * pages)
        if section is None or section.page_ext is None:
            return None
        try:
            ext = self._image.read(section.page_ext + layout.ext_bytes * wanted.pfn, layout.ext_bytes)
        except Unreadable:
            return None
        owner = ext[layout.owner :]
        order, gfp, handle, pid, tgid, ts_nsec = (
            struct.unpack_from(kind, owner, at)[0]
            for kind, at in (
                ("<H", layout.order),
                ("<I", layout.gfp_mask),
                ("<I", layout.handle),
                ("<i", layout.pid),
                ("<i", layout.tgid),
                ("<Q", layout.ts_nsec),
            )
        )
        comm = owner[layout.comm : layout.comm + COMM_BYTES].split(b"\0", 1)[0]
        stack = self._depot.read(handle)
        # A record in print_mode has a handle in place of its stack.
        frames = len(stack.addresses) if stack and wanted.frames else 0
        return _Fields(wanted.pfn, order, gfp, pid, tgid, comm, ts_nsec, wanted.pfn >> layout.pageblock_order, frames)
