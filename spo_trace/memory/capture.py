# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture out of kernel memory: the text of each file that the kernel itself would print."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from spo_trace.limits import MAX_STACKS
from spo_trace.memory.facts import facts_of, swap_entries_used
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.page_owner import PageOwner
from spo_trace.memory.problem import Problem
from spo_trace.memory.stack_depot import Stack, StackDepot
from spo_trace.memory.swap_page_owner import SwapOwners, SwapPageOwner

__all__ = ["MemoryCapture", "SwapCount", "SwapTracking"]


class SwapTracking(NamedTuple):
    """Hold whether the kernel has swap_page_owner, and whether it was booted to use it."""

    exists: bool
    on: bool


class SwapCount(NamedTuple):
    """Hold the owners of swap that can be read, those known to be missing, and the swap entries in use if known."""

    records: int
    lost: int
    used: int | None


class MemoryCapture:
    """Print a kernel's owners and facts."""

    def __init__(self, kernel: Kernel) -> None:
        """Find everything that is needed; raise Problem if the kernel keeps no owners that can be read."""
        layout = find_owners(kernel)
        self._kernel = kernel
        self._page_owner = PageOwner(kernel, layout)
        self._depot = StackDepot(kernel)
        self.facts = facts_of(kernel, layout.page_size)
        self.tracking = _tracking(kernel)

    @property
    def unread_pages(self) -> int:
        """Return the number of base pages whose owner could not be read, after page_owner was read."""
        return self._page_owner.unread_pages

    def page_owner(self) -> Iterator[bytes]:
        """Yield the records of page_owner, each with a handle in place of its stack."""
        return self._page_owner.records()

    def swap_page_owner(self) -> Iterator[bytes]:
        """Yield the records of swap_page_owner, each with a handle in place of its stack."""
        return SwapPageOwner(self._kernel).records(SwapOwners())

    def show_stacks_handles(self) -> Iterator[bytes]:
        """Yield the stack and the handle of each owner's stack."""
        for handle, stack in self._stacks.items():
            frames = (b" %b\n" % self._kernel.symbols.text(address) for address in stack.addresses)
            yield b"%bhandle: %d\n\n" % (b"".join(frames), handle)

    def show_handles(self) -> Iterator[bytes]:
        """Yield the handle and the number of base pages of each stack that has some."""
        for handle, stack in self._stacks.items():
            if stack.nr_base_pages:
                yield b"handle: %d\nnr_base_pages: %d\n\n" % (handle, stack.nr_base_pages)

    @cached_property
    def counts_pages(self) -> bool:
        """Return whether the kernel counts base pages by stack (6.8+)."""
        return any(stack.nr_base_pages is not None for stack in self._stacks.values())

    @cached_property
    def swap_count(self) -> SwapCount:
        """Return how many of the owners of swap can be read; raise Problem without swap_page_owner."""
        return SwapCount(self._swap_owners.records, self._swap_owners.lost, swap_entries_used(self._kernel))

    @cached_property
    def _swap_owners(self) -> SwapOwners:
        found = SwapOwners()
        if self.tracking.on:
            for _ in SwapPageOwner(self._kernel).records(found):
                pass
        return found

    @cached_property
    def _stacks(self) -> dict[int, Stack]:
        handles = self._page_owner.handles() | self._swap_owners.handles
        if len(handles) > MAX_STACKS:
            raise Problem(f"the owners have more than {MAX_STACKS:,} stacks: the dump is damaged", "take another dump")
        return {handle: stack for handle in sorted(handles) if (stack := self._depot.read(handle)) is not None}


# Static keys (struct static_key, linux/jump_label.h) begin with a counter.
def _tracking(kernel: Kernel) -> SwapTracking:
    key = kernel.symbols.find("swap_page_owner_inited")
    exists = key is not None and kernel.symbols.find("swap_page_owners") is not None
    return SwapTracking(exists, exists and key is not None and kernel.image.u32(key) != 0)
