# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet report."""

from spo_trace.cli.errors import guarded
from spo_trace.cli.fleet.options import At, Engine, FleetBy, FleetRoot, Master, Only, Strict, Window, opened_fleet
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import Top, Where, condition_of, keys_of
from spo_trace.cli.tables import no_match_notes, show

__all__ = ["command"]


@guarded
@grouped
def command(
    root: FleetRoot,
    by: FleetBy = None,
    where: Where = None,
    at: At = "latest",
    window: Window = None,
    only: Only = None,
    top: Top = None,
    document: DocumentOptions = DocumentOptions(),  # noqa: B008  # frozen
    engine: Engine = "duckdb",
    master: Master = None,
    strict: Strict = False,
) -> None:
    """Show who owns memory and swap on all hosts of a fleet.

    \b
        spo-trace fleet report fleet --by caller --top 10
        spo-trace fleet report fleet --by host --where 'category == "slab"'
        spo-trace fleet report fleet --by label.role,module --window 1d
        spo-trace fleet report fleet --by memcg --only kernel=6.12* --format csv

    Memory is a stock, not a flow: each host counts once, with its last snapshot or the mean of a window. Then the
    amounts of all hosts are added.
    """
    to = document.target()
    from spo_trace.fleet.fleet import DEFAULT_KEY, fleet_question
    from spo_trace.fleet.notes import chosen_notes
    from spo_trace.fleet.selection import Selection

    selection = Selection.of(at, window, only or ())
    keys, condition = keys_of(by) or [DEFAULT_KEY], condition_of(where)
    fleet_question(keys, condition)
    fleet = opened_fleet(root, engine, master, strict=strict)
    chosen, parsed = fleet.chosen(keys, condition, selection)
    table = fleet.report(keys, where=condition, at=at, window=window, only=only or ())
    notes = [*no_match_notes(parsed, found=len(table) > 0), *chosen_notes(chosen, selection)]
    show(table, to, notes, top=top)
