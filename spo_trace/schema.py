# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every column of a snapshot: its name, type, unit and source."""

from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa

__all__ = [
    "AGGREGATES",
    "AGGREGATE_COLUMNS",
    "AGGREGATE_TABLES",
    "ALL_TABLES",
    "CGROUPS",
    "CGROUPS_COLUMNS",
    "HEXADECIMAL",
    "KERNEL_OWNER",
    "KERNEL_OWNER_COLUMNS",
    "KEY_KNOWN",
    "OF_FILE",
    "PAGES",
    "PAGES_COLUMNS",
    "PROCESSES",
    "PROCESSES_COLUMNS",
    "READABLE_PAGES",
    "SCHEMA_VERSION",
    "SITES",
    "SITES_COLUMNS",
    "SLAB_CACHES",
    "SLAB_CACHES_COLUMNS",
    "STACKS",
    "STACKS_COLUMNS",
    "SWAP",
    "SWAP_COLUMNS",
    "TABLES",
    "Column",
    "readable",
    "with_page_columns",
]

# Raised with every change of a column or of a key of snapshot.json; snapshots/SCHEMA.md has an entry for each version.
SCHEMA_VERSION = 7

_NAME = pa.dictionary(pa.int32(), pa.string())


class Column(NamedTuple):
    """Describe one column; `source` is a kernel file, or the data from which the column is derived."""

    name: str
    type: pa.DataType
    nullable: bool
    source: str
    meaning: str


_PAGE_OWNER = "page_owner"

# 7cd12b4abfd2, 4.6: last_migrate_reason.
# 9cc7e96aa846, 5.11: pid and ts_nsec.
# 866b48526217, 5.13: free_ts_nsec.
# c244297acbe5, 5.13: node and zone.
# bf215eab785a, 5.18: tgid.
# 865ed6a32786, 5.18: comm.
# fcf8935832b8, 5.18: memcg.
# b459f0905eec, 6.7: no free_ts_nsec.
PAGES_COLUMNS = (
    Column("pfn", pa.int64(), True, _PAGE_OWNER, "page frame number of the head page; null in 2.6.11-mm text"),
    Column("order", pa.uint8(), False, _PAGE_OWNER, "the allocation is 1 << order base pages"),
    Column("gfp_mask", pa.uint32(), True, _PAGE_OWNER, "gfp_t mask of the allocation"),
    Column("gfp_flags", _NAME, True, _PAGE_OWNER, "names of the flags in gfp_mask, since 4.6"),
    Column("pid", pa.int32(), True, _PAGE_OWNER, "thread ID of the allocating thread, since 5.11"),
    Column("tgid", pa.int32(), True, _PAGE_OWNER, "process ID of the allocating thread, since 5.18"),
    Column("comm", _NAME, True, _PAGE_OWNER, "name of the thread when it allocated, escaped, since 5.18"),
    Column("ts_nsec", pa.int64(), True, _PAGE_OWNER, "time of the allocation in ns since boot, since 5.11"),
    Column(
        "free_ts_nsec", pa.int64(), True, _PAGE_OWNER, "time of the page's previous free in ns since boot, 5.13 to 6.6"
    ),
    Column("migratetype", _NAME, True, _PAGE_OWNER, "migrate type that gfp_mask requests, since 4.6"),
    Column(
        "pageblock_migratetype",
        _NAME,
        True,
        _PAGE_OWNER,
        "migrate type of the pageblock; before 4.6 a number",
    ),
    Column("page_flags", pa.uint64(), True, _PAGE_OWNER, "page->flags, since 4.6"),
    Column("page_flag_names", _NAME, True, _PAGE_OWNER, "names of the page flags, without the fields node=, zone=, …"),
    Column("node", pa.int16(), True, _PAGE_OWNER, "NUMA node, since 5.13"),
    Column("zone", pa.int16(), True, _PAGE_OWNER, "zone number in the node, since 5.13"),
    Column("stack_id", pa.uint32(), False, _PAGE_OWNER, "row of stacks"),
    Column("last_migrate_reason", _NAME, True, _PAGE_OWNER, "reason of the page's last migration, since 4.6"),
    Column(
        "memcg",
        _NAME,
        True,
        _PAGE_OWNER,
        "leaf name of the memory cgroup that the page is charged to, escaped, since 5.18",
    ),
    Column("memcg_offline", pa.bool_(), True, _PAGE_OWNER, "that memory cgroup has been removed"),
    Column("memcg_objcg", pa.bool_(), True, _PAGE_OWNER, "charged through an object cgroup (kernel memory)"),
    Column("slab", pa.bool_(), False, _PAGE_OWNER, "slab page whose objects are charged one by one"),
    Column("module_name", _NAME, True, _PAGE_OWNER, "module that allocated the page, only on openEuler OLK-5.10"),
    Column("swapped", pa.bool_(), False, _PAGE_OWNER, "the page was swapped in, and its first owner was kept"),
    Column(
        "memcg_path",
        _NAME,
        True,
        "kernel memory, or kpagecgroup with the inodes of /sys/fs/cgroup",
        "path of that memory cgroup below the root of its hierarchy, escaped, where it is known",
    ),
)

