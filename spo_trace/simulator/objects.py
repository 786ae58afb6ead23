# SPDX-License-Identifier: LGPL-2.1-or-later
"""Objects of the simulated machine: pages and their owners, processes, memcgs, regions, swap entries."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from spo_trace.simulator.sites import Site
from spo_trace.simulator.stacks import Stack

__all__ = ["Memcg", "Owner", "Page", "Process", "Region", "SwapEntry"]


class Owner(NamedTuple):
    """An owner as page_owner records it for an allocation, and swap_page_owner for a swapped page."""

    pid: int
    tgid: int
    comm: bytes
    ts_nsec: int
    stack: Stack


@dataclass(slots=True, eq=False)
class Memcg:
    """A memory cgroup; `name` is the last component of its path."""

    name: bytes
    offline: bool = False


@dataclass(slots=True, eq=False)
class Process:
    """A process; its pages come from the free list of processor `cpu`. `started_nsec`: since boot."""

    pid: int
    tgid: int
    comm: bytes
    memcg: Memcg
    cpu: int
    started_nsec: int = 0


@dataclass(slots=True, eq=False)
class Region:
    """The pages of one file, mapping or cache.

    `slots` maps the index of each base page (only the first one of a large page) to the page, to its swap entry, or to
    None for page cache that was dropped and can be read again. `size` is in base pages. `nr_nodes` is the number of
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
    """A swap slot in use: the region and index of its page, and the page itself if it is in the swap cache.

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
    """An allocated block of 1 << `order` base pages, at base page `index` of its region.

    `entry` is set while the page is in the swap cache; `lru` is the list that contains the page.
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
