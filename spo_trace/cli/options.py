# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options of the commands: names, types and help texts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

__all__ = [
    "COMMON_KEYS",
    "Backend",
    "By",
    "CsvSafe",
    "Envelope",
    "Force",
    "Format",
    "From",
    "Html",
    "Jobs",
    "Mode",
    "Option",
    "Output",
    "Owner",
    "PageSize",
    "Positional",
    "Source",
    "SourceA",
    "SourceB",
    "StacksTimeout",
    "Strict",
    "Top",
    "Where",
    "condition_of",
    "flag",
    "keys_of",
    "option",
]


# The keys that --help names. The complete table of keys imports pyarrow, which would slow --help down.
COMMON_KEYS = (
    *("comm", "pid", "tgid", "memcg", "category", "caller", "callsite", "stack", "symbols", "module"),
    *("order", "migratetype", "node", "zone", "pageblock", "memory_block", "gfp_flags", "swapped", "type"),
)


class Option(NamedTuple):
    """Describe an option, for typer and for `plain_options`.

    `shows`: the name of its value in --help, None for a flag. `least`: its smallest value. `parse`: returns its value
    from the text, or raises UsageError. `default`: --help shows the default. `values`: those that a shell
    completes, also in a list separated by commas.
    """

    names: tuple[str, ...]
    help: str
    shows: str | None = None
    least: float | None = None
    parse: Callable[[str], Any] | None = None
    default: bool = False
    values: Sequence[str] = ()


class Positional(NamedTuple):
    """Describe an argument without a name; the fields are those of Option."""

    shows: str
    help: str
    least: float | None = None
    values: Sequence[str] = ()


def option(
    *names: str,
    shows: str,
    help: str,
    least: float | None = None,
    default: bool = False,
    values: Sequence[str] = (),
) -> Option:
    """Return an option with a value, for Annotated."""
    return Option(names, help, shows, least, default=default, values=values)


def flag(*names: str, help: str) -> Option:
    """Return an option without a value, for Annotated."""
    return Option(names, help)


_SOURCE = "snapshot (NAME.spo), crash dump or raw capture (a directory, a tar archive, a page_owner file, - for stdin)."
Source = Annotated[str, Positional("SNAPSHOT", f"A {_SOURCE}")]
SourceA = Annotated[str, Positional("SNAPSHOT_A", f"The first {_SOURCE}")]
SourceB = Annotated[str, Positional("SNAPSHOT_B", f"The second {_SOURCE}")]
By = Annotated[
    list[str] | None,
    option(
        "--by",
        shows="KEYS",
        help=f"Keys to group by, separated by commas: {', '.join(COMMON_KEYS)} (the swap type), pfn_range_64M (or "
        "another size), or any other column (see docs/keys.md). Or alone: site, the place in the kernel's source "
        "(/proc/allocinfo), or slab_cache (/proc/slabinfo). Default: comm, or the first key that an aggregate has.",
        values=COMMON_KEYS,
    ),
]
Top = Annotated[
    int | None,
    option(
        "--top",
        shows="N",
        least=0,
        help="Number of rows to show; 0 for all. Default: 20 for a table on a terminal; all in a file, in a pipe, "
        "and in csv, json and markdown.",
    ),
]
CsvSafe = Annotated[
    bool,
    flag(
        "--csv-safe",
        help="With CSV: put an apostrophe in front of names that a spreadsheet would run as a formula (those that "
        "begin with =, +, - or @), and quote all names. Programs need the exact names, so this is off by default.",
    ),
]
Envelope = Annotated[
    bool,
    flag(
        "--envelope",
        help='With JSON: write {"notes": [{"code", "text"}, …], "total": {…}, "rows": […]} instead of the rows alone.',
    ),
]
Where = Annotated[
    list[str] | None,
    option(
        "--where",
        shows="EXPR",
        help="""Count only records that match EXPR: 'comm == "dd" and order > 0'. String literals are compared with """
        r"names as displayed: \n is two characters. A missing value matches no comparison; NAME.isna() finds it. "
        "The key `bytes` is the size of one record. With several --where, a record must match all of them.",
    ),
]
Html = Annotated[Path | None, option("--html", shows="FILE", help="Also write a self-contained HTML report.")]
Format = Annotated[
    str | None,
    option(
        "--format",
        "-f",
        shows="NAME",
        help="table, csv, json or markdown. Default: by the suffix of -o (.csv, .json, .md, .txt), else table.",
        values=("table", "csv", "json", "markdown"),
    ),
]
Output = Annotated[
    Path | None, option("--output", "-o", shows="FILE", help="Write to FILE instead of standard output.")
]
Force = Annotated[bool, flag("--force", help="Replace the output if it exists.")]
Owner = Annotated[
    str | None,
    option(
        "--owner",
        shows="USER",
        help="Owner of the files: USER or USER:GROUP, names or numbers. Default: under sudo, the user who called it, "
        "if that user may write to the directory; else the user who runs it. Only root may choose another user.",
    ),
]
Mode = Annotated[
    str | None,
    option(
        "--mode",
        shows="MODE",
        help="Permission bits of the files in octal, such as 0640; directories get the matching x bits. Default: 0600, "
        "so that other users cannot see who owns memory.",
    ),
]
Jobs = Annotated[
    int | None,
    option(
        "--jobs",
        "-j",
        shows="N",
        least=1,
        help="Number of parallel readers and parsers. Default: one per processor, at most 8.",
    ),
]
StacksTimeout = Annotated[
    float,
    option(
        "--stacks-timeout",
        shows="SECONDS",
        least=0.1,
        help="Stop reading page_owner_stacks if it returns no data for this long: on some kernels the read never ends.",
        default=True,
    ),
]


# It takes time to load, and few commands are given a page size.
def _page_size(text: str) -> int:
    from spo_trace.snapshots.page_size import parse_page_size

    return parse_page_size(text)


PageSize = Annotated[
    Any,
    Option(
        ("--page-size",),
        "Page size of the machine, such as 4096, 16K or 64K (getconf PAGESIZE), if the input does not contain it.",
        "BYTES",
        parse=_page_size,
    ),
]
Strict = Annotated[
    bool, flag("--strict", help="Fail at the first malformed record instead of writing it to rejects.txt.")
]
From = Annotated[
    list[str] | None,
    option(
        "--from",
        shows="PATH",
        help="Read a crash dump or a capture instead of this machine: a directory, a tar archive, single files (repeat "
        "the option), or - for stdin; also compressed (gz, xz, zst, lz4, bz2). With --backend simulator: a scenario.",
    ),
]
Backend = Annotated[
    str | None,
    option(
        "--backend",
        shows="NAME",
        help="live (default), capture (default with --from) or simulator.",
        values=("live", "capture", "simulator"),
    ),
]


def keys_of(by: list[str] | None) -> list[str] | None:
    """Return the keys of --by, which may contain commas and may be repeated; None if it was not given."""
    return None if not by else [key.strip() for part in by for key in part.split(",") if key.strip()]


def condition_of(where: list[str] | None) -> str | None:
    """Return all --where joined into one condition, None without any."""
    if not where:
        return None
    return where[0] if len(where) == 1 else " and ".join(f"({part})" for part in where)
