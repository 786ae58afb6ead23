# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture out of kernel memory: the text of each file that the kernel itself would print."""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from spo_trace.limits import MAX_STACKS
from spo_trace.memory.block_sizes import block_size_texts
from spo_trace.memory.facts import facts_of, swap_entries_used
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.owner_layout import find_owners
from spo_trace.memory.owners import Owners
from spo_trace.memory.page_owner import PageOwner
from spo_trace.memory.page_rows import PageRows
from spo_trace.memory.problem import Problem
from spo_trace.memory.stack_depot import Stack, StackDepot, base_pages
from spo_trace.memory.swap_layout import find_swap_owners, swap_tracking
from spo_trace.memory.swap_page_owner import swap_records
from spo_trace.memory.swap_rows import SwapRows

__all__ = ["MemoryCapture", "SwapCount"]


# Frames whose text is kept; a machine has some thousand.
_KEPT = 1 << 16


class SwapCount(NamedTuple):
    """Hold the owners of swap that can be read, those known to be missing, and the swap entries in use if known."""

    records: int
    lost: int
    used: int | None


class MemoryCapture:
    """Print a kernel's owners and facts.

    `owners`: those that the collector has read from this kernel's memory; by default they are read here.
    """

    def __init__(self, kernel: Kernel, owners: Owners | None = None) -> None:
        """Find everything that is needed; raise Problem if the kernel keeps no owners that can be read."""
        layout = find_owners(kernel, None if owners is None else owners.pageblock_order)
        self._kernel = kernel
        self._page_owner = PageOwner(kernel, layout)
        self._depot = StackDepot(kernel)
        self._layout = layout
        self.tracking = swap_tracking(kernel)
        swap = SwapRows(kernel, find_swap_owners(kernel)) if owners is None and self.tracking.on else None
        self._owners = owners or Owners(PageRows(kernel, layout), swap)

    @cached_property
    def facts(self) -> dict[str, bytes]:
        """Return the text of each file of /proc and /sys that the memory has, by its name in a capture."""
        return facts_of(self._kernel, self._layout.page_size) | block_size_texts(self._kernel, self._layout)

    @property
    def unread_pages(self) -> int:
        """Return the number of base pages whose owner could not be read, after page_owner was read."""
        return self._owners.pages.lost

    def page_owner(self) -> Iterator[bytes]:
        """Yield the records of page_owner, each with a handle in place of its stack."""
        return self._page_owner.records(self._owners.pages.rows())

    def swap_page_owner(self) -> Iterator[bytes]:
        """Yield the records of swap_page_owner, each with a handle in place of its stack."""
        return swap_records(self._owners.swap.rows() if self._owners.swap else ())

    def show_stacks_handles(self) -> Iterator[bytes]:
        """Yield the stack and the handle of each owner's stack."""
        # Most frames are in several stacks.
        text = lru_cache(_KEPT)(self._kernel.symbols.text)
        for handle, stack in self._stacks.items():
            frames = (b" %b\n" % text(address) for address in stack.addresses)
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
        """Return how many of the owners of swap can be read."""
        records, _ = self._swap_handles
        lost = self._owners.swap.lost if self._owners.swap else 0
        return SwapCount(records, lost, swap_entries_used(self._kernel))

    @cached_property
    def _swap_handles(self) -> tuple[int, set[int]]:
        return self._owners.swap.handles() if self._owners.swap else (0, set())

    @cached_property
    def _stacks(self) -> dict[int, Stack]:
        handles = self._owners.pages.handles() | self._swap_handles[1]
        if len(handles) > MAX_STACKS:
            raise Problem(f"the owners have more than {MAX_STACKS:,} stacks: the dump is damaged", "take another dump")
        stacks = {handle: stack for handle in sorted(handles) if (stack := self._depot.read(handle)) is not None}
        counts = self._owners.counts
        if counts is None:
            return stacks
        return {
            handle: stack._replace(nr_base_pages=base_pages(counts.get(handle))) for handle, stack in stacks.items()
        }
