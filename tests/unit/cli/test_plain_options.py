# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plain options have the values that typer gives them; all that is not plain is left to typer."""

import random
from typing import Any

import pytest
import typer

from spo_trace.cli import snapshot
from spo_trace.cli.app import command_line
from spo_trace.cli.plain_options import plain_options

GROUP: Any = typer.main.get_command(command_line(["snapshot"]))
WORDS = [
    *(
        "-o",
        "--output",
        "x.spo",
        "-",
        "--swap",
        "bpf",
        "--jobs",
        "-j",
        "3",
        "0",
        "-1",
        "1_0",
        "--stacks-timeout",
        "0.5",
    ),
    *("nan", "inf", "1e3", "--page-size", "64K", "5000", "--strict", "--force", "--owner", "me", "--mode", "0640"),
    *("--from", "c.tar", "--backend", "live", "--stage", "", "--", "--help", "-h", "--no", "--jobs=2", "--swap=none"),
    *("--output=", "--strict=1", "-j4", "-ox.spo", "-o=x", "--stra", "stray", "--mode=0600"),
]


def by_typer(arguments: list[str]) -> dict[str, Any] | None:
    """Return the parameters as typer parses them, None if it refuses them."""
    command = GROUP.commands["snapshot"] if hasattr(GROUP, "commands") else GROUP
    try:
        context = command.make_context("snapshot", list(arguments))
    except Exception:  # noqa: BLE001  # typer's private copy of click has the classes
        return None
    return dict(context.params)


def check(arguments: list[str]) -> bool:
    """Compare both; return whether the arguments are plain."""
    plain = plain_options(snapshot.command, arguments)
    if plain is None:
        return False
    expected = by_typer(arguments)
    assert expected is not None, arguments
    defaults = by_typer([])
    assert defaults is not None
    assert {**defaults, **plain} == expected, arguments
    return True


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["-o", "now.spo"],
        ["--output=now.spo", "--force", "--strict", "-j", "2", "--swap", "none"],
        ["--stacks-timeout", "0.1", "--page-size=16K", "--owner", "1000:1000", "--mode", "640", "--backend", "live"],
        ["--jobs", "1", "--jobs", "2"],
        ["--from", "page_owner", "--from=show_stacks", "--force"],
    ],
)
def test_plain_options(arguments: list[str]) -> None:
    assert check(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["stray"],
        ["-j", "0"],
        ["-j4"],
        ["-j"],
        ["--jobs", "x"],
        ["--stacks-timeout", "nan"],
        ["--page-size", "5000"],
        ["--strict=1"],
        ["-o", "--force"],
        ["--unknown", "1"],
        ["--"],
    ],
)
def test_everything_else_is_left_to_typer(arguments: list[str]) -> None:
    assert not check(arguments)


def test_any_words() -> None:
    choose = random.Random(3)
    plain = sum(check(choose.choices(WORDS, k=choose.randrange(1, 6))) for _ in range(4000))
    assert plain > 100
