# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "By",
    "Force",
    "Format",
    "Html",
    "Jobs",
    "Output",
    "Source",
    "Strict",
    "Top",
    "Where",
    "condition_of",
    "keys_of",
]

Source = Annotated[
    str,
    typer.Argument(
        metavar="SNAPSHOT",
        help="A snapshot (NAME.spo), or a raw capture: a directory, a tar archive, a page_owner file, - for stdin.",
        show_default=False,
    ),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="KEYS",
        help="What to group by, several with commas: comm, pid, tgid, stack, symbols, caller, module, category, "
        "memcg, order, migratetype, node, zone, gfp_flags, slab, swapped, type (of swap). Default: comm.",
        show_default=False,
    ),
]
Top = Annotated[int, typer.Option("--top", metavar="N", min=0, help="Rows to show; 0 for all.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="EXPR",
        help="""Keep only rows for which it holds: 'comm == "dd" and order > 0'. A row without a value matches no """
        "comparison: NAME.isna() asks for it. Given several times, all must hold.",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write a page to look at, too: one file, all in it.", show_default=False
    ),
]
Format = Annotated[str, typer.Option("--format", "-f", metavar="NAME", help="table, csv, json or markdown.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here instead of to stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        help="Readers of page_owner, scanners of its text; default: one for each processor, 8 at most.",
        show_default=False,
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail at the first malformed record, instead of setting it aside.")
]


def keys_of(by: list[str] | None) -> list[str]:
    """Return the keys of --by, given once with commas or several times."""
    return [key.strip() for part in by or ["comm"] for key in part.split(",") if key.strip()]


def condition_of(where: list[str] | None) -> str | None:
    """Return the one condition that all of --where are."""
    if not where:
        return None
    return where[0] if len(where) == 1 else " and ".join(f"({part})" for part in where)
