# SPDX-License-Identifier: LGPL-2.1-or-later
"""Output of the commands: data goes to stdout or a file, everything else to stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from spo_trace.cli.messages import for_command_line
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.printable import printable

if TYPE_CHECKING:
    from spo_trace.collect.read_log import Progress
    from spo_trace.files.access import Access
    from spo_trace.formats.text import KernelText
    from spo_trace.snapshots.meta import FileCounts, Meta
    from spo_trace.sources.live_capture import ReadProgress

__all__ = [
    "access_of",
    "check_html",
    "check_output",
    "check_stdout",
    "directory_size",
    "note",
    "opened",
    "progress",
    "reading_progress",
    "warn",
    "warn_incomplete",
]


def note(text: str) -> None:
    """Print a note on stderr."""
    print(printable(text), file=sys.stderr)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f"spo-trace: warning: {printable(text)}", file=sys.stderr)


def check_output(output: Path | None, *, force: bool, argument: str = "output") -> None:
    """Raise SpoTraceError if `output`, given as `argument`, can't be written; call this before any other work."""
    if output is not None and str(output) != "-":
        from spo_trace.files.text_file import check_file

        check_file(output, force=force, argument=argument)


def check_html(page: Path | None, output: Path | None, *, force: bool) -> None:
    """Raise SpoTraceError if the HTML report can't be written; `output`: the file of the table (None: stdout)."""
    if str(page) == "-":
        raise UsageError(
            "--html cannot write to standard output, where the table goes", hint="name a file: --html FILE"
        )
    if page and page.suffix.lower() not in ("", ".htm", ".html"):
        raise UsageError(f"{page} is not an HTML file name: it ends with {page.suffix}", hint="name it NAME.html")
    if page and output and page.absolute() == output.absolute():
        raise UsageError(f"{page} can't be both the table and the HTML report", hint="name two files")
    check_output(page, force=force, argument="html")


def access_of(owner: str | None, mode: str | None, *outputs: Path | None) -> "Access":
    """Return the access given by --owner and --mode; raise UsageError if no file is written."""
    given = " and ".join(name for name, value in (("--owner", owner), ("--mode", mode)) if value is not None)
    if given and not any(output and str(output) != "-" for output in outputs):
        raise UsageError(f"{given}: no file is written", hint="name a file, for example with -o")
    from spo_trace.files.access import access_for, parse_mode

    return access_for(owner, None if mode is None else parse_mode(mode))


def check_stdout(hint: str = "redirect it to a file: > FILE") -> None:
    """Raise SpoTraceError if standard output is closed: print() would drop the text without an error."""
    if sys.stdout is None:
        raise SpoTraceError("standard output is closed", hint=hint)


@contextmanager
def opened(output: Path | None, *, force: bool = False, access: "Access | None" = None) -> Iterator[TextIOWrapper]:
    """Open stdout, or a file that appears when it is complete, and replaces an existing file only with `force`.

    `access`: owner and mode of the file; by default, those that apply without --owner and --mode.
    """
    if output is None or str(output) == "-":
        check_stdout("name a file with -o")
        assert isinstance(sys.stdout, TextIOWrapper)
        yield sys.stdout
        # stdout and stderr may be one file: keep the order of the output.
        sys.stdout.flush()
        return
    from spo_trace.files.access import access_for
    from spo_trace.files.text_file import text_file

    check_output(output, force=force)
    with text_file(output, access_for() if access is None else access, force=force) as file:
        yield file
    if output.is_file() and not output.is_symlink():
        note(f"Wrote {output}")


def progress() -> "Progress | None":
    """Return a function that draws a progress line, None if stderr is not a terminal."""
    return _ProgressLine().update if sys.stderr.isatty() else None


def reading_progress() -> "ReadProgress | None":
    """Return a function that draws how far the collector is, None if stderr is not a terminal."""
    return _draw_position if sys.stderr.isatty() else None


# The collector itself reports at most ten times per second.
def _draw_position(name: str, position: int, last: int | None) -> None:
    share = f" {min(100 * position // last, 100):3}%" if last else ""
    _draw(f"reading {name}:{share}")


def _draw(line: str) -> None:
    sys.stderr.write(f"\r\033[K{line}")
    sys.stderr.flush()


class _ProgressLine:
    """Redraw one line, at most ten times per second."""

    def __init__(self) -> None:
        self._drawn = 0.0

    def update(self, text: "KernelText", counts: "FileCounts") -> None:
        from spo_trace.reporters.format import counted

        done = counts.seconds > 0
        if not done and monotonic() - self._drawn < 0.1:
            return
        # The next file is drawn at once.
        self._drawn = 0.0 if done else monotonic()
        share = f" {100 * text.outcome.reached // text.size:3}%" if text.size and not done else ""
        records = f" {counted(counts.records, 'record')}" if counts.records else ""
        _draw("" if done else f"reading {text.name}:{share}{records}")


def warn_incomplete(meta: "Meta") -> None:
    """Warn about data that a snapshot lacks."""
    from spo_trace.analysis.shortcomings import shortcomings

    for text in shortcomings(meta):
        warn(for_command_line(text))


def directory_size(path: Path) -> str:
    """Return the total size of the files in a directory, as text."""
    from spo_trace.reporters.format import format_size

    return format_size(sum(file.lstat().st_size for file in path.iterdir()))
