# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

__all__ = [
    "COUNT_RANGE",
    "MANIFEST_BYTES",
    "MAX_JSON_BYTES",
    "MAX_JSON_DEPTH",
    "MAX_MEMORY_BYTES",
    "MAX_ORDER",
    "MAX_ROWS_PER_BYTE",
    "MAX_ROW_GROUP",
    "MAX_SECONDS",
    "MAX_TABLE_BYTES",
    "NAME_BYTES",
    "STAGE_NAME_BYTES",
]

# A file name in Linux's file systems (NAME_MAX of linux/limits.h).
NAME_BYTES = 255

# The name of a stage of a simulated machine. `-TIME.spo` is added to it in the default name of its snapshot.
STAGE_NAME_BYTES = 200

# The list of files of a simulated machine. Each stage has about 20 lines of 130 bytes.
MANIFEST_BYTES = 1 << 22

# 16 GiB in pages of 4 KiB: the largest folio of any kernel (MAX_FOLIO_ORDER, 39231e8d6ba7, 6.18: 34 - PAGE_SHIFT). The
# page allocator itself ends at MAX_PAGE_ORDER (at most 17, on ia64); only gigantic huge pages and CMA go beyond it.
# native/page_record.c has the same limit.
MAX_ORDER = 22

# The largest physical address of any architecture has 52 bits (x86-64, arm64 with LPA2). Sums of bytes below it are
# far from the end of int64, and exact in float64.
MAX_MEMORY_BYTES = 1 << 52

# snapshot.json and series.json have 10 to 100 KiB; zoneinfo of 1,024 nodes makes it 1 MiB.
MAX_JSON_BYTES = 16 << 20

# snapshot.json has 5 levels. Python's parser recurses.
MAX_JSON_DEPTH = 20

# Rows of a row group, which are decompressed at once. The writer makes groups of about 260,000 rows; the stacks are one
# group.
MAX_ROW_GROUP = 1 << 24

# Run-length encoding lets a file of a few kilobytes contain 2**40 equal rows. The simplest rows of real kernels (4.4,
# one owner, consecutive PFNs) take more than a tenth of a byte.
MAX_ROWS_PER_BYTE = 200

# Of one row group's columns in memory, as its footer states them: 260,000 rows take 40 MB.
MAX_TABLE_BYTES = 4 << 30

# nr_base_pages of page_owner_stacks is an int (stack_print(), mm/page_owner.c), negative if its refcount is saturated.
COUNT_RANGE = (-(1 << 31), (1 << 31) - 1)

# Between two samples of one boot: 136 years. Squares of seconds stay far from the end of float64.
MAX_SECONDS = 1 << 32
