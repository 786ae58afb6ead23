# SPDX-License-Identifier: LGPL-2.1-or-later
"""The texts of --help in parts, for other documents: the man pages and docs/commands.md."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import typer

from spo_trace.cli.app import command_line

__all__ = ["Parameter", "commands_of", "group", "paragraphs", "parameters"]


class Parameter(NamedTuple):
    """Hold an option or an argument: `names` (none of an argument), `value` ("" of a flag), and its help text."""

    names: list[str]
    value: str
    help: str
    required: bool

    @property
    def is_argument(self) -> bool:
        """Return whether it has a place instead of a name."""
        return not self.names


def group() -> Any:
    """Return the whole command line as typer has it; `commands` are its commands by name."""
    return typer.main.get_command(command_line())


def commands_of(whole: Any) -> dict[str, Any]:
    """Return all commands by name, such as `report` and `fleet report`, without those that group others."""
    found: dict[str, Any] = {}
    for name, command in whole.commands.items():
        if hasattr(command, "commands"):
            found |= {f"{name} {inner}": one for inner, one in commands_of(command).items()}
        else:
            found[name] = command
    return found


def paragraphs(command: Any) -> Iterator[tuple[str, bool]]:
    """Yield the paragraphs of a command's help, and whether each is an example, in which lines stay as they are."""
    for text in command.help.strip().split("\n\n"):
        # \b prevents click from joining lines.
        if text.startswith("\b\n"):
            yield "\n".join(line.strip() for line in text.removeprefix("\b\n").splitlines()), True
        else:
            yield " ".join(text.split()), False


def parameters(command: Any) -> list[Parameter]:
    """Return the options and arguments of a command, without --help."""
    return [_parameter(one) for one in command.params]


def _parameter(param: Any) -> Parameter:
    metavar = str(param.metavar or param.name.upper())
    text = " ".join((param.help or "").split()) + _default(param)
    if param.param_type_name == "argument":
        return Parameter([], metavar, text, param.required)
    return Parameter(list(param.opts), "" if param.is_flag else metavar, text, param.required)


def _default(param: Any) -> str:
    shown = getattr(param, "show_default", False) and param.default not in (None, False, "")
    return f" Default: {param.default}." if shown else ""
