# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages name arguments as the API does; the command line translates them to options."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import spo_trace
from spo_trace.cli.messages import for_command_line
from spo_trace.errors import Argument, Call, Text, UsageError, spelled

PACKAGE = Path(spo_trace.__file__).parent
# -o, --where: but not a dash in a sentence or a heading.
OPTION = re.compile(r"(?<![\w-])(?:--[a-z][a-z-]+|-[oj])(?![\w-])")
# Commands that the API lacks, and those of other programs, are named as on the command line.
COMMAND = re.compile(r"(?:spo-trace (?:trace|simulate)|makedumpfile) [^;]*")


@pytest.mark.parametrize(
    ("text", "python", "command_line"),
    [
        ("plain", "plain", "plain"),
        (Argument("where"), "where", "--where"),
        (Argument("from_"), "from_", "--from"),
        (Argument("output"), "output", "-o"),
        (Argument("page_size", "65536"), "page_size='65536'", "--page-size 65536"),
        (Argument("force", True), "force=True", "--force"),
        (Argument("where", 'comm == "dd"'), "where='comm == \"dd\"'", "--where 'comm == \"dd\"'"),
        (("try ", Argument("swap", "none"), " first"), "try swap='none' first", "try --swap none first"),
        (Call("trend", samples="a b"), "spo.trend(samples='a b')", "spo-trace trend 'a b'"),
        (Call("attribute", snap="x.spo"), "spo.attribute(snap='x.spo')", "spo-trace report x.spo"),
        (Call("diff", a="A", b="B"), "spo.diff(a='A', b='B')", "spo-trace diff A B"),
        (Call("watch", record="DIR"), "spo.watch(record='DIR')", "spo-trace watch --record DIR"),
    ],
)
def test_arguments_are_spelled_for_python_and_the_command_line(text: Text, python: str, command_line: str) -> None:
    assert (spelled(text), for_command_line(text)) == (python, command_line)


def test_an_error_has_the_names_of_python_by_default() -> None:
    error = UsageError((Argument("by"), " is wrong"), hint=("leave out ", Argument("by")))
    assert (str(error), error.message, error.hint, error.exit_code) == ("by is wrong", "by is wrong", "leave out by", 2)
    assert [for_command_line(text) for text in error.texts if text] == ["--by is wrong", "leave out --by"]


def texts(path: Path) -> Iterator[str]:
    """Yield the string constants of a module except docstrings."""
    tree = ast.parse(path.read_text())
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def test_only_the_command_line_names_options() -> None:
    # The collector is a program with options of its own. The evidence of a finding is a command line.
    others = (
        PACKAGE / "cli",
        PACKAGE / "findings",
        PACKAGE / "collector" / "main.py",
        PACKAGE / "sources" / "live_capture.py",
    )
    modules = [path for path in PACKAGE.rglob("*.py") if not any(map(path.is_relative_to, others))]
    assert len(modules) > 90
    found = {
        (str(path.relative_to(PACKAGE)), text)
        for path in modules
        for text in texts(path)
        if OPTION.search(COMMAND.sub("", text))
    }
    assert found == set()
    # AND the pattern matches options.
    assert OPTION.search("leave out --from") and OPTION.search("name a directory with -o")


def test_commands_to_install_are_in_one_place() -> None:
    modules = {path.name for path in PACKAGE.rglob("*.py") if any("pip install" in text for text in texts(path))}
    assert modules == {"version.py"}
    # The project is not published: a name without a path would be another package.
    commands = re.findall(r"pip install (\S+)", (PACKAGE / "version.py").read_text())
    assert commands and all(command.strip("'\"").startswith(".") for command in commands)


def test_a_message_that_python_prints_has_no_control_characters() -> None:
    error = UsageError("\x1b[2J is not a name", hint=("use ", Argument("where"), "\u202e"))
    assert (str(error), error.message, error.hint) == (
        "\\033[2J is not a name",
        "\\033[2J is not a name",
        "use where\\342\\200\\256",
    )
