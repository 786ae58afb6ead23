# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the loader could not do, told across the process boundary."""

__all__ = ["Problem"]


class Problem(Exception):
    """Tell what went wrong and, in `hint`, how to fix it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
