# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

# Compressed files

# Largest dictionary of an xz stream and window of a zstd frame. `xz -9` needs 65 MiB; `zstd --long` and `zstd --ultra -22`
# have windows of 2**27 bytes, which is also the limit of zstd itself. The formats allow 4 GiB and 2**41 bytes.
XZ_MEMORY = 256 << 20
ZSTD_WINDOW_LOG = 27

# A decompressor that fails drops the output of the failing call. Up to this size, the compressed input of a member is
# kept, so that the member can be decompressed again, byte by byte at the end. As page_owner text, this is about 80 MB.
REPLAYED = 8 << 20

# Text of page_owner has at least 10 different bytes (PFN, times) per record of 740 bytes, so no format compresses it to
# less than a hundredth. A terabyte of zeros is 700 kB of bz2. Less than EXPANDED_FREELY is decompressed in seconds.
EXPANSION = 2000
EXPANDED_FREELY = 1 << 30

# Zeros behind a compressed file fill it up to a block of a tape or to the size of a device. /dev/zero never ends.
PADDING = 16 << 30
