# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write a table of amounts and its notes in the chosen format."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.cli.output import check_output, note, opened, warn
from spo_trace.errors import UsageError
from spo_trace.files.access import Access
from spo_trace.reporters.format import counted

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.analysis.where import Condition

__all__ = [
    "TOP_ON_TERMINAL",
    "Target",
    "chosen_format",
    "most_grown",
    "no_match_notes",
    "print_notes",
    "show",
    "target_of",
]

_NAMED = 3

# Rows that a terminal shows without --top.
TOP_ON_TERMINAL = 20

FORMATS = ("table", "csv", "json", "markdown")

# The format by the suffix of the file name.
_ENDINGS = {".csv": "csv", ".json": "json", ".md": "markdown", ".txt": "table"}


class Target(NamedTuple):
    """Hold where a table is written and in which format; `access` as for `opened`."""

    format: str
    output: Path | None
    force: bool = False
    envelope: bool = False
    access: Access | None = None
    csv_safe: bool = False

    @property
    def to_stdout(self) -> bool:
        """Return whether the document goes to standard output."""
        return self.output is None or str(self.output) == "-"

    @property
    def on_terminal(self) -> bool:
        """Return whether the table is written to a terminal: files, pipes and programs get all rows."""
        return self.format == "table" and self.to_stdout and sys.stdout is not None and sys.stdout.isatty()

    @property
    def for_programs(self) -> bool:
        """Return whether the document has the columns of the API and plain numbers."""
        return self.format in ("csv", "json")

    @property
    def holds_notes(self) -> bool:
        """Return whether the document contains the notes: Markdown, an envelope, or a table in a file."""
        return self.envelope or self.format == "markdown" or (self.format == "table" and not self.to_stdout)


def target_of(
    format: str | None,
    output: Path | None,
    *,
    force: bool,
    envelope: bool = False,
    csv_safe: bool = False,
    access: Access | None = None,
) -> Target:
    """Return where a table is written; raise an error for wrong options; call this before any other work."""
    chosen = chosen_format(format, output, FORMATS, _ENDINGS)
    if envelope and chosen != "json":
        raise UsageError("--envelope needs JSON", hint="add --format json")
    if csv_safe and chosen != "csv":
        raise UsageError("--csv-safe needs CSV", hint="add --format csv")
    check_output(output, force=force)
    return Target(chosen, output, force, envelope, access, csv_safe)


def chosen_format(name: str | None, output: Path | None, known: Sequence[str], endings: Mapping[str, str]) -> str:
    """Return the format `name`, else the one of the suffix of `output` in `endings`, else the first one `known`.

    Raise UsageError for an unknown format or suffix, and if the two contradict each other.
    """
    if name is not None and name not in known:
        raise UsageError(f"there is no format {name!r}", hint=f"choose one of {', '.join(known)}")
    written = str(output or "")
    expected = next((format for ending, format in endings.items() if written.lower().endswith(ending)), None)
    if name is None and expected is None and output and output.suffix:
        hint = f"use one of the suffixes {', '.join(endings)}, or choose a format with -f: {', '.join(known)}"
        raise UsageError(f"{written}: the suffix {output.suffix} is unknown", hint=hint)
    if name and expected and name != expected:
        raise UsageError(
            f"{written} has the suffix of {expected}, but --format is {name}", hint=f"leave out --format {name}"
        )
    return name or expected or known[0]


def show(
    table: "pd.DataFrame",
    to: Target,
    notes: Sequence[Note] = (),
    *,
    printed: Sequence[Note] = (),
    findings: Sequence[str] = (),
    top: int | None = None,
    changed: "pd.Series | None" = None,
    total: Mapping[str, int | None] | None = None,
) -> None:
    """Write `table` and its notes; notes that the document on stdout does not contain go to stderr.

    `printed`: notes that are on stderr already; they come first in the document. `findings` come before the table: in
    the document if it contains notes, else on stderr. `top`: the number of rows, 0 for all.
    If it is None (--top was not given), a terminal shows only the first rows, and of these only `changed` ones if that
    is given. `total`: of all rows, including those that `top` leaves out; default: the sums of `table`.
    """
    from spo_trace.analysis.totals import totals
    from spo_trace.reporters.document import render_document
    from spo_trace.reporters.terminal_table import render_on_terminal

    shown = _first_rows(table, to, top, changed)
    left_out = _left_out_notes(table, shown, changed if to.on_terminal and top is None else None)
    above = findings if to.holds_notes else ()
    if not to.for_programs and not above:
        for text in findings:
            note(text)
    in_document = [(str(one.code), one.text) for one in (*printed, *left_out, *notes)] if to.holds_notes else []
    unfit: list[str] = []
    with opened(to.output, force=to.force, access=to.access) as file:
        format = "envelope" if to.envelope else to.format
        sums = totals(table) if total is None else total
        if to.on_terminal:
            unfit = render_on_terminal(shown, sums, file)
        else:
            render_document(shown, format, file, notes=in_document, findings=above, total=sums, csv_safe=to.csv_safe)
    if unfit:
        note(f"Left out, because the terminal is narrow: {', '.join(unfit)}; -o FILE has all columns")
    print_notes([*left_out, *notes], to)


def print_notes(notes: Iterable[Note], to: Target) -> None:
    """Print notes on stderr: warnings always, others unless the document on stdout contains them."""
    for one in notes:
        if one.warning:
            warn(one.text)
        elif not (to.holds_notes and to.to_stdout):
            note(one.text)


def _first_rows(table: "pd.DataFrame", to: Target, top: int | None, changed: "pd.Series | None") -> "pd.DataFrame":
    if top is not None:
        return table.head(top) if top else table
    if not to.on_terminal:
        return table
    return (table if changed is None else table[changed]).head(TOP_ON_TERMINAL)


def _left_out_notes(table: "pd.DataFrame", shown: "pd.DataFrame", changed: "pd.Series | None") -> list[Note]:
    number = len(table) - len(shown)
    if not number:
        return []
    unchanged = 0 if changed is None else int((~changed).sum())
    of_them = f", {unchanged:,} of them unchanged" if unchanged else ""
    return [Note(NoteCode.ROWS_LEFT_OUT, f"… {counted(number, 'more row')}{of_them}: --top 0 shows all")]


def no_match_notes(condition: "Condition", *, found: bool) -> list[Note]:
    """Return a warning if no record matches a condition: otherwise a mistyped name would look like a good result."""
    if condition.text is None or found:
        return []
    return [Note(NoteCode.NO_ROWS_MATCH, f"no records match --where {condition.text!r}", warning=True)]


def most_grown(table: "pd.DataFrame", keys: Sequence[str], amounts: Iterable[str]) -> str:
    """Return the first rows of a table and their `amounts` as text, for a message."""
    from spo_trace.analysis.owner_labels import owner_labels

    first = table.head(_NAMED)
    named = [f"{label} by {amount}" for label, amount in zip(owner_labels(first, keys), amounts, strict=False)]
    more = len(table) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")
