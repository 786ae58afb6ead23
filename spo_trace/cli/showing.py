# SPDX-License-Identifier: LGPL-2.1-or-later
"""Show a table of amounts in the format that was asked for, the first rows of it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spo_trace.cli.output import note, opened, warn
from spo_trace.errors import UsageError
from spo_trace.files.access import Access
from spo_trace.reporters.format import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_question", "chosen_format", "format_for", "most_grown", "show", "sorted_by", "warn_of_nothing"]

_NAMED = 3

FORMATS = ("table", "csv", "json", "markdown")

# What the end of a file's name says of it.
_ENDINGS = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}


def format_for(name: str | None, output: Path | None) -> str:
    """Return the format of a table: `name`, else what `output` ends with; raise UsageError if it can't be."""
    return chosen_format(name, output, FORMATS, _ENDINGS)


def chosen_format(name: str | None, output: Path | None, known: Sequence[str], endings: Mapping[str, str]) -> str:
    """Return the format `name`, else what `endings` say of `output`, else the first of those `known`.

    Raise UsageError for one that there is not, and where the two contradict each other; before the work, not after it.
    """
    if name is not None and name not in known:
        raise UsageError(f"there is no format {name!r}", hint=f"choose one of {', '.join(known)}")
    written = str(output or "")
    told = next((format for ending, format in endings.items() if written.lower().endswith(ending)), None)
    if name is None and told is None and output and output.suffix:
        hint = f"end the name with one of {', '.join(endings)}; or choose with -f: {', '.join(known)}"
        raise UsageError(f"{written}: no format is known by the ending {output.suffix}", hint=hint)
    if name and told and name != told:
        raise UsageError(f"{written} ends as {told} does, and --format is {name}", hint=f"leave out --format {name}")
    return name or told or known[0]


def check_question(keys: list[str], where: str | None) -> None:
    """Raise UsageError for keys or a condition that can't be; reading a raw capture first can take minutes."""
    from spo_trace.analysis.keys import check_keys
    from spo_trace.analysis.where import Where

    check_keys(keys)
    Where(where)


def sorted_by(sort: str, table: "pd.DataFrame", keys: list[str]) -> "pd.DataFrame":
    """Return `table` by the column that --sort means, largest first; a key from its first value on."""
    from spo_trace.analysis.keys import same_key

    column = _sort_column(same_key(sort, keys) or sort, table)
    # As the analysis sorts it, with its order of equal rows.
    if column in ("total_bytes", "total_bytes_delta", "rate_low"):
        return table
    return table.sort_values(column, ascending=column in keys, ignore_index=True, kind="stable")


def _sort_column(sort: str, table: "pd.DataFrame") -> str:
    for name in (sort, f"{sort}_bytes", f"{sort}_bytes_delta"):
        if name in table.columns:
            return name
    short = dict.fromkeys(name.partition("_bytes")[0] for name in table.columns)
    raise UsageError(f"can't sort by {sort!r}", hint=f"choose one of {', '.join(short)}")


def show(
    table: "pd.DataFrame",
    top: int,
    name: str,
    output: Path | None,
    *,
    force: bool = False,
    access: Access | None = None,
) -> None:
    """Write the first `top` rows (0: all) of `table` in format `name` to `output` (default: stdout).

    `access`: as for `opened`.
    """
    from spo_trace.reporters.csv_file import render_csv
    from spo_trace.reporters.json_file import render_json
    from spo_trace.reporters.table import render_table

    shown = table.head(top) if top else table
    with opened(output, force=force, access=access) as file:
        if name == "csv":
            render_csv([shown], file)
        elif name == "json":
            render_json([shown], file)
        else:
            render_table(shown, file, markdown=name == "markdown")
    if len(shown) < len(table):
        note(f"… {counted(len(table) - len(shown), 'more row')}: --top 0 shows all")


def warn_of_nothing(condition: str | None, *, found: bool) -> None:
    """Say that a condition holds for no row at all: a mistyped name would pass for good news."""
    if condition is not None and not found:
        warn(f"no rows match --where {condition!r}")


def most_grown(table: "pd.DataFrame", keys: Sequence[str], amounts: Iterable[str]) -> str:
    """Return the first rows of a table and their `amounts` in words, for a message."""
    from spo_trace.analysis.labels import owner_labels

    first = table.head(_NAMED)
    named = [f"{label} by {amount}" for label, amount in zip(owner_labels(first, keys), amounts, strict=False)]
    more = len(table) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
