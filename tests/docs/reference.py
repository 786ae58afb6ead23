# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/commands.md: every command and option, from the texts of --help (`make docs`)."""

from collections.abc import Iterator
from typing import Any

from spo_trace.cli.help_texts import Parameter, commands_of, group, paragraphs, parameters

__all__ = ["commands", "options_of", "reference"]

# A bar within a cell.
_BAR = "\\|"

_HEAD = """\
# Commands

The output of `spo-trace COMMAND --help` for every command. `make docs` generates this page. Every command also has
`--help` (`-h`).
"""


def commands() -> dict[str, Any]:
    """Return the commands of the command line by name, such as `report` and `fleet report`."""
    return commands_of(group())


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
    for text, is_example in paragraphs(command):
        yield f"```sh\n{text}\n```\n" if is_example else f"{text}\n"
    if command.params:
        rows = "".join(f"| {_usage(one)} | {one.help.replace('|', _BAR)} |\n" for one in parameters(command))
        yield f"| | |\n|---|---|\n{rows}"


def _usage(parameter: Parameter) -> str:
    if parameter.is_argument:
        return f"`{parameter.value}`"
    *others, last = parameter.names
    return ", ".join([*(f"`{word}`" for word in others), f"`{f'{last} {parameter.value}'.rstrip()}`"])


if __name__ == "__main__":
    print(reference(), end="")
