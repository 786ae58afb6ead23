# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/kcore and BPF: ranges with gaps."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from spo_trace.memory.bpf import BpfImage
from spo_trace.memory.image import Image, Unreadable
from spo_trace.memory.kcore import KcoreImage
from spo_trace.memory.problem import Problem
from spo_trace.memory.vmcoreinfo import Vmcoreinfo

BASE = 0xFFFF888000000000


def kcore(path: Path, *segments: tuple[int, bytes]) -> Path:
    """Write an ELF core file with these virtual ranges."""
    programs, at = [], 64 + 56 * len(segments)
    for address, data in segments:
        programs.append(struct.pack("<IIQQQQQQ", 1, 7, at, address, 0, len(data), len(data), 0))
        at += len(data)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    path.write_bytes(b"".join([header, *programs, *(data for _, data in segments)]))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Iterator[KcoreImage]:
    found = KcoreImage(kcore(tmp_path / "kcore", (BASE + 32, b"b" * 16), (BASE, b"a" * 16)))
    yield found
    found.close()


def test_kcore_reads_by_virtual_address(image: KcoreImage) -> None:
    assert image.read(BASE + 8, 8) == b"a" * 8
    assert image.u64(BASE + 40) == int.from_bytes(b"b" * 8, "little")


def test_gaps_between_segments_are_not_taken_for_memory(image: KcoreImage) -> None:
    with pytest.raises(Unreadable):
        image.read(BASE + 8, 32)
    assert image.read_filled(BASE + 8, 32) == (bytearray(b"a" * 8 + bytes(16) + b"b" * 8), 16)
    assert image.read_filled(BASE + 100, 8) == (bytearray(8), 8)


def test_a_missing_kcore_names_the_alternative(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="there is no") as caught:
        KcoreImage(tmp_path / "none")
    assert caught.value.hint is not None and "CONFIG_PROC_KCORE=y" in caught.value.hint


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_sizes_are_bounded(image: KcoreImage, size: int) -> None:
    with pytest.raises(Unreadable):
        image.read(BASE, size)


class FaultingBpf(BpfImage):
    """Copy from a memory in which some pages fault, as bpf_probe_read_kernel() does: all or nothing."""

    def __init__(self, bad: set[int]) -> None:
        Image.__init__(self, Vmcoreinfo())
        self.bad, self.calls = bad, 0
        self._window = b""  # type: ignore[assignment]

    def _copy(self, address: int, size: int) -> bool:
        self.calls += 1
        if self.bad & set(range(address // 4096, (address + size - 1) // 4096 + 1)):
            return False
        self._window = bytes((address + at) // 4096 % 251 for at in range(size))  # type: ignore[assignment]
        return True


@pytest.mark.parametrize("bad", [set(), {3}, {0}, {63}, {3, 4, 40}])
def test_bpf_reads_around_faults(bad: set[int]) -> None:
    image = FaultingBpf(bad)
    found, lost = image.read_filled(100, 64 * 4096 - 100)
    expected = bytearray(0 if at // 4096 in bad else at // 4096 % 251 for at in range(100, 64 * 4096))
    assert found == expected
    assert lost == sum(4096 - (100 if page == 0 else 0) for page in bad)
    assert image.calls < 50
