# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every column of a snapshot: its name, type, unit and the kernel file that it comes from."""

import json
from collections.abc import Collection
from typing import NamedTuple

import pyarrow as pa

__all__ = [
    "HEXADECIMAL",
    "KERNEL_OWNER",
    "KERNEL_OWNER_COLUMNS",
    "PAGES",
    "PAGES_COLUMNS",
    "SCHEMA_VERSION",
    "STACKS",
    "STACKS_COLUMNS",
    "SWAP",
    "SWAP_COLUMNS",
    "TABLES",
    "Column",
    "for_pandas",
    "with_page_columns",
]

# Raised whenever a column or a key of snapshot.json changes; snapshots/SCHEMA.md has an entry for each version.
SCHEMA_VERSION = 3

_NAME = pa.dictionary(pa.int32(), pa.string())


class Column(NamedTuple):
    """Describe one column: `source` is a kernel file or what the column is derived from."""

    name: str
    type: pa.DataType
    nullable: bool
    source: str
    meaning: str


_PAGE_OWNER = "page_owner"

PAGES_COLUMNS = (
    Column("pfn", pa.uint64(), True, _PAGE_OWNER, "page frame number of the head page; null in 2.6.11-mm text"),
    Column("order", pa.uint8(), False, _PAGE_OWNER, "the allocation is 1 << order base pages"),
    Column("gfp_mask", pa.uint32(), True, _PAGE_OWNER, "gfp_t of the allocation"),
    Column("gfp_flags", _NAME, True, _PAGE_OWNER, "the kernel's names for gfp_mask, since 4.6"),
    Column("pid", pa.int32(), True, _PAGE_OWNER, "thread that allocated, since 5.11"),
    Column("tgid", pa.int32(), True, _PAGE_OWNER, "process that allocated, since 5.18"),
    Column("comm", _NAME, True, _PAGE_OWNER, "the thread's name when it allocated, escaped, since 5.18"),
    Column("ts_nsec", pa.uint64(), True, _PAGE_OWNER, "when it allocated: ns since boot, since 5.11"),
    Column("free_ts_nsec", pa.uint64(), True, _PAGE_OWNER, "the page's previous free: ns since boot, 5.13 to 6.6"),
    Column("migratetype", _NAME, True, _PAGE_OWNER, "migrate type from gfp_mask, since 4.6"),
    Column(
        "pageblock_migratetype",
        _NAME,
        True,
        _PAGE_OWNER,
        "migrate type of the pageblock; a number before 4.6",
    ),
    Column("page_flags", pa.uint64(), True, _PAGE_OWNER, "page->flags, since 4.6"),
    Column("page_flag_names", _NAME, True, _PAGE_OWNER, "names of the flags, without the node=, zone=… fields"),
    Column("node", pa.int16(), True, _PAGE_OWNER, "NUMA node, since 5.13"),
    Column("zone", pa.int16(), True, _PAGE_OWNER, "zone number in the node, since 5.13"),
    Column("stack_id", pa.uint32(), False, _PAGE_OWNER, "row of stacks"),
    Column("last_migrate_reason", _NAME, True, _PAGE_OWNER, "why the page was last migrated, since 4.6"),
    Column(
        "memcg",
        _NAME,
        True,
        _PAGE_OWNER,
        "leaf name of the memory cgroup it is charged to, escaped, since 5.18",
    ),
    Column("memcg_offline", pa.bool_(), True, _PAGE_OWNER, "that memory cgroup was removed"),
    Column("memcg_objcg", pa.bool_(), True, _PAGE_OWNER, "charged via an object cgroup (kernel memory)"),
    Column("slab", pa.bool_(), False, _PAGE_OWNER, "a slab page that is charged object by object"),
    Column("module_name", _NAME, True, _PAGE_OWNER, "module that allocated, on openEuler OLK-5.10"),
    Column("swapped", pa.bool_(), False, _PAGE_OWNER, "the page came back from swap with its owner kept"),
)

_KERNEL = "page_owner, of a page whose owner the probes restored"

