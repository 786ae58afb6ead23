# SPDX-License-Identifier: LGPL-2.1-or-later
"""Translate arguments and calls in error texts from Python to options and commands."""

from spo_trace.errors import Argument, Call, Text, spelled

__all__ = ["for_command_line"]

# Options that are not the name of the argument with dashes.
_OPTIONS = {"from_": "--from", "for_": "--for", "output": "-o", "outfile": "-o", "labels": "--label"}
_COMMANDS = {"attribute": "report", "balance": "verify", "export_diff": "diff", "series": "trend"}
_POSITIONAL = ("snap", "a", "b", "samples")


def for_command_line(text: Text) -> str:
    """Return the text of an error with options and commands in place of arguments and calls."""
    return spelled(text, _spell)


def _spell(part: str | Argument | Call) -> str:
    if isinstance(part, Call):
        words = [_COMMANDS.get(part.function, part.function), *map(_option, part.arguments)]
        return " ".join(["spo-trace", *words])
    return _option(part) if isinstance(part, Argument) else part


def _option(argument: Argument) -> str:
    value = ""
    if isinstance(argument.value, str):
        from shlex import quote

        value = quote(argument.value)
    if argument.name in _POSITIONAL:
        return value or argument.name.upper()
    name = _OPTIONS.get(argument.name, f"--{argument.name.replace('_', '-')}")
    return f"{name} {value}".rstrip()
