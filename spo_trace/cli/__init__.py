# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: one thin module per command."""

import gc
import logging
import os
import signal
import sys
from copy import copy
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from spo_trace.cli.commands import COMMANDS
from spo_trace.cli.messages import for_command_line
from spo_trace.cli.plain_options import plain_options
from spo_trace.errors import Argument
from spo_trace.files.complete_writes import complete
from spo_trace.printable import printable

__all__ = ["COMMANDS", "main"]

# Objects between two runs of the garbage collector; the interpreter's default is 700 to 2,000.
_GARBAGE = 50_000

# Run without typer, unless it has something to say: it would add 10 MiB to the memory that a snapshot lists, and that a
# trace takes as long as it runs.
_PLAIN = ("snapshot", "trace")


# Log messages may contain control characters (of file names) and arguments in the notation of the API.
class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        shown = copy(record)
        if isinstance(record.args, tuple):
            shown.args = tuple(
                for_command_line(value) if isinstance(value, Argument) else value for value in record.args
            )
        return printable(super().format(shown))


def main() -> None:
    """Run the command line."""
    sys.stdout, sys.stderr = (_fit_for_output(stream) for stream in (sys.stdout, sys.stderr))
    # Must be set before numpy is imported. Starting the BLAS threads takes 0.1 s of CPU time, and nothing uses BLAS.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Loading modules would run the garbage collector hundreds of times, and it would find nothing.
    gc.set_threshold(_GARBAGE)
    _replace_closed_streams()
    _clean_up_on_signals()
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("spo-trace: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("spo_trace").setLevel(logging.INFO)
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _PLAIN:
        command = import_module(f"spo_trace.cli.{arguments[0]}").command
        options = plain_options(command, arguments[1:])
        if options is not None:
            sys.exit(command(**options))
    from spo_trace.cli.app import run

    run(arguments)


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
