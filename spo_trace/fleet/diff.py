# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compare a fleet with itself: two kernels, two times, or two groups of hosts."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.notes import Note, NoteCode
from spo_trace.analysis.stack_match import Match
from spo_trace.analysis.where import Condition
from spo_trace.errors import SpoTraceError
from spo_trace.fleet.answers import Source, answer
from spo_trace.fleet.catalog import Catalog
from spo_trace.fleet.choosing import Chosen, choose
from spo_trace.fleet.keys import COMMON_STACK, FleetKey
from spo_trace.fleet.report import AMOUNTS
from spo_trace.fleet.selection import Selection
from spo_trace.fleet.stack_key import comparable_keys, match_of_sides, with_common_stacks
from spo_trace.reporters.format import counted
from spo_trace.schema import KEY_KNOWN

__all__ = ["Sides", "diff_of", "pairing_notes", "sides_of"]


class Sides(NamedTuple):
    """Hold the chosen snapshots of both sides, and how their stacks are matched.

    `left_out`: hosts of one side alone, which a paired answer lacks.
    """

    a: Chosen
    b: Chosen
    match: Match
    left_out: tuple[int, int] = (0, 0)

    @property
    def same_hosts(self) -> bool:
        """Return whether both sides have the same hosts, so that their sums can be compared."""
        return set(self.a.rows["machine"]) == set(self.b.rows["machine"])


def sides_of(
    catalog: Catalog,
    a: Selection,
    b: Selection,
    keys: Sequence[FleetKey],
    condition: Condition,
    *,
    paired: bool,
) -> Sides:
    """Choose the snapshots of both sides, and leave out swap where only one side knows it."""
    first, second = (choose(catalog, side, keys, condition.names) for side in (a, b))
    left_out = (0, 0)
    if paired:
        first, second, left_out = _paired(first, second)
    elif any(side.known("swap") < side.machines for side in (first, second)):
        first, second = first.without_swap(), second.without_swap()
    match = match_of_sides(first, second)
    comparable = comparable_keys(keys, match)
    return Sides(Chosen(first.rows, comparable), Chosen(second.rows, comparable), match, left_out)


def diff_of(source: Source, sides: Sides, condition: Condition) -> pd.DataFrame:
    """Return the difference of the reports on both sides, largest growth of the total per host first.

    Columns: the keys, key_known, hosts_a and hosts_b, then mem_bytes, swap_bytes, swap_cache_bytes and total_bytes each
    as `_a`, `_b` and `_delta`, and per_host_bytes_delta: the change of the total divided by the hosts of each side.
    """
    if COMMON_STACK in sides.a.keys:
        source = with_common_stacks(source, sides.a, sides.b)
    owners = [*(key.name for key in sides.a.keys), KEY_KNOWN]
    a, b = (answer(source, "report", side, condition) for side in (sides.a, sides.b))
    known = {name: not (a[name].isna().all() or b[name].isna().all()) for name in AMOUNTS}
    table = a.merge(b, on=owners, how="outer", suffixes=("_a", "_b"), indicator="side")
    result = table[owners].copy()
    for side, absent in (("a", "right_only"), ("b", "left_only")):
        result[f"hosts_{side}"] = table[f"hosts_{side}"].fillna(0).astype("Int64")
        for name in AMOUNTS:
            amounts = table[f"{name}_{side}"].astype("Int64")
            result[f"{name}_{side}"] = amounts.mask(table["side"] == absent, 0 if known[name] else pd.NA)
    for name in AMOUNTS:
        result[f"{name}_delta"] = result[f"{name}_b"] - result[f"{name}_a"]
    per_host = result["total_bytes_b"] / sides.b.machines - result["total_bytes_a"] / sides.a.machines
    result["per_host_bytes_delta"] = per_host.round().astype("Int64")
    columns = [f"{name}_{side}" for name in AMOUNTS for side in ("a", "b", "delta")]
    result = result[[*owners, "hosts_a", "hosts_b", *columns, "per_host_bytes_delta"]]
    order = ["per_host_bytes_delta", *owners]
    return result.sort_values(order, ascending=[False, *[True] * len(owners)], ignore_index=True)


def pairing_notes(sides: Sides) -> list[Note]:
    """Return a note on hosts that only one side has."""
    if any(sides.left_out):
        a, b = (counted(number, "host") for number in sides.left_out)
        return [Note(NoteCode.HOSTS_DIFFER, f"left out: {a} of A alone, {b} of B alone")]
    if not sides.same_hosts:
        text = (
            f"A has {counted(sides.a.machines, 'host')}, B has {counted(sides.b.machines, 'host')}, not the same ones: "
            "compare the change per host"
        )
        return [Note(NoteCode.HOSTS_DIFFER, text)]
    return []


def _paired(a: Chosen, b: Chosen) -> tuple[Chosen, Chosen, tuple[int, int]]:
    machines = set(a.rows["machine"]), set(b.rows["machine"])
    both = machines[0] & machines[1]
    if not both:
        raise SpoTraceError("no host has snapshots on both sides", hint="compare all hosts, not each with itself")
    a, b = a.of_machines(both), b.of_machines(both)
    unknown = a.unknown_swap() | b.unknown_swap()
    return a.without_swap(unknown), b.without_swap(unknown), (len(machines[0] - both), len(machines[1] - both))
