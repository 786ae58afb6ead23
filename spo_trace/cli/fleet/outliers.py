# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace fleet outliers."""

from typing import Annotated

from spo_trace.cli.errors import guarded
from spo_trace.cli.fleet.options import At, Engine, FleetBy, FleetRoot, Master, Only, Strict, Window, opened_fleet
from spo_trace.cli.option_groups import DocumentOptions, grouped
from spo_trace.cli.options import Top, Where, condition_of, keys_of, option
from spo_trace.cli.tables import show

__all__ = ["command"]

Within = Annotated[
    str | None,
    option("--within", shows="KEY", help="Compare the hosts that have the same label.NAME, kernel or arch."),
]
Fold = Annotated[
    str | None,
    option(
        "--fold",
        shows="REGEX",
        help="What REGEX matches in comm and memcg becomes *, so that names of containers and pods are one owner.",
    ),
]


@guarded
@grouped
def command(
    root: FleetRoot,
    by: FleetBy = None,
    within: Within = None,
    fold: Fold = None,
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
    """Show the hosts that differ from the others.

    \b
        spo-trace fleet outliers fleet --by caller --within label.role
        spo-trace fleet outliers fleet --by memcg --within label.role --fold '[0-9a-f]{8,}'
        spo-trace fleet outliers fleet --by module

    With --within, the amount of each owner is compared with the median of the hosts of the same kind: it must be more
    than 7.4 times the median absolute deviation above it (5 standard deviations of a normal distribution). Without it,
    what fewer than 5 % of the hosts have is shown. In both cases, it must be 1 % of the host's memory and swap.
    """
    to = document.target()
    from spo_trace.fleet.fleet import DEFAULT_KEY, fleet_question
    from spo_trace.fleet.notes import chosen_notes
    from spo_trace.fleet.outliers import check_fold, check_outlier_keys
    from spo_trace.fleet.selection import Selection

    selection = Selection.of(at, window, only or ())
    keys, condition = keys_of(by) or [DEFAULT_KEY], condition_of(where)
    check_outlier_keys(fleet_question(keys, condition)[0], within)
    check_fold(fold)
    fleet = opened_fleet(root, engine, master, strict=strict)
    chosen, _ = fleet.chosen(keys, condition, selection)
    table = fleet.outliers(keys, within=within, fold=fold, where=condition, at=at, window=window, only=only or ())
    show(table, to, chosen_notes(chosen, selection), top=top)
