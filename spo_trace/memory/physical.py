# SPDX-License-Identifier: LGPL-2.1-or-later
"""The content of a dump by physical address, before any page table is followed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from spo_trace.memory.vmcoreinfo import Vmcoreinfo

__all__ = ["Physical"]


class Physical(ABC):
    """Read a dump's pages.

    `machine`: the architecture as `uname -m` names it. `page_tables`: physical addresses of top-level page tables that
    processors used, from QEMU's notes; `five_levels`: whether these have five levels. `omits_zeros`: whether a page
    that is missing may have been all zeros. `size`: the number of bytes that the dump has.
    """

    machine: str
    vmcoreinfo: Vmcoreinfo
    page_tables: tuple[int, ...] = ()
    five_levels: bool = False
    omits_zeros: bool = False
    size: int

    @abstractmethod
    def pieces(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the parts of a physical range that the dump has, in ascending order, each with its offset."""

    @abstractmethod
    def close(self) -> None:
        """Close the dump's file."""
