# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace trend."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import Positional, Top, Where, condition_of, keys_of, option
from spo_trace.cli.output import check_output, note, opened
from spo_trace.cli.tables import Target, most_grown, no_match_notes, print_notes, show
from spo_trace.cli.watch_display import STACKS_MISSING
from spo_trace.errors import EXIT_NOT_CHECKED, EXIT_THRESHOLD, SpoTraceError, UsageError
from spo_trace.reporters.format import counted, format_size
from spo_trace.version import INSTALL_PLOT

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.sampling.series import Series

__all__ = ["command"]

_PANELS = 6


Samples = Annotated[
    str,
    Positional("DIR", "A recording (of watch --record), or a directory of snapshots (NAME.spo) from one boot."),
]
TrendBy = Annotated[
    list[str] | None,
    option(
        "--by",
        shows="KEYS",
        help="Keys to group by, as for report. Default: the keys of the recording; stack for snapshots. A recording "
        "by stack also has symbols, caller, callsite, module and category.",
    ),
]
Weight = Annotated[str, option("--weight", shows="NAME", help="The amount to fit: total, mem or swap.", default=True)]
Sort = Annotated[
    str,
    option(
        "--sort",
        shows="COLUMN",
        help="least (the column `at least`), rate, first, last, steadiness or a key.",
        default=True,
    ),
]
Plot = Annotated[
    Path | None,
    option(
        "--plot",
        shows="FILE",
        help="Plot the first rows (at most six) with their fitted lines: FILE.png, .svg or .html. Needs matplotlib.",
    ),
]
FailAbove = Annotated[
    str | None,
    option(
        "--fail-above",
        shows="RATE",
        help="Exit with 3 if the column `at least` of any row exceeds RATE: bytes per s, min, h or day, such as "
        "10K/s or 1MiB/h; or 0. Exit with 4 if none does, but samples are missing.",
    ),
]


@guarded
@grouped
def command(
    samples: Samples,
    by: TrendBy = None,
    where: Where = None,
    top: Top = None,
    sort: Sort = "least",
    weight: Weight = "total",
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    plot: Plot = None,
    fail_above: FailAbove = None,
) -> None:
    """Show which owners grow steadily, and how fast.

    Fits a straight line to the samples of each owner. `rate` is its slope, and `error` the standard error of the slope.
    Rows are sorted by `at least`, the lower bound of the rate (95 % confidence). `steadiness` is R². One-off steps and
    growth that levels off do not count as steady growth.

    \b
        spo-trace trend day
        spo-trace trend day --by caller --plot day.svg
        spo-trace trend nightly/ --by stack --fail-above 1MiB/h    # a leak test for CI
    """
    to = document.target(plot)
    _check_plot(plot, force=to.force)
    limit = _limit(fail_above)
    from spo_trace.analysis.question import Question
    from spo_trace.analysis.trend import trend
    from spo_trace.sampling.series import open_series

    question = Question.of(keys_of(by) if by else "stack", condition_of(where), top=top)
    series = open_series(samples, question, default_keys=not by)
    table = trend(series.table, series.keys, weight=weight, sort=sort)
    printed = _series_notes(series, weight)
    print_notes(printed, to)
    changed = table["steadiness"].notna()
    found = bool(series.table["total_bytes"].any())
    show(table, to, no_match_notes(question.condition, found=found), printed=printed, top=top, changed=changed)
    if plot and not changed.any():
        note("Nothing changed: there is nothing to plot")
    elif plot:
        _draw(table[changed].head(min(top or _PANELS, _PANELS)), series, weight, plot, to)
    if limit is not None:
        _fail_above(limit, str(fail_above), table, series)


