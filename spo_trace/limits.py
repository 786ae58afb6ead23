# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

# The command line

# Characters of a condition (--where): a list of two thousand process IDs fits. Python's parser, and the messages that
# show a condition, take time and stack for longer ones.
MAX_WHERE_CHARACTERS = 16_384

# Levels of a condition, such as signs and calls. pandas evaluates each level in a few nested calls, of which Python
# allows a thousand.
MAX_WHERE_LEVELS = 64

# Operators of a condition: pandas evaluates each one on all rows.
MAX_WHERE_OPERATORS = 100

# Characters of a size, such as 1.5GiB: 2**64 has 20 digits, and Python refuses to convert more than 4,300.
MAX_SIZE_CHARACTERS = 40

# Rows that are added where allocations are split at the boundaries of pageblocks, memory blocks or ranges: 32 TiB of
# huge pages of 1 GiB in pageblocks of 2 MiB. Each row takes some 100 bytes of memory.
MAX_SPLIT_ROWS = 1 << 24

# Owners of each key that get a time series of their own in metrics: Prometheus keeps each series in memory for hours,
# some 4 KiB, and the default is 20.
MAX_SERIES = 1000

# File names

# A file name in Linux's file systems (NAME_MAX of linux/limits.h).
MAX_FILE_NAME_BYTES = 255

# PATH_MAX (include/uapi/linux/limits.h). A longer name is of no file of a capture.
MAX_PATH_BYTES = 4096

# Entries of a directory that are looked at. A capture has 30, a directory of captures or snapshots a few thousand.
MAX_DIRECTORY_ENTRIES = 10_000

# Bytes at the beginning of a file of any name that show what it is. The first block of a compressed file must be
# complete: a block of lz4 has up to 4 MiB, one of bz2 900 kB.
SNIFFED_BYTES = 5 << 20

# Records of page_owner

# The largest number in a column of int64, which every reader has (Spark reads uint64 as a decimal): a time of 292 years
# in ns, and a PFN that no machine has.
MAX_INT64 = (1 << 63) - 1

# 16 GiB in pages of 4 KiB: the largest folio of any kernel (MAX_FOLIO_ORDER, 39231e8d6ba7, 6.18: 34 - PAGE_SHIFT). The
# page allocator itself ends at MAX_PAGE_ORDER (usually 10); only gigantic huge pages go beyond it.
# native/page_record.c has the same limit.
MAX_ORDER = 22

# The largest physical address of any architecture has 52 bits (x86-64, arm64 with LPA2). Sums of bytes below it are
# far from the end of int64, and exact in float64.
MAX_MEMORY_BYTES = 1 << 52

# All sites of /proc/allocinfo: the pages of slab count again as the objects in them. Sums stay far from the end of
# int64.
MAX_SITES_BYTES = 4 * MAX_MEMORY_BYTES

# Memory of all records, as a multiple of the memory that zoneinfo calls present: that includes what a balloon has taken
# from MemTotal. A page that moves while page_owner is read may be listed twice.
MAX_LISTED_SHARE = 2

# nr_base_pages of page_owner_stacks is an int (stack_print(), mm/page_owner.c), negative if its refcount is saturated.
COUNT_RANGE = (-(1 << 31), (1 << 31) - 1)

# Allocations or base pages of one row of an aggregate: more pages of 4 KiB do not fit into MAX_MEMORY_BYTES.
# page_owner_sort itself counts in an int.
MAX_AGGREGATE_COUNT = MAX_MEMORY_BYTES >> 12

# Lines of one record that are read. A kernel prints up to 22: two, 16 frames, and four after them. Messages of the
# kernel may interrupt a record in a log. In a larger number of lines, time is spent for nothing.
MAX_RECORD_LINES = 1000

# Bytes of a stack frame's line: the name of a symbol has up to 512 (6.1), that of a module 64.
MAX_FRAME_BYTES = 1000

# Distinct stacks, of which each takes 4 KiB of memory (16 different frames) while a snapshot is taken. The captures in
# fixtures/ have up to 640.
MAX_STACKS = 1 << 17

# Distinct names in one column: processes, cgroups, combinations of flags. A name takes 0.2 KiB. A kernel has up to 4
# million threads at a time (PID_MAX_LIMIT), of which most have the name of another.
MAX_NAMES = 1 << 20

# One line of the text. The hole of a sparse file and a pipe of zeros are lines that never end. A log around the records
# can have any size.
MAX_LINE_BYTES = 256 << 20

# Rejected pieces of text in rejects.txt, and the bytes that they take there: they are for people to look at. Of one
# piece, as much is kept as the longest record can have (16 frames with names of 512 bytes, 6.1): a piece may be part
# of a foreign file of gigabytes.
MAX_REJECTS = 1000
MAX_REJECTS_BYTES = 16 << 20
MAX_REJECT_BYTES = 16 << 10

# Other kernel files

