# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: one thin module per command."""

import gc
import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from spo_trace.cli.commands import COMMANDS
from spo_trace.cli.plain_options import plain_options
from spo_trace.files.complete_writes import complete

__all__ = ["COMMANDS", "main"]

# Objects between two runs of the garbage collector; the interpreter's default is 700 to 2,000.
_GARBAGE = 50_000

# Run without typer, unless it has something to say: it would add 10 MiB to the memory that a snapshot lists, and that a
# trace takes as long as it runs. The values: whether the command logs. A trace does not, and starts faster without
# loading `logging`.
_PLAIN = {"snapshot": True, "trace": False}


def main() -> None:
    """Run the command line."""
    sys.stdout, sys.stderr = (_fit_for_output(stream) for stream in (sys.stdout, sys.stderr))
    # Must be set before numpy is imported. Starting the BLAS threads takes 0.1 s of CPU time, and nothing uses BLAS.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Loading modules would run the garbage collector hundreds of times, and it would find nothing.
    gc.set_threshold(_GARBAGE)
    _replace_closed_streams()
    _clean_up_on_signals()
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _PLAIN:
        command = import_module(f"spo_trace.cli.{arguments[0]}").command
        options = plain_options(command, arguments[1:])
        if options is not None:
            if _PLAIN[arguments[0]]:
                _show_log_messages()
            sys.exit(command(**options))
    _show_log_messages()
    from spo_trace.cli.app import run

    run(arguments)


def _show_log_messages() -> None:
    from spo_trace.cli.log_messages import show_log_messages

    show_log_messages()


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
