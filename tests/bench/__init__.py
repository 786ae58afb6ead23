# SPDX-License-Identifier: LGPL-2.1-or-later
"""Benchmarks: spo-trace and the kernel's own tool on a generated page_owner file of any size."""
