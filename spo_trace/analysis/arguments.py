# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of the arguments of API functions, before any work is done."""

import errno
import math
import operator
import os
from collections.abc import Iterable

from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.limits import MAX_SERIES

__all__ = ["amount_of", "names_of", "number_of", "path_of", "paths_of", "seconds_of", "series_of"]


# Characters of an invalid value that a message shows.
_SHOWN = 60


def names_of(given: object, argument: str) -> list[str]:
    """Return one name or several as a list; raise UsageError unless they are strings."""
    names = [given] if isinstance(given, str) else _items(given)
    if names is None or not all(isinstance(name, str) for name in names):
        raise UsageError(
            (Argument(argument), f" must be a name or a list of names, not {_with_article(given)}"),
            hint=("for example: ", f"{argument}=['comm', 'caller']"),
        )
    return [str(name) for name in names]


def path_of(given: object, argument: str) -> str:
    """Return a path as a string.

    Raise UsageError for other types and for impossible file names, SpoTraceError if a directory denies access to it.
    """
    if not isinstance(given, str | os.PathLike):
        raise UsageError(
            (Argument(argument), f" must be a path, not {_with_article(given)}"), hint="give a str or a pathlib.Path"
        )
    path = os.fsdecode(given)
    if (why := _path_fault(path)) is not None:
        shown = path if len(path) < _SHOWN else f"{path[:_SHOWN]}…"
        raise UsageError((Argument(argument), f": {shown!r} is not a path: {why}"), hint="name a file or a directory")
    _check_lookup(path)
    return path


def paths_of(given: object, argument: str) -> list[str]:
    """Return one path or several as a list of strings; raise UsageError for an empty list and for other types."""
    items = [given] if isinstance(given, str | os.PathLike) else _items(given)
    if items is None:
        items = [given]
    if not items:
        raise UsageError((Argument(argument), " is an empty list"), hint="give at least one path")
    return [path_of(item, argument) for item in items]


def number_of(given: object, argument: str, *, least: int) -> int | None:
    """Return an integer or None; raise UsageError for other types and for numbers below `least`."""
    if given is None:
        return None
    try:
        number = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(given, bool) or number < least:
        raise UsageError(
            (Argument(argument), f" must be an integer of at least {least}, not {_shortened(given)}"),
            hint=("leave out ", Argument(argument), " to use the default"),
        )
    return number


def series_of(given: object) -> int:
    """Return `top`, the number of owners of each key that get a time series; raise UsageError if it is too large."""
    number = number_of(given, "top", least=1)
    if number is None or number > MAX_SERIES:
        raise UsageError(
            (Argument("top"), f" must be from 1 to {MAX_SERIES:,}, not {_shortened(given)}"),
            hint="each owner is a time series that Prometheus stores",
        )
    return number


def seconds_of(given: object, argument: str) -> float | None:
    """Return a number of seconds or None; raise UsageError for other types and for negative or infinite numbers."""
    return None if given is None else amount_of(given, argument, "seconds")


def amount_of(given: object, argument: str, unit: str) -> float:
    """Return a number of at least 0; raise UsageError for other types and for negative or infinite numbers."""
    try:
        amount = -1.0 if isinstance(given, bool | str) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        amount = -1.0
    if not 0 <= amount < math.inf:
        raise UsageError(
            (Argument(argument), f" must be a number of {unit}, not {_shortened(given)}"),
            hint=("leave out ", Argument(argument), " to use the default"),
        )
    return amount


def _path_fault(path: str) -> str | None:
    if not path or "\0" in path:
        return "it contains a null character" if path else "it is empty"
    try:
        os.lstat(path)
    except OSError as error:
        # Other errors are reported when the file is opened.
        return "its name is too long" if error.errno == errno.ENAMETOOLONG else None
    return None


# Path.is_file() raises PermissionError up to Python 3.13, in the middle of the work.
def _check_lookup(path: str) -> None:
    try:
        # Look up a name below the path, as for every file of a snapshot or a capture: stat of the path itself succeeds
        # without access to the directory.
        os.stat(os.path.join(path, "snapshot.json"))  # noqa: PTH116, PTH118
    except PermissionError as error:
        hint = "check the owner and the permissions of the path; or use sudo"
        raise SpoTraceError(f"{path}: {error.strerror}", hint=hint) from error
    except OSError:
        # Other errors are reported when the file is opened.
        return


def _items(given: object) -> list[object] | None:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, bytes) else None


def _with_article(given: object) -> str:
    kind = type(given).__name__
    return "None" if given is None else f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _shortened(given: object) -> str:
    return repr(given)[:_SHOWN]
