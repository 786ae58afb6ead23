# SPDX-License-Identifier: LGPL-2.1-or-later
"""Slab: caches of small kernel objects, which allocate and free pages as the number of objects changes."""

from typing import TYPE_CHECKING

from spo_trace.simulator.objects import Page, Process, Region
from spo_trace.simulator.sites import Site

if TYPE_CHECKING:
    from spo_trace.simulator.machine import Machine

__all__ = ["ObjectCache"]


class ObjectCache:
    """A cache of objects, `nr_in_slab` of them in each allocation of `site`."""

    def __init__(self, machine: "Machine", site: Site, nr_in_slab: int) -> None:
        self._machine = machine
        self._site = site
        self._region = Region(site.name, site, machine.kswapd, swappable=False)
        self._nr_in_slab = nr_in_slab
        self._nr_objects = 0
        self._capacity = 0
        self._slabs: list[Page] = []

    def grow(self, nr_objects: int, process: Process) -> None:
        """Add objects; `process` becomes the owner of the slabs that are allocated for them."""
        self._nr_objects += nr_objects
        while self._capacity < self._nr_objects:
            slab = self._machine.allocate(self._site, process, self._region)
            self._slabs.append(slab)
            self._capacity += self._nr_in(slab)

    def shrink(self, nr_objects: int) -> None:
        """Remove objects and free empty slabs, newest first."""
        self._nr_objects -= nr_objects
        while self._slabs and self._capacity - self._nr_in(self._slabs[-1]) >= self._nr_objects:
            slab = self._slabs.pop()
            self._capacity -= self._nr_in(slab)
            self._machine.release(slab)

    # A slab of a smaller order than requested has fewer objects.
    def _nr_in(self, slab: Page) -> int:
        return self._nr_in_slab >> self._site.order - slab.order