_KERNEL = "page_owner, for pages whose owner the probes restored"

KERNEL_OWNER_COLUMNS = (
    Column(
        "kernel_pid",
        pa.int32(),
        True,
        _KERNEL,
        "restored pages: pid in page_owner, of the thread that swapped the page in",
    ),
    Column("kernel_tgid", pa.int32(), True, _KERNEL, "restored pages: tgid in page_owner"),
    Column("kernel_comm", _NAME, True, _KERNEL, "restored pages: comm in page_owner, escaped"),
    Column(
        "kernel_ts_nsec", pa.int64(), True, _KERNEL, "restored pages: ts_nsec in page_owner, the time of the swap-in"
    ),
    Column("kernel_stack_id", pa.uint32(), True, _KERNEL, "restored pages: stack in page_owner, row of stacks"),
)

_AGGREGATE = "aggregates"

AGGREGATE_COLUMNS = (
    Column("allocations", pa.int64(), True, _AGGREGATE, "aggregates: number of allocations that the row stands for"),
    Column("base_pages", pa.int64(), True, _AGGREGATE, "aggregates: base pages in memory that the row stands for"),
    Column("allocator", _NAME, True, "page_owner_sort", "aggregates: CMA, SLAB, VMALLOC, OTHERS or several of them"),
    Column("event", _NAME, True, "dump_page", "dumps of single pages: what the stack did, `allocated` or `freed`"),
)

_SWAP = "swap_page_owner"

SWAP_COLUMNS = (
    Column("swp_entry", pa.uint64(), False, _SWAP, "swp_entry_t, exceeds 2**53 if the swap type is not 0"),
    Column("swap_type", pa.uint8(), False, _SWAP, "number of the swap area"),
    Column("swap_offset", pa.int64(), False, _SWAP, "slot in the swap area, in pages"),
    Column("pid", pa.int32(), True, _SWAP, "thread ID of the thread that allocated the page"),
    Column("tgid", pa.int32(), True, _SWAP, "process ID of that thread"),
    Column("comm", _NAME, True, _SWAP, "name of that thread when it allocated the page, escaped"),
    Column("ts_nsec", pa.int64(), True, _SWAP, "time of the allocation in ns since boot"),
    Column("stack_id", pa.uint32(), False, _SWAP, "row of stacks"),
    Column("pfn", pa.int64(), True, "bpf probes", "page frame number of the page that was swapped out"),
    Column(
        "origin", _NAME, False, "", "source of the owner: `debugfs` (swap_page_owner), `memory` or `bpf` (the probes)"
    ),
)

_STACKS = "page_owner_stacks"

# 765973a09803, 6.9: the count.
# 3b52b9e31a86, 6.19: handle.
STACKS_COLUMNS = (
    Column("stack_id", pa.uint32(), False, "", "row number, in order of first appearance"),
    Column(
        "stack_hash",
        pa.string(),
        False,
        "frames",
        "hash of the frames: 16 hex digits, the same on every boot and machine",
    ),
    Column(
        "symbol_hash",
        pa.string(),
        False,
        "frames",
        "hash of the function names: the same in builds of one release, not in two releases",
    ),
    Column("frames", pa.list_(pa.string()), False, _PAGE_OWNER, "frames as %pS prints them, innermost first"),
    Column("handle", pa.uint32(), True, _STACKS, "stack depot handle, since 6.19"),
    Column("nr_base_pages", pa.int64(), True, _STACKS, "the kernel's own count of the stack's base pages, since 6.9"),
    Column("category", pa.string(), False, "frames", "use of the memory: one of stacks.rules.CATEGORIES"),
    Column("caller", pa.string(), False, "frames", "innermost function that is not part of an allocator"),
    Column("module", pa.string(), False, "frames", "innermost module, vmlinux if there is none"),
)


_ALLOCINFO = "allocinfo"

SITES_COLUMNS = (
    Column("file", pa.string(), False, _ALLOCINFO, "file of the kernel's source"),
    Column("line", pa.uint32(), False, _ALLOCINFO, "line in the file"),
    Column("module", pa.string(), True, _ALLOCINFO, "module, null in the kernel itself"),
    Column("function", pa.string(), False, _ALLOCINFO, "function that allocates"),
    Column("bytes", pa.int64(), False, _ALLOCINFO, "bytes that are allocated; for a moment, it can be negative"),
    Column("calls", pa.int64(), False, _ALLOCINFO, "allocations that have not been freed"),
    Column(
        "accurate", pa.bool_(), False, _ALLOCINFO, "false if the kernel could not count all allocations of the site"
    ),
)

