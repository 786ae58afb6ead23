# SPDX-License-Identifier: LGPL-2.1-or-later
"""Choose the snapshots that an answer counts, and what each of them can tell."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

from spo_trace.errors import SpoTraceError
from spo_trace.fleet.catalog import Catalog
from spo_trace.fleet.keys import FleetKey, Home
from spo_trace.fleet.selection import FIELDS, LABEL, Selection

__all__ = ["Chosen", "choose", "machines_of", "value_of"]

# Which of the chosen snapshots of a machine count in its mean, and whether all of them have the keys asked for.
_COUNTS = ("mem", "swap", "cache")


@dataclass(frozen=True)
class Chosen:
    """Hold the chosen snapshots: `rows`, indexed like the catalog, with the columns that `table` passes on."""

    rows: pd.DataFrame
    keys: Sequence[FleetKey]

    @property
    def machines(self) -> int:
        """Return the number of hosts."""
        return int(self.rows["machine"].nunique())

    @property
    def page_size(self) -> int:
        """Return the size of the smallest base page of all hosts."""
        return int(self.rows["page_size"].min())

    def known(self, amount: str) -> int:
        """Return on how many hosts `mem` or `swap` is known."""
        return int(self.rows[self.rows[f"{amount}_counts"]]["machine"].nunique())

    def unknown_swap(self) -> set[int]:
        """Return the machines whose owners of swap are unknown in all chosen snapshots."""
        return set(self.rows[self.rows["swap_number"] == 0]["machine"])

    def of_machines(self, machines: Collection[int]) -> "Chosen":
        """Return the snapshots of these machines."""
        return Chosen(self.rows[self.rows["machine"].isin(machines)], self.keys)

    def without_swap(self, machines: Collection[int] | None = None) -> "Chosen":
        """Return the same snapshots with unknown swap on these machines, by default on all."""
        rows = self.rows.copy()
        left_out = rows["machine"].isin(rows["machine"] if machines is None else machines)
        for name in ("swap", "cache"):
            rows[f"{name}_counts"] &= ~left_out
            rows[f"{name}_number"] = rows[f"{name}_number"].mask(left_out, 0)
        rows["swap_by_key"] |= left_out
        return Chosen(rows, self.keys)

    def table(self) -> pa.Table:
        """Return the table `chosen` of the SQL files; the keys of hosts are the columns `key_NUMBER`."""
        columns: dict[str, pa.Array] = {
            "snapshot": pa.array(self.rows["id"], pa.string()),
            "machine": pa.array(self.rows["machine"], pa.int64()),
            "page_size": pa.array(self.rows["page_size"], pa.int64()),
        }
        for name in _COUNTS:
            columns[f"{name}_counts"] = pa.array(self.rows[f"{name}_counts"], pa.bool_())
            columns[f"{name}_number"] = pa.array(self.rows[f"{name}_number"], pa.int64())
        for name in ("mem", "swap"):
            columns[f"{name}_by_key"] = pa.array(self.rows[f"{name}_by_key"], pa.bool_())
        for place, key in enumerate(self.keys):
            if key.home is Home.CHOSEN:
                columns[f"key_{place}"] = pa.array(value_of(self.rows, key.name), pa.string(), from_pandas=True)
        return pa.table(columns)


def choose(
    catalog: Catalog, selection: Selection, keys: Sequence[FleetKey], conditions: Collection[str] = ()
) -> Chosen:
    """Return one or, with a window, several snapshots of each host; raise SpoTraceError if there are none.

    `conditions`: the keys of a condition. Where no record of a snapshot has such a key, the amount is unknown.
    """
    rows = machines_of(catalog.rows)
    for match in selection.only:
        rows = rows[[match.holds(value) for value in value_of(rows, match.field)]]
    rows = _in_time(rows, selection)
    if rows.empty:
        raise SpoTraceError("the fleet has no snapshots that match", hint=_hint(catalog, selection))
    return Chosen(_with_counts(rows, {key.name for key in keys}, set(conditions)), keys)


def machines_of(catalog: pa.Table) -> pd.DataFrame:
    """Return the catalog with `time` and `machine`, a number: a host, else a boot, else the snapshot alone."""
    rows: pd.DataFrame = catalog.to_pandas(types_mapper={pa.string(): pd.StringDtype("python")}.get)
    rows["time"] = rows["taken_at"].fillna(rows["received_at"])
    names = [
        ("host", host) if pd.notna(host) else ("boot", boot) if pd.notna(boot) else ("id", id)
        for host, boot, id in zip(rows["host"], rows["boot_id"], rows["id"], strict=True)
    ]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    rows["machine"] = [numbers[name] for name in names]
    return rows


def value_of(rows: pd.DataFrame, name: str) -> list[str | None]:
    """Return the key `name` of hosts for each row of the catalog."""
    if name in FIELDS:
        return [None if pd.isna(value) else str(value) for value in rows[name]]
    label = name.removeprefix(LABEL)
    return [dict(labels).get(label) for labels in rows["labels"]]


def _in_time(rows: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    end = selection.at
    if selection.window is not None and not rows.empty:
        # A clock that is ahead must not move the window away from all other hosts.
        end = end or min(rows["time"].max().to_pydatetime(), datetime.now(UTC))
        rows = rows[rows["time"] > end - selection.window]
    if end is not None:
        rows = rows[rows["time"] <= end]
    # Of equal times, the same one is chosen each time.
    rows = rows.sort_values(["time", "id"], kind="stable")
    return rows if selection.window is not None else rows.groupby("machine", sort=False).tail(1)


def _with_counts(rows: pd.DataFrame, keys: set[str], conditions: set[str]) -> pd.DataFrame:
    rows = rows.copy()
    for amount, column in (("mem", "unknown_in_pages"), ("swap", "unknown_in_swap")):
        counts = rows[f"{amount}_known"] & rows[column].map(conditions.isdisjoint).astype(bool)
        rows[f"{amount}_counts"] = counts
        # A key that no record of the snapshot has: the amounts of all other owners are unknown.
        rows[f"{amount}_by_key"] = rows[column].map(keys.isdisjoint).astype(bool) | ~counts
    rows["cache_counts"] = rows["mem_counts"] & rows["swap_counts"] & rows["swap_cache_known"]
    of_machine = rows.groupby("machine")
    for name in _COUNTS:
        rows[f"{name}_number"] = of_machine[f"{name}_counts"].transform("sum").astype("int64")
    for name in ("mem", "swap"):
        rows[f"{name}_by_key"] = of_machine[f"{name}_by_key"].transform("all")
    return rows


def _hint(catalog: Catalog, selection: Selection) -> str:
    if not catalog.rows.num_rows:
        return "add some with: spo-trace fleet add ROOT SNAPSHOT"
    if selection.only:
        field = selection.only[-1].field
        found = sorted({value for value in value_of(machines_of(catalog.rows), field) if value is not None})
        return f"{field} is one of {', '.join(found[:5])}" if found else f"no snapshot has {field}"
    return "choose a later time"
