# SPDX-License-Identifier: LGPL-2.1-or-later
"""Turn the errors of commands into a message and an exit code."""

import errno
import functools
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, ParamSpec, TypeVar

from spo_trace.cli.messages import for_command_line
from spo_trace.errors import EXIT_ERROR, EXIT_INTERRUPTED, SpoTraceError
from spo_trace.printable import printable

__all__ = ["complain", "drop_unwritable_output", "fail", "guarded"]

P = ParamSpec("P")
R = TypeVar("R")


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap a command so that an error prints one line on stderr and sets the exit code, without a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = command(*args, **kwargs)
            if sys.stdout:
                sys.stdout.flush()
            return result
        except SpoTraceError as error:
            message, hint = error.texts
            fail(for_command_line(message), None if hint is None else for_command_line(hint), error.exit_code)
        except KeyboardInterrupt:
            fail("interrupted; no files were left behind", None, EXIT_INTERRUPTED)
        except BrokenPipeError:
            # The reader of the output (head, less) has exited.
            drop_unwritable_output()
            sys.exit(EXIT_ERROR)
        except MemoryError as error:
            fail(f"not enough memory: {error}".removesuffix(": "), _LESS_MEMORY, EXIT_ERROR)
        except OSError as error:
            drop_unwritable_output()
            fail(*_explain(error), EXIT_ERROR)
        except Exception as error:
            if os.environ.get("SPO_TRACE_TRACEBACK"):
                raise
            fail(f"a bug in spo-trace: {type(error).__name__}: {error}", _REPORT_BUG, EXIT_ERROR)

    return run


_LESS_MEMORY = "use fewer --jobs, or read the capture on a machine with more memory"
_REPORT_BUG = "please report it with the output of SPO_TRACE_TRACEBACK=1 spo-trace …"


def drop_unwritable_output() -> None:
    """Discard buffered output that cannot be written: Python would try again at exit, and exit with 120."""
    if sys.stdout is None:
        return
    with suppress(OSError):
        sys.stdout.flush()
    # In a test, standard output may not be a file; then nothing is written at exit.
    with suppress(io.UnsupportedOperation):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str, hint: str | None) -> None:
    """Print an error and a hint on how to fix it."""
    if sys.stderr and sys.stderr.isatty():
        # A line of progress may be there.
        sys.stderr.write("\r\033[K")
    print(f"spo-trace: error: {printable(message)}", file=sys.stderr)
    if hint:
        print(f"  hint: {printable(hint)}", file=sys.stderr)


def fail(message: str, hint: str | None, exit_code: int) -> NoReturn:
    """Print an error and a hint on how to fix it, and exit with `exit_code`."""
    complain(message, hint)
    sys.exit(exit_code)


def _explain(error: OSError) -> tuple[str, str | None]:
    where = f"{error.filename}: " if error.filename else ""
    hints = {
        errno.ENOSPC: "free some space, or write elsewhere with -o",
        errno.EACCES: "check the owner of the file; reading debugfs needs root",
        errno.EROFS: "write elsewhere with -o",
        errno.ENAMETOOLONG: "use a shorter name",
        errno.ENOSYS: "this kernel was built without a system call: use one with the usual options, such as CONFIG_NET",
    }
    return where + (error.strerror or str(error)), hints.get(error.errno or 0)
