# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet diff."""

from typing import TYPE_CHECKING, Annotated

from spo_trace.cli.errors import fail, guarded
from spo_trace.cli.fleet.options import Engine, FleetBy, FleetRoot, Master, Only, Strict, opened_fleet
from spo_trace.cli.growth_limit import FailAbove, growth_limit
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import Top, Where, condition_of, flag, keys_of, option
from spo_trace.cli.tables import most_grown, no_match_notes, show
from spo_trace.errors import EXIT_THRESHOLD, UsageError
from spo_trace.reporters.format import counted, format_size

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command"]

_SIDE = "kernel=6.12*, time=2026-11-29, host=web1, arch=x86_64 or label.NAME=VALUE. May be repeated."
SideA = Annotated[list[str] | None, option("--from", shows="FIELD=VALUE", help=f"The snapshots of side A: {_SIDE}")]
SideB = Annotated[list[str] | None, option("--to", shows="FIELD=VALUE", help=f"The snapshots of side B: {_SIDE}")]
Paired = Annotated[
    bool, flag("--paired", help="Compare each host only with itself, and leave out hosts that only one side has.")
]


@guarded
@grouped
def command(
    root: FleetRoot,
    side_a: SideA = None,
    side_b: SideB = None,
    by: FleetBy = None,
    where: Where = None,
    only: Only = None,
    paired: Paired = False,
    top: Top = None,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    fail_above: FailAbove = None,
    engine: Engine = "duckdb",
    master: Master = None,
    strict: Strict = False,
) -> None:
    """Show what grew on a fleet: with another kernel, since a time, or on some hosts.

    \b
        spo-trace fleet diff fleet --from kernel=6.12* --to kernel=7.2* --by caller --paired
        spo-trace fleet diff fleet --from time=2026-11-01 --to time=2026-11-29 --by memcg
        spo-trace fleet diff fleet --from label.ring=old --to label.ring=canary --by stack --top 5

    Of each host, the last snapshot on each side counts. The largest growth per host comes first. If the two sides have
    different hosts, their sums cannot be compared, but the change per host can. Stacks are matched as by diff --match
    auto, and a note says by what, and how many pages have a stack that is on both sides.
    """
    to = document.target()
    limit = growth_limit(fail_above)
    if not side_a or not side_b:
        raise UsageError("diff compares two sides", hint="for example: --from kernel=6.12* --to kernel=7.2*")
    from spo_trace.analysis.diff_notes import matched_notes
    from spo_trace.analysis.stack_match import Match
    from spo_trace.fleet.diff import pairing_notes
    from spo_trace.fleet.fleet import DEFAULT_KEY, fleet_question
    from spo_trace.fleet.notes import chosen_notes
    from spo_trace.fleet.selection import Selection

    keys, condition = keys_of(by) or [DEFAULT_KEY], condition_of(where)
    fleet_question(keys, condition)
    fleet = opened_fleet(root, engine, master, strict=strict)
    sides, parsed = fleet.sides(side_a, side_b, keys, condition, only or (), paired=paired)
    if limit is not None and not sides.same_hosts:
        raise UsageError("the two sides have different hosts: sums cannot be compared", hint="add --paired")
    table = fleet.diff(side_a, side_b, keys, where=condition, only=only or (), paired=paired)
    notes = [*no_match_notes(parsed, found=len(table) > 0), *pairing_notes(sides)]
    for title, side in (("A: ", sides.a), ("B: ", sides.b)):
        notes += chosen_notes(side, Selection(), title)
    notes += matched_notes(table, sides.a, sides.b, same_kernel=sides.match is Match.EXACT)
    shown = table if to.for_programs else table[[name for name in table if not _is_side(str(name))]]
    show(shown, to, notes, top=top, changed=table["per_host_bytes_delta"] != 0)
    if limit is not None:
        _fail_above(limit, str(fail_above), table, [key.name for key in sides.a.keys])


# Separate columns A and B would make the lines too long to read; csv and json have them.
def _is_side(name: str) -> bool:
    return "_bytes_" in name and not name.endswith("_delta")


def _fail_above(limit: int, asked: str, table: "pd.DataFrame", keys: list[str]) -> None:
    over = table[table["total_bytes_delta"] > limit].sort_values("total_bytes_delta", ascending=False, kind="stable")
    if over.empty:
        return
    named = most_grown(over, keys, map(format_size, over["total_bytes_delta"]))
    fail(f"{counted(len(over), 'row')} grew by more than {asked}: {named}", None, EXIT_THRESHOLD)
