# SPDX-License-Identifier: LGPL-2.1-or-later
"""The only place where an error becomes a message and an exit code."""

import errno
import functools
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, ParamSpec, TypeVar

import typer

from spo_trace.cli.messages import worded
from spo_trace.errors import EXIT_ERROR, EXIT_INTERRUPTED, SpoTraceError
from spo_trace.reporters.format import printable

__all__ = ["complain", "drop_unwritable_output", "fail", "guarded"]

P = ParamSpec("P")
R = TypeVar("R")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Make a command end in one line on stderr and an exit code, never in a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = command(*args, **kwargs)
            if sys.stdout:
                sys.stdout.flush()
            return result
        except SpoTraceError as error:
            message, hint = error.texts
            fail(worded(message), None if hint is None else worded(hint), error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted; nothing was left behind", None, EXIT_INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output (head, less) has enough.
            drop_unwritable_output()
            raise typer.Exit(EXIT_ERROR) from None
        except MemoryError as error:
            fail(f"there is not enough memory: {error}".removesuffix(": "), _LESS_MEMORY, EXIT_ERROR)
        except OSError as error:
            drop_unwritable_output()
            fail(*_explain(error), EXIT_ERROR)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:
            if os.environ.get("SPO_TRACE_TRACEBACK"):
                raise
            fail(f"a bug in spo-trace: {type(error).__name__}: {error}", _REPORT_BUG, EXIT_ERROR)

    return run


_LESS_MEMORY = "fewer --jobs take less; or take the capture along and read it on a larger machine"
_REPORT_BUG = "please report it with what SPO_TRACE_TRACEBACK=1 spo-trace … prints"


def drop_unwritable_output() -> None:
    """Let go of what standard output does not take: Python would try once more at exit, and leave with 120."""
    if sys.stdout is None:
        return
    with suppress(OSError):
        sys.stdout.flush()
    # Not a file, in a test: nothing is written at exit then.
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str, hint: str | None) -> None:
    """Print the error and what to do about it."""
    print(f"spo-trace: error: {printable(message)}", file=sys.stderr)
    if hint:
        print(f"  hint: {printable(hint)}", file=sys.stderr)


def fail(message: str, hint: str | None, exit_code: int) -> NoReturn:
    """Print the error and what to do about it, and leave with `exit_code`."""
    complain(message, hint)
    raise typer.Exit(exit_code)


def _explain(error: OSError) -> tuple[str, str | None]:
    where = f"{error.filename}: " if error.filename else ""
    hints = {
        errno.ENOSPC: "free some space, or name another place with -o",
        errno.EACCES: "do you own it? reading debugfs takes root",
        errno.EROFS: "name another place with -o",
    }
    return where + (error.strerror or str(error)), hints.get(error.errno or 0)
