# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real kernel's dump in each format: the same memory, and the records that the kernel itself printed."""

import lzma
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest

from spo_trace.memory.capture import MemoryCapture
from spo_trace.memory.dump import kernel_of, open_dump
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.page_rows import PageRows
from spo_trace.memory.problem import Problem
from spo_trace.memory.x86_64 import X86Image
from tests import dumps
from tests.dumps import FIXTURE, Dump, elf, flattened, kdump, small_dump, small_kernel, symbols_of, zlib_page
from tests.vm.memory_records import HANDLE, PATH, difference, records

FORMATS: dict[str, Callable[[], bytes]] = {
    "kdump": lambda: kdump(small_dump()),
    "kdump-zlib": lambda: kdump(small_dump(), zlib_page),
    "kdump-flattened": lambda: flattened(kdump(small_dump(), zlib_page)),
    "elf": lambda: elf(small_dump()),
    "elf-of-qemu": lambda: elf(small_dump(), header_bytes=8),
    "vmcore": lambda: elf(small_dump(), overlap=True),
}


def capture_of(data: bytes) -> MemoryCapture:
    return MemoryCapture(kernel_of(open_dump(BytesIO(data))))


@pytest.fixture(scope="module")
def capture() -> MemoryCapture:
    return capture_of(kdump(small_dump()))


@pytest.fixture(scope="module")
def stacks(capture: MemoryCapture) -> dict[int, bytes]:
    found = {}
    for record in capture.show_stacks_handles():
        frames, _, handle = record.rpartition(b"handle: ")
        found[int(handle)] = frames
    return found


@pytest.mark.parametrize(("name", "transient"), [("page_owner", 6), ("swap_page_owner", 0)])
def test_records_are_those_of_the_kernel(
    capture: MemoryCapture, stacks: dict[int, bytes], name: str, transient: int
) -> None:
    # GIVEN the records that the kernel printed equally before and after the dump
    kernel = records(lzma.decompress((FIXTURE / f"{name}.xz").read_bytes()), name)
    assert len(kernel) > 8000

    # WHEN they are read from its memory
    text = b"".join(getattr(capture, name)())
    mine = records(HANDLE.sub(lambda match: stacks[int(match[1])], text), name)

    # THEN all are there, byte for byte but for a flag of slabs that comes and goes
    different = [number for number, record in kernel.items() if mine.get(number) != record]
    assert len(different) == transient
    assert {difference(mine[number], kernel[number]) for number in different} <= {"flags: workingset"}


def test_a_cgroup_has_the_path_of_its_parents() -> None:
    # GIVEN the kernel that has /live.scope and /a b), c, and the same with the former below the latter
    charged = b"".join(MemoryCapture(small_kernel()).page_owner())
    assert {line.split(b": ")[1] for line in PATH.findall(charged)} == {b"/\n", b"/live.scope\n", b"/a b), c\n"}
    live, other = (node_of(name) for name in (b"live.scope", b"a b), c"))
    parent = dumps.physical(live + small_kernel().types.offset("kernfs_node", "__parent"))
    nested = dumps.kernel_with(dumps.changed(small_dump(), parent, struct.pack("<Q", other)))
    # THEN its path has both, and its name is the last
    text = b"".join(MemoryCapture(nested).page_owner())
    assert text.count(b"memcg live.scope\nMemory cgroup path: /a b), c/live.scope\n") == charged.count(b"/live.scope\n")
    # AND a cycle, which has no root, gives no path
    endless = dumps.kernel_with(dumps.changed(small_dump(), parent, struct.pack("<Q", live)))
    assert b"memcg live.scope\n\n" in b"".join(MemoryCapture(endless).page_owner())


def node_of(name: bytes) -> int:
    """Return the kernfs_node of the memory cgroup with this name that a page is charged to."""
    kernel = small_kernel()
    image, offset = kernel.image, kernel.types.offset
    rows = PageRows(kernel, find_owners(kernel)).rows()
    for data in {data for some in rows for data in some["memcg_data"].tolist() if data and not data & 1}:
        memcg = image.u64((data & -8) + offset("obj_cgroup", "memcg"))
        css = memcg + offset("mem_cgroup", "css")
        cgroup = image.u64(css + offset("cgroup_subsys_state", "cgroup"))
        node = image.u64(cgroup + offset("cgroup", "kn"))
        if image.string(image.u64(node + offset("kernfs_node", "name")), 80) == name:
            return node
    raise AssertionError(name)


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_has_the_same_memory(capture: MemoryCapture, kind: str) -> None:
    found = capture_of(FORMATS[kind]())
    assert found.facts == capture.facts
    assert list(found.show_handles()) == list(capture.show_handles())
    assert list(found.swap_page_owner()) == list(capture.swap_page_owner())


