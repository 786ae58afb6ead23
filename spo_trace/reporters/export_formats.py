# SPDX-License-Identifier: LGPL-2.1-or-later
"""The formats that a snapshot can be exported in, and which arguments go with which."""

from spo_trace.errors import Argument, UsageError

__all__ = ["BINARY_FORMATS", "EXPORT_FORMATS", "RECORD_FORMATS", "WEIGHTS", "check_export"]

EXPORT_FORMATS = ("folded", "speedscope", "pprof", "html", "csv", "json", "parquet")

# Every record in one flat table.
RECORD_FORMATS = ("csv", "json", "parquet")

BINARY_FORMATS = ("pprof", "parquet")

WEIGHTS = ("total", "mem", "swap")


def check_export(format: str, *, where: bool, weight: str) -> None:
    """Raise UsageError for a format or weight that does not exist, and for what does not go with the format."""
    if format not in EXPORT_FORMATS:
        raise UsageError(f"there is no format {format!r}", hint=f"choose one of {', '.join(EXPORT_FORMATS)}")
    if weight not in WEIGHTS:
        raise UsageError(f"there is no weight {weight!r}", hint=f"choose one of {', '.join(WEIGHTS)}")
    if weight != "total" and format != "folded":
        hint = f"{format} has memory and swap apart"
        raise UsageError((Argument("weight"), " goes with folded stacks"), hint=hint)
    if where and format in RECORD_FORMATS:
        hint = "the flat table has every record: filter it where you read it"
        raise UsageError((Argument("where"), f" does not go with {format}"), hint=hint)
