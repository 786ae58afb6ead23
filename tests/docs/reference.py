# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/commands.md: every command and option, from the texts of --help (`make docs`)."""

from collections.abc import Iterator
from typing import Any

import typer

from spo_trace.cli.app import command_line

__all__ = ["commands", "options_of", "reference"]

_HEAD = """\
# Commands

The output of `spo-trace COMMAND --help` for every command. `make docs` generates this page. Every command also has
`--help` (`-h`).
"""


def commands() -> dict[str, Any]:
    """Return the commands of the command line by name."""
    group: Any = typer.main.get_command(command_line())
    return dict(group.commands)


def options_of(command: Any) -> list[str]:
    """Return every spelling of every option of a command."""
    return [
        "-h",
        "--help",
        *(word for p in command.params for word in [*p.opts, *p.secondary_opts] if word.startswith("-")),
    ]


def reference() -> str:
    """Return the text of docs/commands.md."""
    return _HEAD + "".join(f"\n{part}" for name, command in commands().items() for part in _section(name, command))


def _section(name: str, command: Any) -> Iterator[str]:
    yield f"## spo-trace {name}\n"
    for paragraph in command.help.strip().split("\n\n"):
        yield _paragraph(paragraph)
    if command.params:
        rows = "".join(
            f"| {_usage(param)} | {_cell(param.help or '')}{_default(param)} |\n" for param in command.params
        )
        yield f"| | |\n|---|---|\n{rows}"


# \b prevents click from joining the lines of examples.
def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return " ".join(text.split()) + "\n"
    lines = text.removeprefix("\b\n").splitlines()
    return "```sh\n" + "".join(f"{line.strip()}\n" for line in lines) + "```\n"


def _usage(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_metavar(param)}`"
    *others, last = param.opts
    value = "" if param.is_flag else f" {_metavar(param)}"
    return ", ".join([*(f"`{word}`" for word in others), f"`{last}{value}`"])


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _default(param: Any) -> str:
    shown = getattr(param, "show_default", False) and param.default not in (None, False, "")
    return f" Default: {param.default}." if shown else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