def _series_notes(series: "Series", weight: str) -> list[Note]:
    from spo_trace.analysis.series_notes import series_notes
    from spo_trace.analysis.swap_least import elsewhere_note

    times = series.table["seconds"].drop_duplicates()
    boot = "samples" if series.by_file_times else "samples of one boot"
    notes = [Note(NoteCode.SAMPLES, f"{len(times)} {boot}, over {times.max():,.1f} s")]
    if series.by_file_times:
        text = "The times of the samples are those at which their files were modified, and one boot is assumed"
        notes.append(Note(NoteCode.FILE_TIMES, text, warning=True))
    if series.lacks_stacks:
        text = STACKS_MISSING[0].upper() + STACKS_MISSING[1:] + "; record with --method text"
        notes.append(Note(NoteCode.STACKS_NOT_COUNTED, text, warning=True))
    if weight == "total" and _measured(series, weight) == "mem":
        or_where = ", or its entries lack a key that --where uses" if series.where else ""
        text = f"Swap is left out: its owners are unknown in the samples{or_where}"
        notes.append(Note(NoteCode.SWAP_LEFT_OUT, text))
    # A line through lower bounds is no bound of the growth.
    notes += elsewhere_note(series.bounded_by, "a sample")
    notes += series_notes(series.table, series.keys)
    if series.missing:
        notes.append(Note(NoteCode.SAMPLES_MISSING, f"{counted(series.missing, 'sample')} missing", warning=True))
    return notes


def _fail_above(limit: float, asked: str, table: "pd.DataFrame", series: "Series") -> None:
    over = table[table["rate_low"] > limit].sort_values("rate_low", ascending=False, kind="stable")
    if over.empty:
        _check_all_measured(table, series)
        return
    named = most_grown(over, series.keys, (f"{format_size(rate)}/s" for rate in over["rate_low"]))
    grow = "row grows" if len(over) == 1 else "rows grow"
    fail(f"{len(over):,} {grow} by more than {asked} (95 % confidence): {named}", None, EXIT_THRESHOLD)


def _check_all_measured(table: "pd.DataFrame", series: "Series") -> None:
    if series.missing:
        what = f"{counted(series.missing, 'sample')} missing: growth may be hidden"
        fail(what, "copy the whole recording, or record again", EXIT_NOT_CHECKED)
    if table["rate_low"].isna().any():
        fail("some rates are not numbers", "are the times of the samples right? record again", EXIT_NOT_CHECKED)


def _check_plot(plot: Path | None, *, force: bool) -> None:
    if plot is None:
        return
    from spo_trace.reporters.trend_plot import SUFFIXES

    if plot.suffix.lower() not in SUFFIXES:
        raise UsageError(f"can't plot to {plot}", hint=f"the suffix must be one of {', '.join(SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise SpoTraceError("--plot needs matplotlib", hint=f"install it {INSTALL_PLOT}")
    check_output(plot, force=force, argument="plot")


_MEASURED = {
    "total": "memory and swap",
    "mem": "memory",
    "swap": "swap",
    # The kernel's counts are one number, including swap if the kernel keeps its owners.
    "counts": "counts of page_owner_stacks",
}


# Returns what the amounts measure, as a key of _MEASURED.
def _measured(series: "Series", weight: str) -> str:
    known = series.table[["mem_bytes", "swap_bytes"]].notna().any()
    if not known.any():
        return "counts"
    if weight == "total" and known["mem_bytes"] != known["swap_bytes"]:
        return "mem" if known["mem_bytes"] else "swap"
    return weight


def _draw(table: "pd.DataFrame", series: "Series", weight: str, plot: Path, to: Target) -> None:
    from spo_trace.analysis.history import history, rows_of
    from spo_trace.analysis.keys import owner_columns
    from spo_trace.analysis.owner_labels import owner_labels
    from spo_trace.reporters.trend_plot import Amounts, render_trend

    found = history(series.table, owner_columns(series.keys), [f"{weight}_bytes"])
    amounts = Amounts(found.seconds, found.amounts[f"{weight}_bytes"][rows_of(found, table)])
    labels = owner_labels(table, series.keys)
    title = f"Steady growth by {', '.join(series.keys)}: {_MEASURED[_measured(series, weight)]}"
    with opened(plot, force=to.force, access=to.access) as file:
        outfile = cast(BinaryIO, file.buffer)
        render_trend(table, labels, amounts, outfile, suffix=plot.suffix.lower(), title=title)


def _limit(text: str | None) -> float | None:
    from spo_trace.reporters.format import parse_rate

    try:
        return None if text is None else parse_rate(text)
    except ValueError as error:
        hint = "give a size and a unit of time, such as 10K/s, 64KiB/min, 1MiB/h or 1G/day; or 0"
        raise UsageError(f"--fail-above: {error}", hint=hint) from error
