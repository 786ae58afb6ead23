# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attribution: who owns how much memory and swap."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from spo_trace.analysis.enriched import record_bytes
from spo_trace.analysis.keys import KEY_TABLE, check_keys, key_of
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.analysis.where import Where
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.reader import Snapshot

__all__ = ["AMOUNTS", "attribute", "counts", "page_columns", "sum_pages", "with_bytes"]

AMOUNTS = ["mem_pages", "swap_pages", "mem_bytes", "swap_bytes", "total_bytes", "share"]

_PAGES = ["mem_pages", "swap_pages"]

# The column by which a table's rows are counted; a swap entry is one page, so any that all have.
_COUNTED = {"pages": "order", "swap": "swap_type"}

Derived = Mapping[str, tuple[str, Callable[[pd.Series], pd.Series]]]


def attribute(snap: Snapshot, by: str | Iterable[str] = "comm", *, where: str | None = None) -> pd.DataFrame:
    """Attribute a snapshot's memory and swap to each combination of the keys `by`, largest total first.

    Columns: the keys, then mem_pages (base pages: the sum of 2**order), swap_pages (swap entries), mem_bytes,
    swap_bytes, total_bytes and share (of the total, 0 to 1). `by`: keys of docs/keys.md; `stack` and `symbols` are
    tuples of frames, innermost first. A key that the kernel does not print for a page or
    for a swap entry is missing there (NA): swap entries have no memcg, memory has no swap type. Where the snapshot
    has no owners of swap (or no page_owner), swap_pages and swap_bytes (mem_pages and mem_bytes) are missing, and
    the total is of what it has. `where` keeps only the rows for which it holds (an expression over columns, as in
    DataFrame.query). Raise UsageError for a key or a condition that can't be.
    """
    keys = check_keys(by)
    condition = Where(where)
    memory = counts(snap, "pages", keys, condition)
    swap = counts(snap, "swap", keys, condition)
    return _largest_first(sum_pages(pd.concat([memory, swap], ignore_index=True), keys), keys, snap)


def page_columns(by: str | Iterable[str], where: str | None = None) -> list[str]:
    """Return the columns of pages that `attribute` reads to answer a question."""
    return Where(where).columns("pages", [*_groups("pages", check_keys(by)), _COUNTED["pages"]])


def counts(
    snap: Snapshot, table: str, keys: list[str], condition: Where, derived: Derived | None = None
) -> pd.DataFrame:
    """Return mem_pages and swap_pages of one table's rows, summed by `keys` and by the columns `derived` from another.

    `derived`: name → (column of both tables, what makes its values into groups).
    """
    derived = derived or {}
    own = _own(table, keys)
    through_stack = [key for key in keys if key_of(key).of_stack]
    group_by = _groups(table, keys)
    needed = [*group_by, _COUNTED[table], *(column for column, _ in derived.values())]
    parts = []
    for frame in snap.frames(table, condition.columns(table, needed)):
        if "bytes" in keys or "bytes" in condition.names:
            frame["bytes"] = record_bytes(frame, snap.page_size)
        rows = condition.keep(frame, table, snap)
        counted = rows[group_by].copy()
        for name, (column, group) in derived.items():
            counted[name] = group(rows[column])
        counted["mem_pages"] = 2 ** rows["order"].astype("int64") if table == "pages" else 0
        counted["swap_pages"] = 0 if table == "pages" else 1
        parts.append(_joinable(sum_pages(counted, [*group_by, *derived])))
    sums = sum_pages(pd.concat(parts, ignore_index=True), [*group_by, *derived]).rename(columns=own)
    if keys or derived:
        # A record has at least one page: without pages, the row is the sum over a table that has none of the keys.
        sums = sums[sums[_PAGES].any(axis=1)]
    for key in through_stack:
        sums[key] = stack_column(snap.stacks, key).take(sums["stack_id"].to_numpy(int)).to_numpy()
    return _typed(sums.reindex(columns=[*keys, *derived, *_PAGES]))


# Column → key, of the keys that are the table's own columns.
def _own(table: str, keys: list[str]) -> dict[str, str]:
    columns = {key: key_of(key).pages if table == "pages" else key_of(key).swap for key in keys}
    return {column: key for key, column in columns.items() if column is not None}


# The columns that tell which rows are summed.
def _groups(table: str, keys: list[str]) -> list[str]:
    through_stack = ["stack_id"] if any(key_of(key).of_stack for key in keys) else []
    return list(dict.fromkeys([*_own(table, keys), *through_stack]))


def sum_pages(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the sums of mem_pages and swap_pages for each combination of the keys; one row without keys."""
    if not keys:
        return rows[_PAGES].sum().to_frame().T
    return rows.groupby(keys, observed=True, dropna=False, sort=False)[_PAGES].sum().reset_index()


# The categories of a part's names are its own; to be joined the names become text.
def _joinable(sums: pd.DataFrame) -> pd.DataFrame:
    return sums.astype({name: "string" for name in sums.columns if isinstance(sums[name].dtype, pd.CategoricalDtype)})


# A key that a table lacks is missing in all of its rows, and has the same type there as in the other table.
def _typed(sums: pd.DataFrame) -> pd.DataFrame:
    return sums.astype({name: KEY_TABLE[name].dtype for name in sums.columns if name in KEY_TABLE})


def with_bytes(sums: pd.DataFrame, keys: list[str], snap: Snapshot) -> pd.DataFrame:
    """Return the keys, mem_pages and swap_pages, and these in bytes, with their total; what is not told is missing."""
    table = sums[keys].copy()
    table[_PAGES] = sums[_PAGES].astype("int64")
    table["mem_bytes"] = table["mem_pages"] * snap.page_size
    table["swap_bytes"] = table["swap_pages"] * snap.page_size
    table["total_bytes"] = table["mem_bytes"] + table["swap_bytes"]
    for name in snap.meta.unknown_amounts:
        table[f"{name}_pages"] = table[f"{name}_bytes"] = unknown_numbers(table)
    return table


def _largest_first(sums: pd.DataFrame, keys: list[str], snap: Snapshot) -> pd.DataFrame:
    table = with_bytes(sums, keys, snap)
    table["share"] = table["total_bytes"] / max(int(table["total_bytes"].sum()), 1)
    # Equal totals stand in the order of their keys, so that the same snapshot always prints the same.
    return table.sort_values(["total_bytes", *keys], ascending=[False, *[True] * len(keys)], ignore_index=True)
