# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors for users: a one-line message, a hint on what to do next, and an exit code."""

from collections.abc import Callable

from spo_trace.printable import printable

__all__ = [
    "EXIT_ERROR",
    "EXIT_INTERRUPTED",
    "EXIT_NOT_CHECKED",
    "EXIT_THRESHOLD",
    "EXIT_USAGE",
    "Argument",
    "Call",
    "MalformedRecord",
    "SpoTraceError",
    "Text",
    "UsageError",
    "spelled",
]

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_THRESHOLD = 3
EXIT_NOT_CHECKED = 4
EXIT_INTERRUPTED = 130


# Not a data class: `dataclasses` imports more than all that is needed to read a machine.
class Argument:
    """An argument of the Python API in a message, with a value if the message suggests one.

    As text it is Python (`swap='none'`); the command line shows the option instead (`--swap none`).
    """

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: str | bool | None = None) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value!r}"


class Call:
    """A call of the Python API in a message.

    As text it is Python (`spo.trend(samples='DIR')`); the command line shows its command (`spo-trace trend DIR`).
    """

    def __init__(self, function: str, **arguments: str | bool) -> None:
        self.function = function
        self.arguments = [Argument(name, value) for name, value in arguments.items()]

    def __str__(self) -> str:
        return f"spo.{self.function}({', '.join(map(str, self.arguments))})"


# A tuple is one sentence in parts, so that each front end can show arguments and calls in its own notation.
Text = str | Argument | Call | tuple[str | Argument | Call, ...]


def spelled(text: Text, spell: Callable[[str | Argument | Call], str] = str) -> str:
    """Return `text` as one string, each part converted by `spell`; by default in the notation of Python."""
    return "".join(map(spell, text if isinstance(text, tuple) else (text,)))


class SpoTraceError(Exception):
    """An error for the user: what went wrong (`message`) and what to do next (`hint`), in the notation of Python.

    `texts` has both in parts, for front ends with their own notation.
    """

    def __init__(self, message: Text, *, hint: Text | None = None, exit_code: int = EXIT_ERROR) -> None:
        # Python prints the message of an exception that nobody catches as it is.
        self.message = printable(spelled(message))
        self.hint = None if hint is None else printable(spelled(hint))
        self.texts = (message, hint)
        self.exit_code = exit_code
        super().__init__(self.message)


class UsageError(SpoTraceError):
    """An error in the command line or in an argument."""

    def __init__(self, message: Text, *, hint: Text | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=EXIT_USAGE)


class NoRecords(SpoTraceError):
    """There is neither page_owner nor swap_page_owner to read."""


class MalformedRecord(SpoTraceError):
    """The first record that could not be parsed, with its position (`strict`)."""
