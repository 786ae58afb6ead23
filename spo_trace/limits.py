# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

__all__ = [
    "LARGEST_ORDER",
    "LARGEST_REJECT",
    "LARGEST_REJECTS",
    "LONGEST_FRAME",
    "MAX_MEMORY_BYTES",
    "MOST_LINES",
    "MOST_NAMES",
    "MOST_REJECTS",
    "MOST_STACKS",
]

# 16 GiB in pages of 4 KiB: the largest folio of any kernel (MAX_FOLIO_ORDER, 39231e8d6ba7, 6.18). The page allocator
# itself ends at MAX_PAGE_ORDER; gigantic huge pages are larger. native/page_record.c has the same limit.
LARGEST_ORDER = 22

# The largest physical address of any architecture has 52 bits (x86-64, arm64 with LPA2). Sums of bytes below it are
# far from the end of int64, and exact in float64.
MAX_MEMORY_BYTES = 1 << 52

# Lines of one record that are read. A kernel prints up to 22: two, 16 frames, and four after them. Messages of the
# kernel may interrupt a record in a log. In a larger number of lines, time is spent for nothing.
MOST_LINES = 1000

# Bytes of a stack frame's line: the name of a symbol has up to 512 (6.1), that of a module 64.
LONGEST_FRAME = 1000

# Rejected pieces of text in rejects.txt, and the bytes that they take there: they are for people to look at. Of one
# piece, as much is kept as the longest record can have (16 frames with names of 512 bytes, 6.1): a piece may be part
# of a foreign file of gigabytes.
MOST_REJECTS = 1000
LARGEST_REJECTS = 16 << 20
LARGEST_REJECT = 16 << 10

# Distinct stacks, of which each takes 4 KiB of memory (16 different frames) while a snapshot is taken. Machines have
# 1,000 to 50,000.
MOST_STACKS = 1 << 17

# Distinct names in one column: processes, cgroups, combinations of flags. A name takes 0.2 KiB. A kernel has up to 4
# million threads at a time (PID_MAX_LIMIT), of which most have the name of another.
MOST_NAMES = 1 << 20