# Bytes of each kernel file other than page_owner and swap_page_owner; it is read whole.
# page_owner_stacks: each distinct stack once. A stack has about 800 bytes, and the stack depot holds 128 MiB in total.
# zoneinfo: 75 bytes for each zone of each processor; 16 MiB are 200,000 of these.
# uname, date and others: one line; the longest is the kernel's command line (at most 4 KiB on s390).
# Others: meminfo, vmstat and getconf -a have 10 KB.
# Lists: modules, slab caches, allocation sites, processes, cgroups. A process has about 100 bytes, and a kernel 10,000
# sites of 100 bytes; 64 MiB are 600,000 of either.
MAX_STACKS_FILE_BYTES = 128 << 20
MAX_ZONEINFO_BYTES = 16 << 20
MAX_ONE_LINE_BYTES = 64 << 10
MAX_PROC_FILE_BYTES = 1 << 20
MAX_LIST_BYTES = 64 << 20

# Files with 8 bytes for each PFN (kpagecgroup): those of 2 TiB in pages of 4 KiB. A hole of a sparse file, with a
# record of an absurd PFN, is read up to here.
MAX_PFN_FILE_BYTES = 4 << 30

# Processes whose start times are in snapshot.json, 25 bytes each. If there are more, none are stored. By default,
# Linux has at most 32,768.
MAX_PROCESSES = 1 << 18

# The message of one NAME.err file, or of `cat`: a path and an error.
MAX_ERROR_BYTES = 200

# Reads of page_owner on the machine

# A read that fails for lack of memory (ENOMEM) is repeated at once, then after pauses of 1 ms, 2 ms, … 1 s: reclaim
# frees memory within milliseconds, the OOM killer within a second. MAX_ENOMEM_SECONDS: all pauses for one file.
ENOMEM_FIRST_PAUSE = 0.001
MAX_ENOMEM_PAUSES = 11
MAX_ENOMEM_SECONDS = 30.0

# Compressed files

# Memory for the dictionary of an xz stream, and the window of a zstd frame. `xz -9` needs 65 MiB; `zstd --long` and
# `zstd --ultra -22` have windows of 2**27 bytes, which is also what zstd accepts by default. The formats allow
# 4 GiB and 2**41 bytes.
MAX_XZ_MEMORY_BYTES = 256 << 20
MAX_ZSTD_WINDOW_LOG = 27

# A decompressor that fails drops the output of the failing call. Up to this size, the compressed input of a member is
# kept, so that it can be decompressed again, byte by byte at the end. As page_owner text, this is about 80 MB. Of gzip,
# further input is kept from a copy of the decompressor's state on. Of a larger member of another format, the output of
# one call is lost, 32 KiB.
MAX_REPLAYED_BYTES = 8 << 20

# Each record of 740 bytes has its own PFN and times, so text of page_owner shrinks to a fiftieth, not to less than a
# hundredth. A terabyte of zeros is 700 kB of bz2. MIN_EXPANDED_BYTES is decompressed in seconds, whatever it is.
MAX_EXPANSION = 2000
MIN_EXPANDED_BYTES = 1 << 30

# Zeros behind a compressed file fill it up to a block of a tape or to the size of a device. /dev/zero never ends.
MAX_PADDING_BYTES = 16 << 30

# Archives

# Members of an archive. The report of a whole machine (sosreport) has up to 100,000.
MAX_MEMBERS = 1_000_000

# Bytes of one member's headers: long names, PAX records, maps of sparse files. PATH_MAX is 4 KiB, and a capture has no
# sparse files; `tar --xattrs` may add 64 KiB of attributes. tarfile keeps all of it in memory.
MAX_MEMBER_HEADER_BYTES = 1 << 20

# Extended headers before one member; GNU tar writes two (a long name and a long link), tarfile one.
MAX_EXTENDED_HEADERS = 8

# Records of global PAX headers; `git archive` writes one, a comment.
MAX_GLOBAL_HEADERS = 100

# An archive from standard input is copied to a file, because it is read more than once. 64 GiB is the text of a machine
# with 1.5 TB of memory, as a plain archive. Other programs need the rest of the disk.
MAX_SPOOLED_BYTES = 64 << 30
MIN_FREE_BYTES = 1 << 30

# Snapshots and recordings

# snapshot.json and series.json have 10 to 100 KiB; zoneinfo of 1,024 nodes makes it 1 MiB.
MAX_JSON_BYTES = 16 << 20

# snapshot.json has 5 levels. Python's parser recurses.
MAX_JSON_DEPTH = 20

# A number in them: a field of /proc has at most 18 digits, and may count KiB.
MAX_JSON_NUMBER = 10**22

# Pages of a zone, or bytes of a swap area: 100 petabytes. Sums and differences of them are computed in int64.
MAX_JSON_AMOUNT = 10**17

# Rows of a row group, which are decompressed at once. The writer makes groups of about 260,000 rows; the stacks are one
# group.
MAX_ROW_GROUP = 1 << 24

