# SPDX-License-Identifier: LGPL-2.1-or-later
"""Benchmarks: a page_owner file as large as asked for, and spo-trace against the kernel's own tool on it."""
