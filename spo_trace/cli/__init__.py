# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: one thin module per command."""

import logging
import os
import signal
import sys
from collections.abc import Iterable
from copy import copy
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from spo_trace.cli.errors import complain, drop_unwritable_output
from spo_trace.cli.messages import for_command_line
from spo_trace.errors import EXIT_USAGE, Argument
from spo_trace.files.complete_writes import complete
from spo_trace.printable import printable
from spo_trace.version import __version__

__all__ = ["COMMANDS", "command_line", "main"]

# In the order in which a new user needs them.
COMMANDS = (
    "doctor",
    "snapshot",
    "capture-script",
    "collector",
    "trace",
    "report",
    "diff",
    "watch",
    "trend",
    "verify",
    "export",
    "simulate",
    "demo",
)


_GLOSSARY = "Terms and categories: docs/glossary.md; keys: docs/keys.md"


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the command line with these commands; only their modules are imported, as imports take time."""
    app = typer.Typer(
        name="spo-trace",
        help="Who owns this Linux machine's memory, including the part that is in swap?",
        epilog="To try it without root: spo-trace demo",
        context_settings={"help_option_names": ["-h", "--help"]},
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        callback=_options,
    )
    for name in names:
        app.command(name, epilog=_GLOSSARY)(import_module(f"{__name__}.{name.replace('-', '_')}").command)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        print(f"spo-trace {__version__}", flush=True)
        raise typer.Exit


def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)


# Log messages may contain control characters (of file names) and arguments in the notation of the API.
class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        if isinstance(record.args, tuple):
            shown.args = tuple(
                for_command_line(value) if isinstance(value, Argument) else value for value in record.args
            )
        return printable(super().format(shown))


# typer contains a private copy of click.
_WrongUsage: Any = typer.BadParameter.__base__


def main() -> None:
    """Run the command line."""
    sys.stdout, sys.stderr = (_fit_for_output(stream) for stream in (sys.stdout, sys.stderr))
    # Must be set before numpy is imported. Starting the BLAS threads takes 0.1 s of CPU time, and nothing uses BLAS.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _replace_closed_streams()
    _clean_up_on_signals()
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("spo-trace: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("spo_trace").setLevel(logging.INFO)
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    app = command_line([first] if first in COMMANDS else COMMANDS)
    try:
        sys.exit(app(prog_name="spo-trace", standalone_mode=False))
    except _WrongUsage as error:
        message = error.format_message().rstrip(".")
        asked = error.ctx.command_path if error.ctx else "spo-trace"
        complain(message[:1].lower() + message[1:], f"see {asked} --help")
        sys.exit(EXIT_USAGE)
    except OSError as error:
        # Raised by --help and --version: @guarded handles the errors of commands only.
        drop_unwritable_output()
        sys.exit(f"spo-trace: error: {error.strerror}")


# Characters that the terminal's encoding lacks are escaped instead of raising an error.
def _fit_for_output(stream: TextIO) -> TextIO:
    if not isinstance(stream, TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")
    return complete(stream)


# SIGTERM (a time limit) and SIGHUP (a closed terminal) end a command as Ctrl-C does, so that temporary files are
# removed; SIG_IGN set by nohup is kept.
def _clean_up_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _: sys.exit(128 + number))


# If the command is started with `2>&-`, sys.stderr is None and print() would write to stdout instead. A file opened
# later would get the descriptor of the missing stream.
def _replace_closed_streams() -> None:
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  # stays open until the process ends
