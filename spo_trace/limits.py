# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

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
