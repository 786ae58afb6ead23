# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

# A file name in Linux's file systems (NAME_MAX of linux/limits.h).
NAME_BYTES = 255

# The name of a stage of a simulated machine. `-TIME.spo` is added to it in the default name of its snapshot.
STAGE_NAME_BYTES = 200

# The list of files of a simulated machine. Each stage has about 20 lines of 130 bytes.
MANIFEST_BYTES = 1 << 22