# Run-length encoding lets a file of a few kilobytes contain 2**40 equal rows. The simplest rows, equal in all columns
# but consecutive PFNs, take 0.09 bytes each.
MAX_ROWS_PER_BYTE = 200

# Rows of stacks: those of records, and as many that only page_owner_stacks has.
MAX_STACK_ROWS = 2 * MAX_STACKS

# One text in a table. The longest are the names of all flags of a page, and names of cgroups (255 bytes), of which
# escapes may make four times as many.
MAX_TEXT_BYTES = 8192

# Of one row group without compression, as its footer states it: 270,000 rows have 5 MB.
MAX_TABLE_BYTES = 4 << 30

# Between two samples of one boot: 136 years. Squares of seconds stay far from the end of float64.
MAX_SECONDS = 1 << 32

# Fleets

# Files of one table: 10,000 machines that add a snapshot each hour make 240,000 a day, which `compact` merges.
MAX_FLEET_FILES = 1 << 20

# Rows of a file of the cube that `compact` writes: a reader holds the columns of one file at a time.
MAX_CUBE_ROWS = 1 << 18

# A file in an object store, which is read as a whole. Those that `compact` writes have a few megabytes.
MAX_FLEET_FILE_BYTES = 1 << 30

# Labels of a snapshot, and characters of each: they are names such as role=web.
MAX_LABELS = 32
MAX_LABEL_CHARACTERS = 256

# Characters of a host name: HOST_NAME_MAX is 64, a domain name has up to 253.
MAX_HOST_CHARACTERS = 253

# Kernel memory and dumps

# One read of kernel memory. The largest array is the page_ext of a section: 512 MiB of pages on arm64 with pages of 64
# KiB, 128 MiB on x86-64, with up to 112 bytes a page.
MAX_IMAGE_READ_BYTES = 64 << 20

# The note VMCOREINFO: the kernel has one page for it (VMCOREINFO_BYTES).
MAX_VMCOREINFO_BYTES = 64 << 10

# All notes of a core file: less than 2 KiB for each processor, of which there are up to 8,192.
MAX_NOTE_BYTES = 32 << 20

# Segments of a core file: one for each range of memory. With memory hotplug, each block of 128 MiB can be one.
MAX_ELF_SEGMENTS = 1 << 20

# Page tables of a dump that are kept, 4 KiB each in the dump and 20 KiB in Python.
MAX_CACHED_TABLES = 1024

# Symbols of a kernel: 122,165 on a small one, some 300,000 on a distribution's. A name has up to 512 bytes
# (KSYM_NAME_LEN).
MAX_SYMBOLS = 4_000_000
MAX_SYMBOL_NAME_BYTES = 512

# The names of all symbols: 2.5 MB on a small kernel, 8 MB on a distribution's.
MAX_SYMBOL_BYTES = 128 << 20

# BTF of a kernel: 5.5 MB on a small one, less than 10 MB on a distribution's.
MAX_BTF_BYTES = 64 << 20

# Nested anonymous structures of C; a cycle in damaged BTF has no end.
MAX_BTF_DEPTH = 32

# Modules, and symbols of all of them: a distribution's machine has 200 modules with 100,000 symbols.
MAX_MODULES = 20_000
MAX_MODULE_SYMBOLS = 1 << 20

# Frames of a stack: CONFIG_STACKDEPOT_MAX_FRAMES is at most 256; page_owner keeps 16.
MAX_FRAMES = 256

# Ranges of /proc/kcore in a plan: two for each range of memory. native/collect/plan.h has the same limit.
MAX_PLAN_SEGMENTS = 1 << 16

# Levels of an xarray: 64 bits in steps of 4 (XA_CHUNK_SHIFT with CONFIG_BASE_SMALL) or 6.
MAX_XARRAY_LEVELS = 16

# Levels of a cgroup's path: systemd nests to about 8, and native/collect/lists.c lists 64. A cycle in damaged memory
# has no end.
MAX_CGROUP_LEVELS = 64

# Entries of a table of flag names in the kernel; there are about 30.
MAX_FLAG_NAMES = 128

# Processors and nodes of a machine (NR_CPUS, MAX_NUMNODES), and swap areas (MAX_SWAPFILES).
MAX_PROCESSORS = 8192
MAX_NODES = 1024
MAX_SWAP_AREAS = 32

# Pages of a kdump-compressed file: each has a descriptor of 24 bytes in the file, and 2**52 bytes are the largest
# memory. A bit of each page is read at once.
MAX_BITMAP_BYTES = 1 << 30

# Pieces of a flattened dump. QEMU writes 15 KiB at a time, so this is a dump of 60 GB.
MAX_FLATTENED_PIECES = 1 << 22

# The simulator

# The name of a stage of a simulated machine. `-TIME.spo` is added to it in the default name of its snapshot.
MAX_STAGE_NAME_BYTES = 200

# The list of files of a simulated machine. Each stage has about 20 lines of 130 bytes.
MAX_MANIFEST_BYTES = 1 << 22