def test_facts_are_those_of_proc(capture: MemoryCapture) -> None:
    assert capture.facts["swaps"].split() == (FIXTURE / "swaps").read_bytes().split()
    mine, kernel = (
        {line.split(b":")[0]: int(line.split()[1]) for line in text.splitlines()}
        for text in (capture.facts["meminfo"], (FIXTURE / "meminfo").read_bytes())
    )
    # The guest ran on between the text and the dump.
    for name in (b"MemTotal", b"SwapTotal", b"SwapFree", b"Shmem", b"SReclaimable"):
        assert mine[name] == kernel[name], name
    for name in (b"MemFree", b"AnonPages", b"SwapCached", b"Inactive(anon)"):
        assert abs(mine[name] - kernel[name]) < 1024, name
    assert capture.facts["uname"].startswith(b"Linux (none) 7.2.13-spo-full #1 SMP PREEMPT ")
    assert b"page_owner=on,swap" in capture.facts["cmdline"]
    assert capture.facts["date"] == b"2026-11-28T20:50:48Z\n"
    assert capture.facts["uptime"] == b"89.77 0.00\n"
    assert b" managed  123175\n" in capture.facts["zoneinfo"]


def test_pages_are_counted_as_the_kernel_does(capture: MemoryCapture) -> None:
    # The records of pages and of swap have as many base pages as the stacks, but for early ones, which are not counted.
    counted = sum(int(record.split()[-1]) for record in capture.show_handles())
    early = {record.split()[-1] for record in capture.show_stacks_handles() if b" register_early_stack+" in record}
    listed = 0
    for record in capture.page_owner():
        handle = HANDLE.findall(record)[-1]
        listed += 0 if handle in early else 1 << int(record[len("Page allocated via order ") :].split(b",")[0])
    assert counted == listed + len(list(capture.swap_page_owner()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: kdump(replace(small_dump(), vmcoreinfo=b"")), "it has no VMCOREINFO"),
        (lambda: kdump(replace(small_dump(), machine=b"aarch64")), "this is a dump of aarch64"),
        (lambda: elf(small_dump(), machine=183), "this is a dump of aarch64"),
        (lambda: elf(small_dump())[:100], "ends within its headers"),
        (lambda: kdump(small_dump())[:5000], "was cut off"),
        (lambda: kdump(small_dump(), lambda page: (0x40, page)), "was cut off|no compression|damaged"),
        (lambda: b"\x7fELF\1\1\1".ljust(64, b"\0"), "not of a 64-bit little-endian machine"),
        (lambda: Path(sys.executable).resolve().read_bytes(), "a program or a library"),
        (lambda: without_lines(b"SYMBOL(kallsyms_"), "VMCOREINFO has no kallsyms"),
    ],
)
def test_what_cannot_be_read_is_explained(data: Callable[[], bytes], message: str) -> None:
    with pytest.raises(Problem, match=message) as caught:
        capture_of(data())
    assert caught.value.hint


def without_lines(start: bytes) -> bytes:
    lines = small_dump().vmcoreinfo.splitlines(keepends=True)
    return kdump(replace(small_dump(), vmcoreinfo=b"".join(line for line in lines if not line.startswith(start))))


def test_a_missing_decompressor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lzallright", None)
    with pytest.raises(Problem, match="needs the Python package lzallright") as caught:
        capture_of(kdump(small_dump(), lambda page: (2, page)))
    assert caught.value.hint is not None and "makedumpfile -c" in caught.value.hint


def snappy(page: bytes) -> bytes:
    return bytes(pa.Codec("snappy").compress(page, asbytes=True))


def lzo(page: bytes) -> bytes:
    return bytes(pytest.importorskip("lzallright").LZOCompressor().compress(page))


def zstd(page: bytes) -> bytes:
    return bytes(pytest.importorskip("backports.zstd").compress(page, 1))


@pytest.mark.parametrize(("flag", "compress"), [(0x2, lzo), (0x4, snappy), (0x20, zstd)])
def test_other_compressions(flag: int, compress: Callable[[bytes], bytes]) -> None:
    data = kdump(small_dump(), lambda page: (flag, compress(page)))
    assert capture_of(data).facts["uptime"] == b"89.77 0.00\n"


def test_part_of_a_split_dump_is_refused() -> None:
    data = bytearray(kdump(small_dump()))
    data[dumps.PAGE + 12 : dumps.PAGE + 16] = struct.pack("<i", 1)
    with pytest.raises(Problem, match="one part of a split dump"):
        capture_of(bytes(data))


@pytest.mark.parametrize("make", [kdump, elf])
@pytest.mark.parametrize("user_bits", [0, 0x1000 | 5])
def test_kallsyms_and_a_processors_page_table_replace_vmcoreinfo(
    capture: MemoryCapture, make: Callable[[Dump], bytes], user_bits: int
) -> None:
    # GIVEN a dump of QEMU without VMCOREINFO; with page-table isolation, CR3 has more bits while a process runs
    image = small_kernel().image
    assert isinstance(image, X86Image)
    registers = bytearray(440)
    struct.pack_into("<QQ", registers, 416, image.root | user_bits, image.five_levels << 12)
    note = struct.pack("<III", 5, len(registers), 0) + b"QEMU\0\0\0\0" + registers
    data = make(Dump(small_dump().pages, b"", notes=note))

    # THEN the symbols of the same boot are enough
    found = MemoryCapture(kernel_of(open_dump(BytesIO(data)), symbols_of(small_kernel())))
    assert found.facts == capture.facts
