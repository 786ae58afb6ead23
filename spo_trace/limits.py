# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every limit on a size that comes from outside: text, archives, snapshots, recordings. Each has its reason."""

__all__ = ["LARGEST_ORDER"]

# 16 GiB in pages of 4 KiB: the largest folio of any kernel (MAX_FOLIO_ORDER, 39231e8d6ba7, 6.18). The page allocator
# itself ends at MAX_PAGE_ORDER; gigantic huge pages are larger. native/page_record.c has the same limit.
LARGEST_ORDER = 22
