# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors that a user sees: one line, what to do next, and an exit code."""

__all__ = [
    "EXIT_ERROR",
    "EXIT_INTERRUPTED",
    "EXIT_NOT_CHECKED",
    "EXIT_THRESHOLD",
    "EXIT_USAGE",
    "MalformedRecord",
    "SpoTraceError",
    "UsageError",
]

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_THRESHOLD = 3
EXIT_NOT_CHECKED = 4
EXIT_INTERRUPTED = 130


class SpoTraceError(Exception):
    """Tell the user what went wrong (`message`) and the next step to take (`hint`)."""

    def __init__(self, message: str, *, hint: str | None = None, exit_code: int = EXIT_ERROR) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class UsageError(SpoTraceError):
    """Tell the user that the command line or an argument cannot be meant so."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, exit_code=EXIT_USAGE)


class MalformedRecord(SpoTraceError):
    """Tell the user where the first record that could not be parsed stands (`--strict`)."""
