# SPDX-License-Identifier: LGPL-2.1-or-later
"""Races that always happen: do something right before or after a function is called; and what a race changed."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

__all__ = ["after", "before", "state"]


def after(monkeypatch: pytest.MonkeyPatch, function: str, do: Callable[[], object]) -> None:
    """Do something once, right after the next call of `function` (`module.name`)."""
    module, _, name = function.rpartition(".")
    real = getattr(import_module(module), name)

    def hooked(*arguments: object, **named: object) -> object:
        result = real(*arguments, **named)
        monkeypatch.setattr(function, real)
        do()
        return result

    monkeypatch.setattr(function, hooked)


def before(monkeypatch: pytest.MonkeyPatch, function: str, do: Callable[[], object]) -> None:
    """Do something once, right before the next call of `function` (`module.name`)."""
    module, _, name = function.rpartition(".")
    real = getattr(import_module(module), name)

    def hooked(*arguments: object, **named: object) -> object:
        monkeypatch.setattr(function, real)
        do()
        return real(*arguments, **named)

    monkeypatch.setattr(function, hooked)


def state(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Return what identifies each file and directory below a directory, and the time of its last change."""
    found = {str(path.relative_to(directory)): path.lstat() for path in directory.rglob("*")}
    return {name: (status.st_ino, status.st_mode, status.st_mtime_ns) for name, status in found.items()}
