# SPDX-License-Identifier: LGPL-2.1-or-later
"""Swap devices: slots in use and their owners."""

import heapq

from spo_trace.simulator.objects import SwapEntry
from spo_trace.simulator.scenario import SwapSpec

__all__ = ["SwapDevice", "SwapSpace"]

# include/linux/swapops.h (4.20 to 7.2, 64 bits): the type is above the offset.
SWP_TYPE_SHIFT = 58


class SwapDevice:
    """The slots of one device, allocated from offset 1 (0 is the header), then from the freed ones."""

    def __init__(self, spec: SwapSpec, swp_type: int) -> None:
        self.spec = spec
        self.swp_type = swp_type
        self.nr_slots = spec.size - 1
        self.used = 0
        self._next = 1
        self._freed: list[int] = []

    def take(self, nr_slots: int) -> range | None:
        """Return `nr_slots` contiguous offsets, aligned to `nr_slots`, or None."""
        start = -(-self._next // nr_slots) * nr_slots
        if start + nr_slots <= self.nr_slots + 1:
            for skipped in range(self._next, start):
                heapq.heappush(self._freed, skipped)
            self._next = start + nr_slots
        elif nr_slots == 1 and self._freed:
            start = heapq.heappop(self._freed)
        else:
            return None
        self.used += nr_slots
        return range(start, start + nr_slots)

    def give_back(self, offset: int) -> None:
        """Free one slot."""
        heapq.heappush(self._freed, offset)
        self.used -= 1

    def value(self, offset: int) -> int:
        """Return the swp_entry_t of `offset`."""
        return self.swp_type << SWP_TYPE_SHIFT | offset


class SwapSpace:
    """All swap devices, and the entries in use by their value."""

    def __init__(self, specs: list[SwapSpec]) -> None:
        self.devices = [SwapDevice(spec, swp_type) for swp_type, spec in enumerate(specs)]
        self.entries: dict[int, SwapEntry] = {}
        self._by_priority = sorted(self.devices, key=lambda device: -device.spec.priority)

    @property
    def nr_free(self) -> int:
        """Return the free slots of all devices."""
        return sum(device.nr_slots - device.used for device in self.devices)

    def take(self, nr_slots: int) -> list[int] | None:
        """Return `nr_slots` entry values of the device with the highest priority that has them free, or None."""
        for device in self._by_priority:
            offsets = device.take(nr_slots)
            if offsets is not None:
                return [device.value(offset) for offset in offsets]
        return None

    def free(self, entry: SwapEntry) -> None:
        """Free the entry's slot."""
        del self.entries[entry.value]
        device, offset = self._place(entry.value)
        device.give_back(offset)

    def cluster(self, entry: SwapEntry, page_cluster: int) -> list[SwapEntry]:
        """Return the entries in use in the aligned window of 1 << `page_cluster` slots around `entry`."""
        device, offset = self._place(entry.value)
        start = offset >> page_cluster << page_cluster
        window = (device.value(start + i) for i in range(1 << page_cluster))
        return [self.entries[value] for value in window if value in self.entries]

    def _place(self, value: int) -> tuple[SwapDevice, int]:
        return self.devices[value >> SWP_TYPE_SHIFT], value & (1 << SWP_TYPE_SHIFT) - 1
