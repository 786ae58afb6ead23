# SPDX-License-Identifier: LGPL-2.1-or-later
"""The formats that a snapshot can be exported in."""

__all__ = ["BINARY_FORMATS", "EXPORT_FORMATS", "RECORD_FORMATS", "WEIGHTS"]

EXPORT_FORMATS = ("folded", "speedscope", "pprof", "html", "csv", "json", "parquet")

# Every record in one flat table.
RECORD_FORMATS = ("csv", "json", "parquet")

BINARY_FORMATS = ("pprof", "parquet")

WEIGHTS = ("total", "mem", "swap")
