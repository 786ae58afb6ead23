# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of a snapshot's tables, named and ordered as the columns in `schema`.

The first column of pages and of swap is the key, by which the kernel orders its records.
"""

from typing import NamedTuple

__all__ = [
    "AggregateRow",
    "CgroupRow",
    "OwnerRow",
    "PageRow",
    "ProcessRow",
    "Row",
    "SiteRow",
    "SlabCacheRow",
    "StackRow",
    "SwapRow",
]


class PageRow(NamedTuple):
    """One row of `schema.PAGES`; None if the record does not have the value."""

    pfn: int | None
    order: int
    gfp_mask: int | None
    gfp_flags: str | None
    pid: int | None
    tgid: int | None
    comm: str | None
    ts_nsec: int | None
    free_ts_nsec: int | None
    migratetype: str | None
    pageblock_migratetype: str | None
    page_flags: int | None
    page_flag_names: str | None
    node: int | None
    zone: int | None
    stack_id: int
    last_migrate_reason: str | None
    memcg: str | None
    memcg_offline: bool | None
    memcg_objcg: bool | None
    slab: bool
    module_name: str | None
    swapped: bool
    memcg_path: str | None = None


class AggregateRow(NamedTuple):
    """One row of `schema.AGGREGATES`; None if the aggregate does not tell."""

    pfn: int | None = None
    order: int | None = None
    gfp_mask: int | None = None
    gfp_flags: str | None = None
    pid: int | None = None
    tgid: int | None = None
    comm: str | None = None
    ts_nsec: int | None = None
    free_ts_nsec: int | None = None
    migratetype: str | None = None
    pageblock_migratetype: str | None = None
    page_flags: int | None = None
    page_flag_names: str | None = None
    node: int | None = None
    zone: int | None = None
    stack_id: int = 0
    last_migrate_reason: str | None = None
    memcg: str | None = None
    memcg_offline: bool | None = None
    memcg_objcg: bool | None = None
    slab: bool | None = None
    module_name: str | None = None
    swapped: bool | None = None
    memcg_path: str | None = None
    allocations: int | None = None
    base_pages: int | None = None
    allocator: str | None = None
    event: str | None = None


class SwapRow(NamedTuple):
    """One row of `schema.SWAP`; None if unknown."""

    swp_entry: int
    swap_type: int
    swap_offset: int
    pid: int | None
    tgid: int | None
    comm: str | None
    ts_nsec: int | None
    stack_id: int
    pfn: int | None
    origin: str


class StackRow(NamedTuple):
    """One row of `schema.STACKS`; None if unknown."""

    stack_id: int
    stack_hash: str
    symbol_hash: str
    frames: list[str]
    handle: int | None
    nr_base_pages: int | None
    category: str
    caller: str
    module: str


class SiteRow(NamedTuple):
    """One row of `schema.SITES`; `module`: None in the kernel itself."""

    file: str
    line: int
    module: str | None
    function: str
    bytes: int
    calls: int
    accurate: bool


class ProcessRow(NamedTuple):
    """One row of `schema.PROCESSES`; `swap_share_bytes`: None if it was not read."""

    tgid: int
    comm: str
    swap_bytes: int
    swap_share_bytes: int | None


class CgroupRow(NamedTuple):
    """One row of `schema.CGROUPS`; `swap_bytes`: None without memory.swap.current."""

    memcg: str
    memcg_path: str
    swap_bytes: int | None


class SlabCacheRow(NamedTuple):
    """One row of `schema.SLAB_CACHES`."""

    slab_cache: str
    active_objects: int
    objects: int
    object_bytes: int
    objects_per_slab: int
    pages_per_slab: int
    slabs: int


OwnerRow = PageRow | SwapRow
Row = PageRow | SwapRow | StackRow | AggregateRow | SiteRow | ProcessRow | CgroupRow | SlabCacheRow
