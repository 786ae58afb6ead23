# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options that the commands of a fleet share."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.options import Positional, flag, option

if TYPE_CHECKING:
    from spo_trace.fleet.fleet import Fleet

__all__ = ["FLEET_KEYS", "At", "Engine", "FleetBy", "FleetRoot", "Master", "Only", "Strict", "Window", "opened_fleet"]

# The keys that --help names and a shell completes.
FLEET_KEYS = (
    *("stack", "symbols", "caller", "callsite", "module", "category", "comm", "memcg", "order", "node", "zone"),
    *("migratetype", "slab", "swapped", "host", "kernel", "arch"),
)

FleetRoot = Annotated[str, Positional("ROOT", "The directory of the fleet, or a URL such as s3://bucket/fleet.")]
FleetBy = Annotated[
    list[str] | None,
    option(
        "--by",
        shows="KEYS",
        help=f"Keys to group by, separated by commas: {', '.join(FLEET_KEYS)}, label.NAME. Default: caller.",
        values=FLEET_KEYS,
    ),
]
At = Annotated[
    str,
    option(
        "--at",
        shows="TIME",
        help="Of each host, the last snapshot up to TIME, such as 2026-11-29T12:00Z.",
        default=True,
    ),
]
Window = Annotated[
    str | None,
    option(
        "--window", shows="LENGTH", help="The mean of each host's snapshots in this time (30min, 12h, 7d) before --at."
    ),
]
Only = Annotated[
    list[str] | None,
    option(
        "--only",
        shows="FIELD=VALUE",
        help="Count only these snapshots: kernel=6.12*, host=web1, arch=x86_64, label.role=web. With several, a "
        "snapshot must match all of them.",
    ),
]
Strict = Annotated[bool, flag("--strict", help="Fail if a file is damaged, missing or of a newer version.")]
Engine = Annotated[
    str,
    option(
        "--engine",
        shows="NAME",
        help="What runs the SQL: duckdb, or spark, which needs PySpark and Java.",
        default=True,
        values=("duckdb", "spark"),
    ),
]
Master = Annotated[
    str | None,
    option(
        "--master",
        shows="URL",
        help="The cluster that runs Spark, such as spark://host:7077 or yarn. ROOT must have the same path on all its "
        "machines. Default: $SPO_TRACE_SPARK_MASTER, else local[*], this machine.",
    ),
]


def opened_fleet(root: str, engine: str = "duckdb", master: str | None = None, *, strict: bool = False) -> "Fleet":
    """Open a fleet, and warn about what is left out; `strict`: raise SpoTraceError instead."""
    import spo_trace as spo
    from spo_trace.cli.output import warn
    from spo_trace.errors import SpoTraceError
    from spo_trace.fleet.notes import catalog_notes

    found = spo.fleet.open(root, engine, master=master)
    if strict and found.catalog.skipped:
        first = found.catalog.skipped[0]
        raise SpoTraceError(
            f"{found.name}: {first.table}/{first.file}: {first.detail}",
            hint="spo-trace fleet check lists all problems; without --strict, these snapshots are left out",
        )
    for note in catalog_notes(found.catalog):
        warn(note.text)
    return found
