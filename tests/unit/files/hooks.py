# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do something right before or after a function is called: a race that always happens."""

from collections.abc import Callable
from importlib import import_module

import pytest

__all__ = ["after", "before"]


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
