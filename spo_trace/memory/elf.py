# SPDX-License-Identifier: LGPL-2.1-or-later
"""ELF core files: program headers and notes, of dumps, /proc/vmcore and /proc/kcore."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from spo_trace.limits import MAX_ELF_SEGMENTS, MAX_NOTE_BYTES
from spo_trace.memory.problem import COPY_AGAIN, Problem
from spo_trace.memory.vmcoreinfo import Vmcoreinfo

__all__ = ["Core", "Note", "Segment", "notes_in", "qemu_page_tables", "read_core", "vmcoreinfo_in"]

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_NOTE = struct.Struct("<III")
# sh_info of section 0 has the number of segments if e_phnum is PN_XNUM.
_PN_XNUM, _SECTION_BYTES, _SH_INFO = 0xFFFF, 64, 44
_ET_CORE = 4
_PT_LOAD, _PT_NOTE = 1, 4
_64_BIT_LITTLE_ENDIAN = b"\x02\x01"
_MACHINES = {62: "x86_64", 183: "aarch64", 21: "ppc64le", 22: "s390x", 243: "riscv64"}

# QEMUCPUState of target/i386/arch_dump.c: version, size, 18 registers, 10 segments of 24 bytes, cr0 to cr4.
_CR3_AT = 8 + 18 * 8 + 10 * 24 + 3 * 8
_CR4_LA57 = 1 << 12


class Segment(NamedTuple):
    """Hold a PT_LOAD: `file_bytes` of its `memory_bytes` are in the file at `offset`."""

    offset: int
    virtual: int
    physical: int
    file_bytes: int
    memory_bytes: int


class Note(NamedTuple):
    """Hold a note."""

    name: bytes
    kind: int
    content: bytes


class Core(NamedTuple):
    """Hold the headers of a core file."""

    machine: str
    segments: list[Segment]
    notes: list[Note]


def read_core(file: BinaryIO) -> Core:
    """Return the headers of an ELF core file; raise Problem if it is damaged or of another kind."""
    header = _read_at(file, 0, _HEADER.size)
    ident, kind, machine, _, _, program_at, section_at, _, _, entry_bytes, count, *_ = _HEADER.unpack(header)
    if not ident.startswith(b"\x7fELF") or ident[4:6] != _64_BIT_LITTLE_ENDIAN:
        raise Problem("this ELF file is not of a 64-bit little-endian machine", _ONLY)
    if kind != _ET_CORE:
        raise Problem("this ELF file is a program or a library, not a dump of memory", "name a vmcore")
    # e_ehsize is not used: QEMU 7.2 writes a wrong one.
    if count == _PN_XNUM:
        count = struct.unpack_from("<I", _read_at(file, section_at, _SECTION_BYTES), _SH_INFO)[0]
    if entry_bytes != _PROGRAM.size or not 0 < count <= MAX_ELF_SEGMENTS:
        raise Problem("the program headers of the ELF file are damaged", COPY_AGAIN)
    segments: list[Segment] = []
    notes: list[Note] = []
    for program in _PROGRAM.iter_unpack(_read_at(file, program_at, count * _PROGRAM.size)):
        what, _, offset, virtual, physical, file_bytes, memory_bytes, _ = program
        if what == _PT_LOAD and memory_bytes:
            segments.append(Segment(offset, virtual, physical, min(file_bytes, memory_bytes), memory_bytes))
        elif what == _PT_NOTE and file_bytes:
            notes += notes_in(_read_at(file, offset, min(file_bytes, MAX_NOTE_BYTES)))
    return Core(_MACHINES.get(machine, f"ELF machine {machine}"), segments, notes)


def notes_in(data: bytes) -> Iterator[Note]:
    """Yield the notes of a PT_NOTE segment, up to the first damaged one."""
    at = 0
    while at + _NOTE.size <= len(data):
        name_bytes, content_bytes, kind = _NOTE.unpack_from(data, at)
        name_at = at + _NOTE.size
        content_at = name_at + (name_bytes + 3 & ~3)
        at = content_at + (content_bytes + 3 & ~3)
        if content_at + content_bytes > len(data):
            return
        name = data[name_at : name_at + name_bytes].rstrip(b"\0")
        yield Note(name, kind, data[content_at : content_at + content_bytes])


def vmcoreinfo_in(notes: list[Note]) -> Vmcoreinfo:
    """Return the note VMCOREINFO, empty if there is none."""
    return next((Vmcoreinfo(note.content) for note in notes if note.name == b"VMCOREINFO"), Vmcoreinfo())


def qemu_page_tables(notes: list[Note]) -> tuple[tuple[int, ...], bool]:
    """Return the page tables (CR3) from QEMU's notes of an x86-64 guest, and whether they have five levels."""
    found, five = [], False
    for note in notes:
        if note.name == b"QEMU" and len(note.content) >= _CR3_AT + 16:
            cr3, cr4 = struct.unpack_from("<QQ", note.content, _CR3_AT)
            # With page-table isolation, bit 12 tells the table of user space, which lacks most of the kernel.
            found += [cr3 & ~0x1FFF & (1 << 52) - 1, cr3 & ~0xFFF & (1 << 52) - 1]
            five |= bool(cr4 & _CR4_LA57)
    return tuple(dict.fromkeys(found)), five


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    try:
        file.seek(offset)
        data = file.read(size)
    except (OSError, OverflowError, ValueError) as error:
        raise Problem(f"the headers of the ELF file cannot be read: {error}", COPY_AGAIN) from error
    if len(data) != size:
        raise Problem("the ELF file ends within its headers", COPY_AGAIN)
    return data


_ONLY = "dumps of x86_64 are supported; on other machines, give the text of /sys/kernel/debug/page_owner"
