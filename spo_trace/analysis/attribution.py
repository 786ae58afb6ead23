# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attribution: who owns how much memory and swap."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from spo_trace.analysis.computed import with_computed
from spo_trace.analysis.counted_apart import apart_amounts, is_counted_apart
from spo_trace.analysis.group_sums import GroupSums
from spo_trace.analysis.keys import SITE, Absent, key_of, owner_columns
from spo_trace.analysis.known_keys import AMOUNT_OF, evidence, keys_known, unknown_amounts, unknown_keys
from spo_trace.analysis.order import Orders, sort_rows
from spo_trace.analysis.places import Places
from spo_trace.analysis.question import Question
from spo_trace.analysis.row_pages import base_pages_of, size_columns
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.analysis.swap_cache import SwapCache
from spo_trace.errors import Call, SpoTraceError, UsageError
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.reader import Snapshot

__all__ = ["AMOUNTS", "ORDERS", "PARTS", "attribute", "page_sums", "record_columns", "total_bytes", "with_bytes"]

# The parts of the total. Pages of the swap cache are in memory and in swap: they are subtracted.
PARTS = ("mem", "swap", "swap_cache")
_PAGES = [f"{name}_pages" for name in PARTS]

AMOUNTS = [*_PAGES, *(f"{name}_bytes" for name in PARTS), "total_bytes", "share"]

# What `attribute` can sort by.
ORDERS = Orders({name.removesuffix("_bytes"): name for name in ("total_bytes", "mem_bytes", "swap_bytes", *AMOUNTS)})

# The columns from which a table's pages are counted. A swap entry is one page, so any column without nulls works.
_COUNTED = {"pages": ["order", *SwapCache.COLUMNS], "swap": ["swap_type"]}

Derived = Mapping[str, tuple[str, Callable[[pd.Series], pd.Series]]]


