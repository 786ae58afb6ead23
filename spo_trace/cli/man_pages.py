# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages, from the texts of --help: `python -m spo_trace.cli.man_pages DIRECTORY` writes them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spo_trace.cli.app import GLOSSARY
from spo_trace.cli.help_texts import Parameter, commands_of, group, paragraphs, parameters
from spo_trace.version import __version__

__all__ = ["man_pages"]

_HELP = Parameter(["-h", "--help"], "", "Show a summary of the options and exit.", required=False)

# Characters that start a request at the beginning of a line, or mean something anywhere.
_ESCAPES = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"})


def man_pages() -> dict[str, str]:
    """Return the pages of section 1 by file name: one for spo-trace, and one for each command."""
    whole = group()
    pages = {"spo-trace.1": "".join(_overview(whole))}
    for name, command in commands_of(whole).items():
        pages[f"{_title(name)}.1"] = "".join(_page(name, command))
    return pages


def _overview(whole: Any) -> Iterator[str]:
    yield _head("spo-trace", _summary(whole))
    yield ".SH SYNOPSIS\n.B spo\\-trace\n.I COMMAND\n.RI [ ARGUMENT .\\|.\\|.]\n"
    yield ".SH COMMANDS\n"
    for name, command in commands_of(whole).items():
        yield f".TP\n.BR {_text(_title(name))} (1)\n{_text(_summary(command))}\n"
    yield from _options([*parameters(whole), _HELP])
    yield f".SH EXAMPLES\n{_text(whole.epilog)}\n"


def _page(name: str, command: Any) -> Iterator[str]:
    title = _title(name)
    given = parameters(command)
    yield _head(title, _summary(command))
    arguments = "".join(
        f"\n.I {_text(one.value)}" if one.required else f"\n.RI [ {_text(one.value)} ]"
        for one in given
        if one.is_argument
    )
    yield f".SH SYNOPSIS\n.B spo\\-trace {_text(name)}\n.RI [ OPTION .\\|.\\|.]{arguments}\n"
    described = (
        f".RS 4\n.EX\n{_text(text)}\n.EE\n.RE\n" if is_example else f"{_text(text)}\n"
        for text, is_example in paragraphs(command)
    )
    yield ".SH DESCRIPTION\n" + ".PP\n".join(described)
    yield from _options([*given, _HELP])
    yield f".SH SEE ALSO\n.BR spo\\-trace (1).\n{_text(GLOSSARY)}.\n"


def _title(name: str) -> str:
    return f"spo-trace-{name.replace(' ', '-')}"


def _head(title: str, summary: str) -> str:
    return (
        f'.TH {_text(title.upper())} 1 "" "spo\\-trace {_text(__version__)}" "User Commands"\n'
        f".SH NAME\n{_text(title)} \\- {_text(summary)}\n"
    )


# The first sentence, as makewhatis shows it: without a full stop.
def _summary(command: Any) -> str:
    text, _ = next(paragraphs(command))
    first = text.split(". ")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def _options(given: list[Parameter]) -> Iterator[str]:
    yield ".SH OPTIONS\n"
    for one in given:
        names = ", ".join(f"\\fB{_text(name)}\\fR" for name in one.names)
        value = f"\\fI{_text(one.value)}\\fR" if one.value else ""
        yield f".TP\n{f'{names} {value}'.strip()}\n{_text(one.help)}\n"


# A line that begins with a dot would be a request. Old programs take bytes beyond ASCII for Latin-1.
def _text(text: str) -> str:
    plain = "".join(char if char.isascii() else f"\\[u{ord(char):04X}]" for char in text.translate(_ESCAPES))
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in plain.splitlines())


if __name__ == "__main__":
    for name, page in man_pages().items():
        (Path(sys.argv[1]) / name).write_text(page)
