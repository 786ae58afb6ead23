# SPDX-License-Identifier: LGPL-2.1-or-later
"""Independent computations of spo-trace's results.

Nothing here imports spo_trace, and no two oracles share a parser: awk over lines (``awk``, ``stacks``),
Python over framed records (``framed``), and the kernel's own page_owner_sort (``peer``).
"""