def attribute(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Attribute a snapshot's memory and swap to each combination of the question's keys, largest total first.

    Columns: the keys and key_known, then mem_pages (base pages: the sum of 2**order), swap_pages (swap entries),
    swap_cache_pages (pages in memory that also hold a swap entry: the swap cache), the same three in bytes, total_bytes
    (memory + swap − swap cache) and share (of the total, 0 to 1). `stack` and `symbols` are tuples of frames, innermost
    first.

    A missing key (NA) is unknown if key_known is false: swap entries have no memcg, and all swap by memcg is one such
    row. In the other rows, swap is missing: each may have a part of it. If key_known is true, it is known that there is
    none: the page is not charged, memory has no swap type. Without keys, there is no key_known.

    If the snapshot has no owners of swap, or the condition uses a key that swap entries lack, the amounts of swap and
    of the swap cache are missing and the total is that of memory; the same holds for memory. By `site`, only bytes of
    memory are known (/proc/allocinfo), and a column `calls` follows the total. By `slab_cache` (/proc/slabinfo), the
    columns active_objects, objects and object_bytes follow it. If the kernel prints no
    page flags, the swap cache is missing and counts twice in the total. Only rows that match the question's condition
    are counted.

    By a place (pageblock, memory_block, pfn_range_SIZE), an allocation that spans several is split: each has the pages
    in it. The same holds for a condition on a place.
    """
    keys = question.keys
    if is_counted_apart(keys):
        table = _ranked(apart_amounts(snap, keys), keys)
    else:
        table = _ranked(with_bytes(page_sums(snap, question), owner_columns(keys), snap), keys)
    return table if question.sort in (None, "total_bytes") else sort_rows(table, question.sort, keys)


def record_columns(question: Question, table: str) -> list[str]:
    """Return the columns of `table` (`pages` or `swap`) that `attribute` reads to answer a question."""
    if is_counted_apart(question.keys):
        return _COUNTED[table]
    shown = evidence(table, [*question.keys, *question.condition.names])
    return question.condition.columns(table, [*_groups(table, question.keys), *_COUNTED[table], *shown])


def page_sums(snap: Snapshot, question: Question, derived: Derived | None = None) -> pd.DataFrame:
    """Return mem_pages, swap_pages and swap_cache_pages, summed by the question's keys and the `derived` columns.

    The keys are followed by key_known. Unknown amounts are missing. `derived`: name → (column of both tables, function
    that maps its values to groups).
    """
    if is_counted_apart(question.keys):
        key = question.keys[0]
        raise UsageError(f"memory by {key} has no such analysis", hint=f"{key} is a key of report, diff and trend")
    derived = derived or {}
    owners = [*owner_columns(question.keys), *derived]
    unknown = unknown_amounts(snap, question.condition)
    known = {name: table for table, name in AMOUNT_OF.items() if name not in unknown}
    if not known:
        raise SpoTraceError(
            f"{snap.path.name} has no owners of memory or swap, only what the kernel counts by site",
            hint=("show that: ", Call("attribute", snap="SNAPSHOT", by=SITE)),
        )
    cache = SwapCache(snap)
    parts = [_sums_of(snap, table, question, derived, cache) for table in known.values()]
    sums = _summed(parts, owners, through_stack=_through_stack(question.keys))
    for name in AMOUNT_OF.values():
        pages = sums[f"{name}_pages"]
        counts_all = snap.meta.aggregate is None or name != "mem"
        if counts_all and name in known and not (pages.any() and unknown_keys(snap, known[name], question.keys)):
            sums[f"{name}_pages"] = pages.fillna(0)
    both = len(known) == len(AMOUNT_OF) and not cache.is_unknown
    cached = sums["swap_cache_pages"].fillna(0).where(sums["mem_pages"].notna())
    sums["swap_cache_pages"] = cached if both else unknown_numbers(sums)
    # Without rows, only the type tells a known amount (0) from an unknown one.
    amounts = [f"{name}_pages" for name in (*known, *(("swap_cache",) if both else ()))]
    return sums.astype({name: "int64" for name in amounts if sums[name].notna().all()})


def _sums_of(snap: Snapshot, table: str, question: Question, derived: Derived, cache: SwapCache) -> pd.DataFrame:
    keys, condition = question.keys, question.condition
    through_stack = _through_stack(keys)
    group_by = _groups(table, keys)
    needed = [*group_by, *(column for column, _ in derived.values())]
    places = Places(snap, [*keys, *condition.names] if table == "pages" else [])
    needed += [*size_columns(snap), *places.columns, *cache.columns] if table == "pages" else _COUNTED["swap"]
    summed = GroupSums([*group_by, *derived], _PAGES)
    for found in snap.dataframes(table, condition.columns(table, needed)):
        batch = with_computed(found, table, {*keys, *condition.names}, snap)
        rows = condition.keep(places.split(batch), table, snap)
        groups = rows[group_by].assign(**{name: group(rows[column]) for name, (column, group) in derived.items()})
        if table == "pages":
            sizes = base_pages_of(rows, snap)
            summed.add(groups, {"mem_pages": sizes, "swap_cache_pages": cache.pages(rows, sizes)})
        else:
            summed.add(groups, {"swap_pages": np.ones(len(rows), "int64")})
    sums = summed.table().rename(columns=_own(table, keys))
    if keys or derived:
        # If the table has none of the keys, its sum is one row. Leave that out if no record matches.
        sums = sums[sums[_PAGES].notna().any(axis=1)]
    for key in through_stack:
        sums[key] = stack_column(snap.stacks, key).take(sums["stack_id"].to_numpy(int)).to_numpy()
    return _with_known(snap, table, sums, keys)[[*owner_columns(keys), *derived, *_PAGES]]


# A key that a table lacks is missing in all of its rows, with the same type as in the other table.
def _with_known(snap: Snapshot, table: str, sums: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    unknown = unknown_keys(snap, table, keys)
    for key in keys:
        if key in unknown:
            sums[key] = None
        elif key_of(key).column(table) is None and not key_of(key).of_stack:
            sums[key] = False if key_of(key).absent_in(table) is Absent.FALSE else None
    typed = sums.astype({key: key_of(key).dtype for key in keys})
    return typed.assign(**{KEY_KNOWN: keys_known(typed, table, keys, unknown)})


# Column → key, for the keys that are columns of the table.
def _own(table: str, keys: list[str]) -> dict[str, str]:
    return {column: key for key in keys if (column := key_of(key).column(table)) is not None}


# The columns to group by: those of the keys, and stack_id for keys of the stack.
def _groups(table: str, keys: list[str]) -> list[str]:
    of_stack = ["stack_id"] if _through_stack(keys) else []
    return list(dict.fromkeys([*_own(table, keys), *of_stack]))


# The keys that are properties of a record's stack.
def _through_stack(keys: list[str]) -> list[str]:
    return [key for key in keys if key_of(key).of_stack]


# Only keys of the stack have the same value in several rows of one table.
def _summed(parts: list[pd.DataFrame], owners: list[str], *, through_stack: list[str]) -> pd.DataFrame:
    with_rows = [part for part in parts if len(part)]
    if len(with_rows) == 1 and not through_stack:
        return with_rows[0].reset_index(drop=True)
    summed = GroupSums(owners, _PAGES)
    for part in parts:
        summed.add(part, {name: part[name] for name in _PAGES})
    return summed.table()


def with_bytes(sums: pd.DataFrame, keys: list[str], snap: Snapshot) -> pd.DataFrame:
    """Return the keys and the sums of `page_sums`, also in bytes, and their total; unknown amounts are missing."""
    table = sums[[*keys, *_PAGES]].copy()
    for name in PARTS:
        table[f"{name}_bytes"] = table[f"{name}_pages"] * snap.page_size
    table["total_bytes"] = total_bytes(table)
    return table


def total_bytes(table: pd.DataFrame, suffix: str = "") -> pd.Series:
    """Return memory + swap − swap cache of each row, without unknown amounts; `suffix`: of the columns of a side."""
    mem, swap, cached = (table[f"{name}_bytes{suffix}"].fillna(0).astype("int64") for name in PARTS)
    return mem + swap - cached


def _ranked(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    owners = owner_columns(keys)
    table["share"] = table["total_bytes"] / max(int(table["total_bytes"].sum()), 1)
    # Equal totals are sorted by their keys, so that the output is reproducible.
    return table.sort_values(["total_bytes", *owners], ascending=[False, *[True] * len(owners)], ignore_index=True)
