# SPDX-License-Identifier: LGPL-2.1-or-later
"""Take a snapshot: read the kernel's files, parse them, and write the tables."""
