# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the modelled machine is made of: pages and their owners, processes, memcgs, regions, swap entries."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from spo_trace.simulator.sites import Site
from spo_trace.simulator.stacks import Stack

__all__ = ["Memcg", "Owner", "Page", "Process", "Region", "SwapEntry"]


class Owner(NamedTuple):
    """Hold what page_owner keeps of an allocation and swap_page_owner of a swapped page."""

    pid: int
    tgid: int
    comm: bytes
    ts_nsec: int
    stack: Stack


@dataclass(slots=True, eq=False)
class Memcg:
    """Hold a memory cgroup; `name` is that of its directory alone."""

    name: bytes
    offline: bool = False


@dataclass(slots=True, eq=False)
class Process:
    """Hold a process; its pages come from the free list of processor `cpu`."""

    pid: int
    tgid: int
    comm: bytes
    memcg: Memcg
    cpu: int


@dataclass(slots=True, eq=False)
class Region:
    """Hold what was allocated for one purpose: a file, a mapping, a cache.

    `slots` maps each base page's index (of a larger page only the first) to the page, to its swap entry, or
    to None: page cache that was dropped and can be read again. `size` is in base pages; `nr_nodes` counts the
    xarray nodes of a tmpfs file.
    """

    name: str
    site: Site
    process: Process
    swappable: bool
    slots: dict[int, "Page | SwapEntry | None"] = field(default_factory=dict)
    size: int = 0
    nr_nodes: int = 0


@dataclass(slots=True, eq=False)
class SwapEntry:
    """Hold one swap slot in use: whose page it is, and its page in the swap cache, if any.

    `owner` is the swap_page_owner record; None without swap support in page_owner.
    """

    value: int
    region: Region
    index: int
    memcg: Memcg
    owner: Owner | None
    cached: "Page | None" = None


@dataclass(slots=True, eq=False)
class Page:
    """Hold one allocated block of 1 << `order` base pages, at base page `index` of its region.

    `entry` is set while the page is in the swap cache, `lru` is the list it is on.
    """

    pfn: int
    order: int
    site: Site
    owner: Owner
    memcg: Memcg
    flags: int
    region: Region
    index: int
    free_ts_nsec: int
    swapped: bool = False
    migrate_reason: str = ""
    entry: SwapEntry | None = None
    lru: "OrderedDict[Page, None] | None" = None
