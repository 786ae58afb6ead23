# SPDX-License-Identifier: LGPL-2.1-or-later
"""Show a table of amounts in the format that was asked for, the first rows of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from spo_trace.cli.output import note, opened
from spo_trace.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "check_format", "check_question", "show", "sorted_by"]

FORMATS = ("table", "csv", "json", "markdown")


def check_format(name: str) -> None:
    """Raise UsageError if there is no format `name`; before the work, not after it."""
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}", hint=f"choose one of {', '.join(FORMATS)}")


def check_question(keys: list[str], where: str | None) -> None:
    """Raise UsageError for keys or a condition that can't be; reading a raw capture first can take minutes."""
    from spo_trace.analysis.keys import check_keys
    from spo_trace.analysis.where import Where

    check_keys(keys)
    Where(where)


def sorted_by(sort: str, table: "pd.DataFrame", keys: list[str]) -> "pd.DataFrame":
    """Return `table` by the column that --sort means, largest first; a key from its first value on."""
    column = _sort_column(sort, table)
    # As the analysis sorts it, with its order of equal rows.
    if column in ("total_bytes", "total_bytes_delta"):
        return table
    return table.sort_values(column, ascending=column in keys, ignore_index=True, kind="stable")


def _sort_column(sort: str, table: "pd.DataFrame") -> str:
    for name in (sort, f"{sort}_bytes", f"{sort}_bytes_delta"):
        if name in table.columns:
            return name
    raise UsageError(f"can't sort by {sort!r}", hint=f"choose total, mem, swap, or one of {', '.join(table.columns)}")


def show(table: "pd.DataFrame", top: int, name: str, output: Path | None, *, force: bool = False) -> None:
    """Write the first `top` rows (0: all) of `table` in format `name` to `output` (default: stdout)."""
    from spo_trace.reporters.csv_file import render_csv
    from spo_trace.reporters.json_file import render_json
    from spo_trace.reporters.table import render_table

    check_format(name)
    shown = table.head(top) if top else table
    with opened(output, force=force) as file:
        if name == "csv":
            render_csv([shown], file)
        elif name == "json":
            render_json([shown], file)
        else:
            render_table(shown, file, markdown=name == "markdown")
    if len(shown) < len(table):
        note(f"… {len(table) - len(shown):,} more rows: --top 0 shows all")
