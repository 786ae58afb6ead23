# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

__all__ = [
    "COUNT_RANGE",
    "MANIFEST_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_JSON_BYTES",
    "MAX_JSON_DEPTH",
    "MAX_LINES",
    "MAX_MEMORY_BYTES",
    "MAX_NAMES",
    "MAX_ORDER",
    "MAX_REJECTS",
    "MAX_REJECTS_BYTES",
    "MAX_REJECT_BYTES",
    "MAX_ROWS_PER_BYTE",
    "MAX_ROW_GROUP",
    "MAX_SECONDS",
    "MAX_STACKS",
    "MAX_TABLE_BYTES",
    "NAME_BYTES",
    "STAGE_NAME_BYTES",
]
# Characters of a condition (--where): a list of two thousand process IDs fits. Python's parser, and the messages that
# show a condition, take time and stack for longer ones.
WHERE_CHARACTERS = 16_384

# Levels of a condition, such as signs and calls. pandas evaluates each level in a few nested calls, of which Python
# allows a thousand.
WHERE_LEVELS = 64

# Operators of a condition: pandas evaluates each one on all rows.
WHERE_OPERATORS = 100

# Characters of a size, such as 1.5GiB: 2**64 has 20 digits, and Python refuses to convert more than 4,300.
SIZE_CHARACTERS = 40

# A file name in Linux's file systems (NAME_MAX of linux/limits.h).
NAME_BYTES = 255

# The name of a stage of a simulated machine. `-TIME.spo` is added to it in the default name of its snapshot.
STAGE_NAME_BYTES = 200

# The list of files of a simulated machine. Each stage has about 20 lines of 130 bytes.
MANIFEST_BYTES = 1 << 22

# 16 GiB in pages of 4 KiB: the largest folio of any kernel (MAX_FOLIO_ORDER, 39231e8d6ba7, 6.18: 34 - PAGE_SHIFT). The
# page allocator itself ends at MAX_PAGE_ORDER (usually 10); only gigantic huge pages go beyond it.
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

# Run-length encoding lets a file of a few kilobytes contain 2**40 equal rows. The simplest rows, equal in all columns
# but consecutive PFNs, take 0.09 bytes each.
MAX_ROWS_PER_BYTE = 200

# Of one row group without compression, as its footer states it: 270,000 rows have 5 MB.
MAX_TABLE_BYTES = 4 << 30

# nr_base_pages of page_owner_stacks is an int (stack_print(), mm/page_owner.c), negative if its refcount is saturated.
COUNT_RANGE = (-(1 << 31), (1 << 31) - 1)

# Between two samples of one boot: 136 years. Squares of seconds stay far from the end of float64.
MAX_SECONDS = 1 << 32
# Lines of one record that are read. A kernel prints up to 22: two, 16 frames, and four after them. Messages of the
# kernel may interrupt a record in a log. In a larger number of lines, time is spent for nothing.
MAX_LINES = 1000

# Bytes of a stack frame's line: the name of a symbol has up to 512 (6.1), that of a module 64.
MAX_FRAME_BYTES = 1000

# Rejected pieces of text in rejects.txt, and the bytes that they take there: they are for people to look at. Of one
# piece, as much is kept as the longest record can have (16 frames with names of 512 bytes, 6.1): a piece may be part
# of a foreign file of gigabytes.
MAX_REJECTS = 1000
MAX_REJECTS_BYTES = 16 << 20
MAX_REJECT_BYTES = 16 << 10

# Distinct stacks, of which each takes 4 KiB of memory (16 different frames) while a snapshot is taken. Machines have
# 1,000 to 50,000.
MAX_STACKS = 1 << 17

# Distinct names in one column: processes, cgroups, combinations of flags. A name takes 0.2 KiB. A kernel has up to 4
# million threads at a time (PID_MAX_LIMIT), of which most have the name of another.
MAX_NAMES = 1 << 20
