# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of owners: what kernel memory has of a record that the kernel would print, before it is text."""

import numpy as np

from spo_trace.memory.owner_layout import COMM_BYTES

__all__ = ["PAGE_ROW", "STACK_ROW", "SWAP_ROW"]

# struct page_row, swap_row and stack_row of native/collect: whole 64-bit words. A comm ends at its first NUL.
PAGE_ROW = np.dtype(
    [
        ("pfn", "<u8"),
        ("ts_nsec", "<u8"),
        ("free_ts_nsec", "<u8"),
        ("flags", "<u8"),
        ("memcg_data", "<u8"),
        ("comm", f"S{COMM_BYTES}"),
        ("gfp_mask", "<u4"),
        ("handle", "<u4"),
        ("pid", "<i4"),
        ("tgid", "<i4"),
        ("order", "<u2"),
        ("last_migrate_reason", "<i2"),
        ("block_type", "u1"),
        ("swapped", "u1"),
        ("unused", "V2"),
    ]
)

SWAP_ROW = np.dtype(
    [
        ("entry", "<u8"),
        ("ts_nsec", "<u8"),
        ("comm", f"S{COMM_BYTES}"),
        ("pid", "<i4"),
        ("tgid", "<i4"),
        ("handle", "<u4"),
        ("unused", "V4"),
    ]
)

STACK_ROW = np.dtype([("handle", "<u8"), ("count", "<i4"), ("unused", "V4")])
