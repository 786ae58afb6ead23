# SPDX-License-Identifier: LGPL-2.1-or-later
"""The error of `memory` and of the loader, which the loader can send to another process."""

__all__ = ["Problem"]


class Problem(Exception):
    """Hold what went wrong and, in `hint`, how to fix it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
