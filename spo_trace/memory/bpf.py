# SPDX-License-Identifier: LGPL-2.1-or-later
"""The memory of the running kernel through a BPF program of seven instructions: bpf(2) by ctypes, no compiler.

The program (BPF_PROG_TYPE_SYSCALL, 5.14+) copies a range into a map, which is mapped into this process. It needs
CAP_BPF and CAP_PERFMON.
"""

import ctypes
import mmap
import os
import struct
from collections.abc import Iterator

from spo_trace.memory.image import Image
from spo_trace.memory.problem import Problem
from spo_trace.memory.vmcoreinfo import Vmcoreinfo

__all__ = ["BpfImage"]

# __NR_bpf of asm/unistd.h.
_NR_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _PROG_LOAD, _PROG_TEST_RUN = 0, 5, 10
_MAP_TYPE_ARRAY, _F_MMAPABLE = 2, 1 << 10
_PROG_TYPE_SYSCALL, _F_SLEEPABLE = 31, 1 << 4
_PROBE_READ_KERNEL = 113
# The map's value, and what one run copies at most. A power of two, so that a mask bounds the size for the verifier.
_WINDOW = 512 << 10
_STEP = _WINDOW // 2
_PAGE = 4096


class BpfImage(Image):
    """Read kernel memory through a BPF program; close it after use.

    Of VMCOREINFO, it has only the sizes that are known without it.
    """

    def __init__(self) -> None:
        """Load the program; raise Problem, with the alternative, if the kernel refuses it."""
        super().__init__(_sizes())
        machine = os.uname().machine
        if machine not in _NR_BPF:
            raise Problem(f"BPF cannot read kernel memory on {machine}", "x86_64 and aarch64 are supported")
        self._number = _NR_BPF[machine]
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._map = self._bpf(_MAP_CREATE, struct.pack("=IIIII", _MAP_TYPE_ARRAY, 4, _WINDOW, 1, _F_MMAPABLE))
        try:
            self._program = self._load()
            self._window = mmap.mmap(self._map, _WINDOW, mmap.MAP_SHARED, mmap.PROT_READ)
        except BaseException:
            os.close(self._map)
            raise

    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the readable parts of a range in ascending order, each with its offset in the range."""
        at = 0
        while at < size:
            step = min(_STEP, size - at)
            yield from self._some(address, at, step)
            at += step

    def close(self) -> None:
        """Remove the program and its map."""
        self._window.close()
        os.close(self._program)
        os.close(self._map)

    # A fault anywhere in a range fails the whole read: try its halves, down to single pages.
    def _some(self, address: int, at: int, size: int) -> Iterator[tuple[int, bytes]]:
        start = address + at
        if self._copy(start, size):
            yield at, self._window[:size]
        elif start // _PAGE != (start + size - 1) // _PAGE:
            middle = (start + size // 2) // _PAGE * _PAGE
            half = (middle if middle > start else (start // _PAGE + 1) * _PAGE) - start
            yield from self._some(address, at, half)
            yield from self._some(address, at + half, size - half)

    def _copy(self, address: int, size: int) -> bool:
        context = ctypes.create_string_buffer(struct.pack("=QQ", address, size), 16)
        attributes = struct.pack(
            "=IIIIQQIIIIQQ", self._program, 0, 0, 0, 0, 0, 0, 0, 16, 0, ctypes.addressof(context), 0
        )
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        self._call(_PROG_TEST_RUN, buffer)
        return int(struct.unpack_from("=I", buffer.raw, 4)[0]) == 0

    def _load(self) -> int:
        instructions = b"".join(
            struct.pack("=BBhi", code, target | source << 4, offset, value)
            for code, target, source, offset, value in (
                (0x79, 3, 1, 0, 0),  # r3 = ctx->address
                (0x79, 2, 1, 8, 0),  # r2 = ctx->size
                (0x57, 2, 0, 0, _WINDOW - 1),  # r2 &= _WINDOW - 1
                (0x18, 1, 2, 0, self._map),  # r1 = the map's value (BPF_PSEUDO_MAP_VALUE), in two instructions
                (0x00, 0, 0, 0, 0),
                (0x85, 0, 0, 0, _PROBE_READ_KERNEL),  # r0 = bpf_probe_read_kernel(r1, r2, r3)
                (0x95, 0, 0, 0, 0),  # exit
            )
        )
        code, license_text = ctypes.create_string_buffer(instructions), ctypes.create_string_buffer(b"GPL")
        return self._bpf(
            _PROG_LOAD,
            struct.pack(
                "=IIQQIIQII",
                *(_PROG_TYPE_SYSCALL, len(instructions) // 8, ctypes.addressof(code), ctypes.addressof(license_text)),
                *(0, 0, 0, 0, _F_SLEEPABLE),
            ),
        )

    def _bpf(self, command: int, attributes: bytes) -> int:
        return self._call(command, ctypes.create_string_buffer(attributes, len(attributes)))

    def _call(self, command: int, attributes: "ctypes.Array[ctypes.c_char]") -> int:
        result = self._libc.syscall(self._number, command, attributes, len(attributes))
        if result < 0:
            text = os.strerror(ctypes.get_errno())
            raise Problem(
                f"the kernel refuses a BPF program that reads its memory: {text}",
                "run it as root (CAP_BPF, CAP_PERFMON), on Linux 5.14 or later with CONFIG_BPF_EVENTS=y, not with "
                "lockdown=confidentiality; or read through debugfs",
            )
        return int(result)


# f0b13ee23241, 5.12: a section of arm64 has 512 MiB with pages of 64 KiB.
def _sizes() -> Vmcoreinfo:
    size = os.sysconf("SC_PAGE_SIZE")
    bits = b"NUMBER(SECTION_SIZE_BITS)=29\n" if size == 1 << 16 else b""
    return Vmcoreinfo(b"PAGESIZE=%d\n" % size + bits)