_PROCESSES = "/proc/PID"

PROCESSES_COLUMNS = (
    Column("tgid", pa.int32(), False, _PROCESSES, "process ID"),
    Column("comm", _NAME, False, _PROCESSES, "name of the process, escaped"),
    Column("swap_bytes", pa.int64(), False, _PROCESSES, "VmSwap: swap that the process's page tables refer to"),
    Column(
        "swap_share_bytes",
        pa.int64(),
        True,
        _PROCESSES,
        "SwapPss: the same, each page divided by the number of references to it",
    ),
)

CGROUPS_COLUMNS = (
    Column("memcg", _NAME, False, "cgroup2", "leaf name of the cgroup as page_owner prints it, escaped"),
    Column("memcg_path", _NAME, False, "cgroup2", "path of the cgroup below the root of its hierarchy, escaped"),
    Column("swap_bytes", pa.int64(), True, "cgroup2", "memory.swap.current: swap of the cgroup and of those below it"),
)

_SLABINFO = "slabinfo"

SLAB_CACHES_COLUMNS = (
    Column("slab_cache", pa.string(), False, _SLABINFO, "name of the cache, escaped"),
    Column("active_objects", pa.int64(), False, _SLABINFO, "objects in use"),
    Column("objects", pa.int64(), False, _SLABINFO, "objects that the slabs have room for"),
    Column("object_bytes", pa.int64(), False, _SLABINFO, "bytes of an object"),
    Column("objects_per_slab", pa.int64(), False, _SLABINFO, "objects in a slab"),
    Column("pages_per_slab", pa.int64(), False, _SLABINFO, "base pages of a slab"),
    Column("slabs", pa.int64(), False, _SLABINFO, "number of slabs"),
)


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, c.type, c.nullable, {"source": c.source, "meaning": c.meaning}) for c in columns]
    )


# The columns from page_owner's text. In a snapshot, KERNEL_OWNER follows, which is null except on restored pages.
PAGES = _schema(PAGES_COLUMNS)
KERNEL_OWNER = _schema(KERNEL_OWNER_COLUMNS)
SWAP = _schema(SWAP_COLUMNS)
STACKS = _schema(STACKS_COLUMNS)
SITES = _schema(SITES_COLUMNS)
PROCESSES = _schema(PROCESSES_COLUMNS)
CGROUPS = _schema(CGROUPS_COLUMNS)
SLAB_CACHES = _schema(SLAB_CACHES_COLUMNS)

# 64-bit numbers that are not amounts. Tools that read them as float64 round beyond 2**53, so they are hexadecimal text
# (0x…) in CSV and JSON, and in the flat table of `export`.
HEXADECIMAL = frozenset({"swp_entry", "page_flags"})

# The column of results that follows their keys: false if a key that is missing in the row is unknown, true if it is
# known that there is none.
KEY_KNOWN = "key_known"

# The tables of every snapshot.
TABLES = {"pages": pa.schema([*PAGES, *KERNEL_OWNER]), "swap": SWAP, "stacks": STACKS}

# What a snapshot of an aggregate has in place of pages: the same columns, null where the aggregate does not tell.
AGGREGATES = pa.schema(
    [*(field.with_nullable(field.nullable or field.name != "stack_id") for field in PAGES), *_schema(AGGREGATE_COLUMNS)]
)
# Columns of pages that any snapshot can be asked for; those of aggregates are null in other snapshots.
READABLE_PAGES = pa.schema([*TABLES["pages"], *_schema(AGGREGATE_COLUMNS)])
AGGREGATE_TABLES = {"aggregates": AGGREGATES, "swap": SWAP, "stacks": STACKS}

# Tables that only some snapshots have, and the file whose rows each contains.
OF_FILE = {"sites": "allocinfo", "processes": "processes", "cgroups": "cgroups", "slab_caches": "slabinfo"}
ALL_TABLES = (
    TABLES | AGGREGATE_TABLES | {"sites": SITES, "processes": PROCESSES, "cgroups": CGROUPS, "slab_caches": SLAB_CACHES}
)


def readable(table: str) -> list[str]:
    """Return the columns of `table` (`pages`, `swap` or `stacks`) that any snapshot can be asked for."""
    names: list[str] = (READABLE_PAGES if table == "pages" else TABLES[table]).names
    return names


def with_page_columns(names: Collection[str]) -> dict[str, pa.Schema]:
    """Return `TABLES` with only these columns of pages."""
    return TABLES | {"pages": pa.schema([field for field in TABLES["pages"] if field.name in names])}
