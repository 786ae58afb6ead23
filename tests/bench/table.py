# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results of a benchmark as a Markdown table that is also readable in a terminal."""

from collections.abc import Mapping, Sequence
from statistics import median

from tests.bench.measure import Runs
from tests.bench.tools import BASELINE, Tool

__all__ = ["aligned", "markdown"]

_HEAD = ("tool", "median s", "min–max s", "CPU s", "MB/s", "peak MiB", "× page_owner_sort", "answer right?")

_NOTES = """\
Each round runs all commands once, each as a whole process, after one round that is not measured. MB/s: bytes of the
text divided by the median time; for snapshots, of the text from which they were made. × page_owner_sort: throughput
relative to `{baseline}` in the same round, median of the rounds.
CPU s: user and system time, median. Peak: largest resident memory of all runs; values below {floor:.0f} MiB cannot be
measured, because that is the size of the measuring process. The answer is right if the pages of every comm, or stack,
are those that the generator counted.
"""


def markdown(
    facts: Mapping[str, str],
    results: Sequence[tuple[Tool, Runs]],
    answers: Mapping[str, str],
    text_bytes: int,
    floor: float,
) -> str:
    """Return the table of `results`, with the facts above it and an explanation of the columns below it."""
    baseline = next((runs for tool, runs in results if tool.name == BASELINE), None)
    rows = [_row(tool, runs, baseline, answers[tool.name], text_bytes) for tool, runs in results]
    lines = [*(f"- {name}: {value}" for name, value in facts.items()), "", *aligned([_HEAD, *rows])]
    return "\n".join(lines) + "\n\n" + _NOTES.format(baseline=BASELINE, floor=floor)


def _row(tool: Tool, runs: Runs, baseline: Runs | None, answer: str, text_bytes: int) -> tuple[str, ...]:
    seconds = median(runs.seconds)
    return (
        f"`{tool.name}`",
        f"{seconds:.2f}",
        f"{min(runs.seconds):.2f}–{max(runs.seconds):.2f}",
        f"{runs.cpu_seconds:.2f}",
        "–" if tool.part else f"{text_bytes / seconds / 1e6:,.0f}",
        f"{runs.peak_bytes / 2**20:,.0f}",
        f"{_ratio(runs, baseline):.1f}" if baseline and not tool.part else "–",
        answer,
    )


def _ratio(runs: Runs, baseline: Runs) -> float:
    return median(theirs / ours for ours, theirs in zip(runs.seconds, baseline.seconds, strict=True))


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table; the first of `rows` is its head, the first and last columns are text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Align text to the left, numbers to the right.
    left = (0, len(widths) - 1)
    rule = ["-" * width if n in left else "-" * (width - 1) + ":" for n, width in enumerate(widths)]
    cells = [
        [
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    return ["| " + " | ".join(row) + " |" for row in (cells[0], rule, *cells[1:])]