KERNEL_OWNER_COLUMNS = (
    Column("kernel_pid", pa.int32(), True, _KERNEL, "thread that brought it back from swap: the kernel's own pid"),
    Column("kernel_tgid", pa.int32(), True, _KERNEL, "the kernel's own tgid"),
    Column("kernel_comm", _NAME, True, _KERNEL, "the kernel's own comm, escaped"),
    Column("kernel_ts_nsec", pa.uint64(), True, _KERNEL, "when it came back from swap: the kernel's own time"),
    Column("kernel_stack_id", pa.uint32(), True, _KERNEL, "row of stacks: the kernel's own stack"),
)

_SWAP = "swap_page_owner"

SWAP_COLUMNS = (
    Column("swp_entry", pa.uint64(), False, _SWAP, "swp_entry_t; above 2**53 from type 1 on"),
    Column("swap_type", pa.uint8(), False, _SWAP, "number of the swap area"),
    Column("swap_offset", pa.uint64(), False, _SWAP, "slot in the swap area, in pages"),
    Column("pid", pa.int32(), True, _SWAP, "thread that allocated the page"),
    Column("tgid", pa.int32(), True, _SWAP, "process that allocated the page"),
    Column("comm", _NAME, True, _SWAP, "the thread's name when it allocated, escaped"),
    Column("ts_nsec", pa.uint64(), True, _SWAP, "when it allocated the page: ns since boot"),
    Column("stack_id", pa.uint32(), False, _SWAP, "row of stacks"),
    Column("pfn", pa.uint64(), True, "bpf probes", "page frame that was swapped out"),
    Column("origin", _NAME, False, "", "`debugfs` or `bpf`: where the owner comes from"),
)

_STACKS = "page_owner_stacks"

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
        "hash of the function names alone: the same across builds of one release",
    ),
    Column("frames", pa.list_(pa.string()), False, _PAGE_OWNER, "innermost first, as %pS prints them"),
    Column("handle", pa.uint32(), True, _STACKS, "stack depot handle, since 6.19"),
    Column("nr_base_pages", pa.int64(), True, _STACKS, "base pages that the kernel counts, since 6.9"),
    Column("category", pa.string(), False, "frames", "what the memory is: one of analysis.stacks.CATEGORIES"),
    Column("caller", pa.string(), False, "frames", "first function that is not allocator plumbing"),
    Column("module", pa.string(), False, "frames", "first module from the inside, else vmlinux"),
)


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, c.type, c.nullable, {"source": c.source, "meaning": c.meaning}) for c in columns]
    )


# What page_owner's text gives; a snapshot's table has KERNEL_OWNER after it, null where no page was restored.
PAGES = _schema(PAGES_COLUMNS)
KERNEL_OWNER = _schema(KERNEL_OWNER_COLUMNS)
SWAP = _schema(SWAP_COLUMNS)
STACKS = _schema(STACKS_COLUMNS)

# Numbers of up to 64 bits that are no amounts. Tools that read them as float64 lose digits beyond 2**53, so they are
# hexadecimal text (0x…) in CSV and JSON, and in the flat table of `export`.
HEXADECIMAL = frozenset({"swp_entry", "page_flags"})

TABLES = {"pages": pa.schema([*PAGES, *KERNEL_OWNER]), "swap": SWAP, "stacks": STACKS}


# pandas' names of its whole numbers that can be missing.
_PANDAS_TYPES = {
    **{getattr(pa, f"uint{bits}")(): f"UInt{bits}" for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"int{bits}")(): f"Int{bits}" for bits in (8, 16, 32, 64)},
    pa.bool_(): "boolean",
}


def for_pandas(table: pa.Schema) -> pa.Schema:
    """Return `table` with metadata by which pandas.read_parquet gives whole numbers where a column has nulls.

    By default it makes float64 of such a column, which rounds beyond 2**53. Other readers ignore the metadata.
    """
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": str(field.type),
            "numpy_type": name,
            "metadata": None,
        }
        for field in table
        if (name := _PANDAS_TYPES.get(field.type))
    ]
    metadata = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
    return table.with_metadata({"pandas": json.dumps(metadata)})


def with_page_columns(names: Collection[str]) -> dict[str, pa.Schema]:
    """Return `TABLES` with none but these columns of pages."""
    return TABLES | {"pages": pa.schema([field for field in TABLES["pages"] if field.name in names])}
