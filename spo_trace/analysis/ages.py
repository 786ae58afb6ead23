# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ages of allocations: leaked memory is old, a burst is young."""

import pandas as pd

from spo_trace.analysis.attribution import page_sums, with_bytes
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.question import Question
from spo_trace.limits import MAX_INT64
from spo_trace.snapshots.reader import Snapshot

__all__ = ["AGES", "ages"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

# Lower bound of each age class in seconds; the last class has no upper bound.
AGES = (
    *(0, 1, 2, 5, 10, 20, 30),
    *(number * _MINUTE for number in (1, 2, 5, 10, 20, 30)),
    *(number * _HOUR for number in (1, 2, 4, 8, 16)),
    *(number * _DAY for number in (1, 2, 4, 7, 14, 30, 90)),
)


def ages(snap: Snapshot, question: Question) -> pd.DataFrame:
    """Attribute memory and swap to the keys and to age classes, largest owner first, then youngest class first.

    Columns: the keys and key_known, age_from and age_to (seconds; age_to is NA in the last class, both are NA where the
    kernel printed no ts), mem_pages, swap_pages, swap_cache_pages, mem_bytes, swap_bytes, swap_cache_bytes and
    total_bytes (missing where unknown, as in `attribute`). An age is the time from ts_nsec to the start of the snapshot
    (/proc/uptime, else the newest allocation, which is the reader's own). Later allocations have age 0. For memory that
    was swapped in without its owner, the age counts from the swap-in.
    """
    owners, now = owner_columns(question.keys), _now(snap)
    derived = {"age": ("ts_nsec", lambda ts_nsec: _classes(ts_nsec, now))}
    table = with_bytes(page_sums(snap, question, derived), [*owners, "age"], snap)
    table["of_keys"] = table.groupby(owners, dropna=False)["total_bytes"].transform("sum") if owners else 0
    table = table.sort_values(
        ["of_keys", *owners, "age"], ascending=[False, *[True] * (len(owners) + 1)], ignore_index=True
    )
    classes = table.pop("age").astype("Int64")
    table.insert(len(owners), "age_from", classes.map(dict(enumerate(AGES))).astype("Int64"))
    table.insert(len(owners) + 1, "age_to", classes.map(dict(enumerate(AGES[1:]))).astype("Int64"))
    return table.drop(columns="of_keys")


# Start of the snapshot in ns since boot.
def _now(snap: Snapshot) -> int:
    if snap.meta.machine.uptime_start is not None:
        return int(snap.meta.machine.uptime_start * 1e9)
    return max((counts.newest_ts_nsec or 0 for counts in snap.meta.files.values()), default=0)


def _classes(ts_nsec: pd.Series, now: int) -> pd.Series:
    seconds = (min(now, MAX_INT64) - ts_nsec.astype("Int64")).clip(lower=0) // 1_000_000_000
    numbers = pd.cut(seconds.astype("float64"), [*AGES, float("inf")], right=False, labels=False)
    return numbers.astype("Int64")
