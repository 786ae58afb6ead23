# SPDX-License-Identifier: LGPL-2.1-or-later
"""The columns of the three tables of a fleet, and the version that their files carry."""

from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["CUBE", "CUBE_KEYS", "FLEET_VERSION", "SNAPSHOTS", "STACKS", "TABLES", "VERSION_KEY", "write_rows"]

# Raised with every change of a column; docs/fleet.md has an entry for each version.
FLEET_VERSION = 1

# The key of the version in the metadata of each file.
VERSION_KEY = b"spo_trace_fleet"

_TIME = pa.timestamp("us", "UTC")

# A row for each snapshot. Names are escaped as in a snapshot. `host`: as given, else `reported_host`. `mem_known`,
# `swap_known`, `swap_cache_known`: whether the owners are known. `unknown_in_pages`, `unknown_in_swap`: the columns of
# the cube that the kernel prints for none of these records. `swap_unowned`: bytes of used swap without an owner, null
# if even that is unknown. Amounts of the machine are in bytes.
SNAPSHOTS = pa.schema(
    [
        pa.field("id", pa.string(), False),
        pa.field("host", pa.string()),
        pa.field("reported_host", pa.string()),
        pa.field("labels", pa.map_(pa.string(), pa.string()), False),
        pa.field("boot_id", pa.string()),
        pa.field("kernel", pa.string()),
        pa.field("kernel_version", pa.string()),
        pa.field("arch", pa.string()),
        pa.field("taken_at", _TIME),
        pa.field("received_at", _TIME, False),
        pa.field("uptime", pa.float64()),
        pa.field("page_size", pa.int64(), False),
        pa.field("mem_known", pa.bool_(), False),
        pa.field("swap_known", pa.bool_(), False),
        pa.field("swap_cache_known", pa.bool_(), False),
        pa.field("unknown_in_pages", pa.list_(pa.string()), False),
        pa.field("unknown_in_swap", pa.list_(pa.string()), False),
        pa.field("records", pa.int64(), False),
        pa.field("swap_records", pa.int64(), False),
        pa.field("malformed", pa.int64(), False),
        pa.field("mem_total", pa.int64()),
        pa.field("mem_free", pa.int64()),
        pa.field("swap_total", pa.int64()),
        pa.field("swap_used", pa.int64()),
        pa.field("swap_unowned", pa.int64()),
        pa.field("tool_version", pa.string()),
        pa.field("snapshot_version", pa.int64(), False),
        pa.field("cube_file", pa.string(), False),
        pa.field("cube_bytes", pa.int64(), False),
    ]
)

# A row for each combination of the keys in one snapshot. Rows of memory have null in `swap_pages`, rows of swap in
# `mem_pages` and `swap_cache_pages`. `memcg_known`: a null in `memcg` means that the pages are charged to none.
CUBE = pa.schema(
    [
        pa.field("snapshot", pa.string(), False),
        pa.field("stack", pa.string(), False),
        pa.field("comm", pa.string()),
        pa.field("memcg", pa.string()),
        pa.field("memcg_known", pa.bool_(), False),
        pa.field("order", pa.int16()),
        pa.field("node", pa.int16()),
        pa.field("zone", pa.int16()),
        pa.field("migratetype", pa.string()),
        pa.field("slab", pa.bool_()),
        pa.field("swapped", pa.bool_(), False),
        pa.field("records", pa.int64(), False),
        pa.field("mem_pages", pa.int64()),
        pa.field("swap_pages", pa.int64()),
        pa.field("swap_cache_pages", pa.int64()),
    ]
)

# The columns of the cube that are keys of records, too. The stack comes through another table.
CUBE_KEYS = ("comm", "memcg", "order", "node", "zone", "migratetype", "slab", "swapped")

# Each distinct stack: its stack_hash, and its frames, innermost first (`handle: N` if only that is known).
STACKS = pa.schema([pa.field("stack", pa.string(), False), pa.field("frames", pa.list_(pa.string()), False)])

TABLES = {"snapshots": SNAPSHOTS, "cube": CUBE, "stacks": STACKS}


def write_rows(table: str, rows: pa.Table, file: "IO[bytes] | pa.NativeFile") -> None:
    """Write a file of `table`, with the version in its metadata."""
    known = TABLES[table].with_metadata({VERSION_KEY: str(FLEET_VERSION).encode()})
    pq.write_table(rows.cast(known), file, compression="zstd", write_page_checksum=True)
