# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel's memory by virtual address: the one interface of kcore, BPF and dumps."""

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator

from spo_trace.limits import MAX_IMAGE_READ_BYTES
from spo_trace.memory.problem import Problem
from spo_trace.memory.vmcoreinfo import Vmcoreinfo

__all__ = ["Image", "Unreadable"]

_INCOMPLETE = "use a dump that has all pages of the kernel (makedumpfile -d 23), or the text of page_owner"
_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")


class Unreadable(Problem):
    """The memory at an address is not mapped, or is not in the dump."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _INCOMPLETE)


class Image(ABC):
    """Read kernel memory of a little-endian 64-bit machine.

    `vmcoreinfo`: empty if the kernel gives none. `size`: the number of bytes of a dump, None of a running kernel.
    `omits_zeros`: whether what cannot be read may have been zeros. A subclass yields what it has; the methods here are
    the same for all.
    """

    def __init__(self, vmcoreinfo: Vmcoreinfo, size: int | None = None, *, omits_zeros: bool = False) -> None:
        self.vmcoreinfo = vmcoreinfo
        self.size = size
        self.omits_zeros = omits_zeros

    @abstractmethod
    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the readable parts of a range in ascending order, each with its offset in the range."""

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes; raise Unreadable if some of them cannot be read."""
        parts, have = [], 0
        for _, part in self._checked(address, size):
            parts.append(part)
            have += len(part)
        if have != size:
            raise Unreadable(f"{size:,} bytes of kernel memory at {address:#x} cannot be read")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_filled(self, address: int, size: int) -> tuple[bytearray, int]:
        """Return `size` bytes with zeros for those that cannot be read, and the number of the latter."""
        whole, have = bytearray(size if size <= MAX_IMAGE_READ_BYTES else 0), 0
        for at, part in self._checked(address, size):
            whole[at : at + len(part)] = part
            have += len(part)
        return whole, size - have

    def u32(self, address: int) -> int:
        """Return a 32-bit word; raise Unreadable."""
        return int(_U32.unpack(self.read(address, 4))[0])

    def u64(self, address: int) -> int:
        """Return a 64-bit word; raise Unreadable."""
        return int(_U64.unpack(self.read(address, 8))[0])

    def string(self, address: int, limit: int) -> bytes:
        """Return the bytes up to a NUL, at most `limit`; raise Unreadable."""
        found = b""
        while len(found) < limit:
            # A string may end right before memory that cannot be read: never read across the next 64 bytes.
            step = min(limit - len(found), 64 - (address + len(found)) % 64)
            part = self.read(address + len(found), step)
            end = part.find(b"\0")
            if end >= 0:
                return found + part[:end]
            found += part
        return found

    def _checked(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        if not 0 < size <= MAX_IMAGE_READ_BYTES or not 0 <= address <= (1 << 64) - size:
            raise Unreadable(f"{size:,} bytes of kernel memory at {address:#x} are no valid range")
        return self.pieces(address, size)
