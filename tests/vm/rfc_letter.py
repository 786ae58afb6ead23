# SPDX-License-Identifier: LGPL-2.1-or-later
"""The figures of the RFC's cover letter (linux-mm, 2025-12-05, "mm/page_owner: add support for pages in swap space").

The key of a figure is (stage, name), as in the figures.tsv that jobs/rfc.sh writes. The letter does not contain all.
"""

__all__ = ["AFTER", "BEFORE", "STAGES"]

# Each stage, the action before it, and the names of its figures in order.
STAGES = {
    "0-initial": ("The beginning", ("free", "total - free", "swap used", "page_owner", "swap_page_owner")),
    "1-dd256": ("`dd` has written 256 MiB into a tmpfs", ("dd", "cat")),
    "2-swapped": (
        "`DD` has written 384 MiB into a tmpfs that can't be swapped",
        ("free", "total - free", "swap used", "page_owner", "swap_page_owner"),
    ),
    "3-back": ("DD's file is removed; `cat` has read dd's back", ("dd", "cat")),
}

BEFORE = {
    ("0-initial", "free"): "458/68/367",
    ("0-initial", "total - free"): "91 MiB",
    ("0-initial", "swap used"): "0 MiB",
    ("0-initial", "page_owner"): "91.2578 MiB",
    ("0-initial", "swap_page_owner"): "Invalid argument, 0 MiB",
    ("1-dd256", "dd"): "256.559 MiB",
    ("1-dd256", "cat"): "0.464844 MiB",
    ("2-swapped", "free"): "458/445/6",
    ("2-swapped", "total - free"): "452 MiB",
    ("2-swapped", "swap used"): "264 MiB",
    ("2-swapped", "page_owner"): "450.445 MiB",
    ("2-swapped", "swap_page_owner"): "Invalid argument, 0 MiB",
    ("3-back", "dd"): "1.66016 MiB",
    ("3-back", "cat"): "258.309 MiB",
}

AFTER = {
    ("0-initial", "free"): "458/68/360",
    ("0-initial", "total - free"): "98 MiB",
    ("0-initial", "swap used"): "0 MiB",
    ("0-initial", "page_owner"): "97 MiB",
    ("0-initial", "swap_page_owner"): "0 MiB",
    ("1-dd256", "dd"): "256.504 MiB",
    ("1-dd256", "cat"): "0.175781 MiB",
    ("2-swapped", "free"): "458/435/6",
    ("2-swapped", "total - free"): "452 MiB",
    ("2-swapped", "swap used"): "278 MiB",
    ("2-swapped", "page_owner"): "449.258 MiB",
    ("2-swapped", "swap_page_owner"): "278.793 MiB",
    ("3-back", "dd"): "256.445 MiB",
    ("3-back", "cat"): "7.80859 MiB",
}
