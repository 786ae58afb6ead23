# SPDX-License-Identifier: LGPL-2.1-or-later
"""The commands' options: what they are called, and what --help says of them."""

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from spo_trace.errors import UsageError
from spo_trace.snapshots.page_size import parse_page_size

__all__ = [
    "COMMON_KEYS",
    "Backend",
    "By",
    "Envelope",
    "Force",
    "Format",
    "From",
    "Html",
    "Jobs",
    "Mode",
    "Output",
    "Owner",
    "PageSize",
    "Source",
    "StacksTimeout",
    "Strict",
    "Top",
    "Where",
    "condition_of",
    "finite",
    "keys_of",
    "option",
]


# The keys that --help names. The table of all of them imports pyarrow, for which --help does not wait.
COMMON_KEYS = (
    *("comm", "pid", "tgid", "memcg", "category", "caller", "callsite", "stack", "symbols", "module"),
    *("order", "migratetype", "node", "zone", "gfp_flags", "swapped", "type"),
)


def option(*names: str, shows: str, help: str, least: float | None = None, default: bool = False) -> Any:
    """Return an option for Annotated; `shows`: its value's name in --help; `default`: --help tells its default."""
    callback = None if least is None else finite
    return typer.Option(*names, metavar=shows, help=help, min=least, callback=callback, show_default=default)


def finite(number: float | None) -> float | None:
    """Return a number that was given; raise typer.BadParameter for nan and inf, which `min` lets pass."""
    if isinstance(number, float) and not isfinite(number):
        raise typer.BadParameter(f"{number} is no number to go by")
    return number


def page_size_of(text: str) -> int:
    """Return the bytes of --page-size; raise typer.BadParameter if no machine has such pages."""
    try:
        return parse_page_size(text)
    except UsageError as error:
        raise typer.BadParameter(f"{error.message}: {error.hint}") from error


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
    option(
        "--by",
        shows="KEYS",
        help=f"What to group by, several with commas: {', '.join(COMMON_KEYS)} (type: of swap), and every other "
        "column, see docs/keys.md. Default: comm.",
    ),
]
Top = Annotated[
    int | None,
    option(
        "--top",
        shows="N",
        least=0,
        help="Rows to show; 0 for all. Default: the first 20 of a table on a terminal; all in a file, in a pipe, and "
        "in csv, json and markdown.",
    ),
]
Envelope = Annotated[
    bool,
    typer.Option(
        "--envelope",
        help='With JSON: write {"notes": [{"code", "text"}, …], "total": {…}, "rows": […]} instead of the rows alone.',
    ),
]
Where = Annotated[
    list[str] | None,
    option(
        "--where",
        shows="EXPR",
        help="""Keep only rows for which it holds: 'comm == "dd" and order > 0'. Text in quotes is taken as names """
        r"are shown: \n stays \n. A row without a value matches no comparison: NAME.isna() asks for it. bytes is "
        "the size of one record. If given several times, all must hold.",
    ),
]
Html = Annotated[Path | None, option("--html", shows="FILE", help="Write a page to look at, too: one file, all in it.")]
Format = Annotated[
    str | None,
    option(
        "--format",
        "-f",
        shows="NAME",
        help="table, csv, json or markdown. Default: by the ending of the name of -o (.csv, .json, .md, .txt), else "
        "table.",
    ),
]
Output = Annotated[Path | None, option("--output", "-o", shows="FILE", help="Write here instead of to stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Owner = Annotated[
    str | None,
    option(
        "--owner",
        shows="USER",
        help="Who gets the files: USER or USER:GROUP, names or numbers. Default: under sudo, the user who called it, "
        "if the files go where this user may write; else whoever runs it. Only root can name somebody else.",
    ),
]
Mode = Annotated[
    str | None,
    option(
        "--mode",
        shows="MODE",
        help="The files' permission bits in octal, such as 0640; directories get the matching x. Default: 0600. "
        "Any other lets others read who owns memory here.",
    ),
]
Jobs = Annotated[
    int | None,
    option(
        "--jobs",
        "-j",
        shows="N",
        least=1,
        help="Readers of page_owner, scanners of its text; default: one for each processor, 8 at most.",
    ),
]
StacksTimeout = Annotated[
    float,
    option(
        "--stacks-timeout",
        shows="SECONDS",
        least=0.1,
        help="Give page_owner_stacks up if reading it returns nothing for so long: on some kernels it never ends.",
        default=True,
    ),
]
PageSize = Annotated[
    Any,
    typer.Option(
        "--page-size",
        metavar="BYTES",
        help="Page size of the machine, such as 4096, 16K or 64K (getconf PAGESIZE), where its files do not tell it.",
        parser=page_size_of,
        show_default=False,
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Fail at the first malformed record, instead of setting it aside.")
]
From = Annotated[
    list[str] | None,
    option(
        "--from",
        shows="PATH",
        help="In place of this machine, a capture: a directory, a tar archive, single files (repeat it), - for stdin; "
        "gz, xz, zst, lz4, bz2 too. Or the simulator's scenario.",
    ),
]
Backend = Annotated[
    str | None,
    option("--backend", shows="NAME", help="live (default), capture (default with --from) or simulator."),
]


def keys_of(by: list[str] | None) -> list[str]:
    """Return the keys of --by, given once with commas or several times."""
    return [key.strip() for part in by or ["comm"] for key in part.split(",") if key.strip()]


def condition_of(where: list[str] | None) -> str | None:
    """Return the one condition that all of --where are."""
    if not where:
        return None
    return where[0] if len(where) == 1 else " and ".join(f"({part})" for part in where)
