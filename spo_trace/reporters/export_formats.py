# SPDX-License-Identifier: LGPL-2.1-or-later
"""The formats that a snapshot can be exported in, and the arguments that each accepts."""

from spo_trace.errors import Argument, UsageError

__all__ = ["BINARY_FORMATS", "EXPORT_FORMATS", "WEIGHTS", "check_export"]

EXPORT_FORMATS = ("folded", "speedscope", "pprof", "html", "csv", "json", "parquet")

BINARY_FORMATS = ("pprof", "parquet")

WEIGHTS = ("total", "mem", "swap")


def check_export(format: str, *, weight: str, csv_safe: bool = False) -> None:
    """Raise UsageError for an unknown format or weight, and for arguments that the format does not accept."""
    if format not in EXPORT_FORMATS:
        raise UsageError(f"there is no format {format!r}", hint=f"choose one of {', '.join(EXPORT_FORMATS)}")
    if weight not in WEIGHTS:
        raise UsageError(f"there is no weight {weight!r}", hint=f"choose one of {', '.join(WEIGHTS)}")
    if weight != "total" and format != "folded":
        hint = f"{format} has separate amounts of memory and swap"
        raise UsageError((Argument("weight"), " needs the format folded"), hint=hint)
    if csv_safe and format != "csv":
        raise UsageError((Argument("csv_safe"), " needs the format csv"), hint=f"{format} has no formulas")
