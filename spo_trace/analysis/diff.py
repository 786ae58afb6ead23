# SPDX-License-Identifier: LGPL-2.1-or-later
"""The difference of two snapshots: who grew, by how much, how fast."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.keys import check_keys
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Relation", "diff", "relate", "seconds_between"]

_AMOUNTS = ("mem_bytes", "swap_bytes", "total_bytes")


class Relation(NamedTuple):
    """Tell how two snapshots relate.

    `same_kernel`: None if one of them does not tell its kernel. `seconds` from the first to the second is None unless
    both are of one boot. `swap_known`: the owners of swap are known to both, or to none.
    """

    same_kernel: bool | None
    seconds: float | None
    swap_known: bool


def diff(a: Snapshot, b: Snapshot, by: str | Iterable[str] = "comm", *, where: str | None = None) -> pd.DataFrame:
    """Set the attribution of `b` against that of `a`, largest growth first.

    Columns: the keys, then mem_bytes, swap_bytes and total_bytes each as `_a`, `_b` and `_delta`, then `rate` (of
    the total, bytes per second) if both are of one boot. A key that one of them lacks counts as 0 there. Unless
    both are of one kernel, `stack` is replaced by `symbols`: offsets in functions differ between builds. Where only
    one knows the owners of swap, swap counts as 0 in both: it would seem to come from nowhere.
    """
    keys = check_keys(by)
    relation = relate(a, b)
    if not relation.same_kernel:
        keys = list(dict.fromkeys("symbols" if key == "stack" else key for key in keys))
    left, right = (attribute(snap, keys, where=where)[[*keys, *_AMOUNTS]] for snap in (a, b))
    if not relation.swap_known:
        left, right = (side.assign(swap_bytes=0, total_bytes=side["mem_bytes"]) for side in (left, right))
    joined = _outer_join(left, right, keys)
    table = joined[keys].copy()
    for amount in _AMOUNTS:
        for side in "ab":
            table[f"{amount}_{side}"] = joined[f"{amount}_{side}"].fillna(0).astype("int64")
        table[f"{amount}_delta"] = table[f"{amount}_b"] - table[f"{amount}_a"]
    if relation.seconds:
        table["rate"] = table["total_bytes_delta"] / abs(relation.seconds)
    order = ["total_bytes_delta", "swap_bytes_delta", *keys]
    return table.sort_values(order, ascending=[False, False, *[True] * len(keys)], ignore_index=True)


# pandas matches missing keys with each other, which is what is wanted: "no memcg" is one owner.
def _outer_join(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if not keys:
        return left.add_suffix("_a").join(right.add_suffix("_b"))
    as_objects = dict.fromkeys(keys, object)
    joined = left.astype(as_objects).merge(right.astype(as_objects), on=keys, how="outer", suffixes=("_a", "_b"))
    return joined.assign(**joined[keys].convert_dtypes())


def relate(a: Snapshot, b: Snapshot) -> Relation:
    """Tell whether two snapshots are of one kernel build and one boot, and how far apart."""
    # Two builds of one release have other offsets; uname -v tells them apart.
    kernels = [(snap.meta["kernel_release"], snap.meta["kernel_version"]) for snap in (a, b)]
    same_kernel = kernels[0] == kernels[1] if kernels[0][0] and kernels[1][0] else None
    known = [snap.meta["swap_owner"]["origin"] is not None for snap in (a, b)]
    seconds = seconds_between(a.meta, b.meta) if same_kernel is not False else None
    return Relation(same_kernel, seconds, known[0] == known[1])


def seconds_between(a: dict[str, Any], b: dict[str, Any]) -> float | None:
    """Return the seconds from snapshot.json `a` to `b`, None unless both are of one boot and tell when they are of."""
    return _seconds(a, b) if _same_boot(a, b) else None


# A capture made by hand may have no boot_id. Its oldest allocation (page_owner's own first pages) then tells: no two
# boots reach it in the same nanosecond.
def _same_boot(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if a["boot_id"] and b["boot_id"]:
        return bool(a["boot_id"] == b["boot_id"])
    oldest = [meta["files"].get("page_owner", {}).get("oldest_ts_nsec") for meta in (a, b)]
    return oldest[0] is not None and oldest[0] == oldest[1]


def _seconds(a: dict[str, Any], b: dict[str, Any]) -> float | None:
    uptimes = [meta["uptime_start"] for meta in (a, b)]
    if None not in uptimes:
        return float(uptimes[1] - uptimes[0])
    # The reader itself allocates while it reads: the newest allocation is the time of the capture.
    newest = [meta["files"].get("page_owner", {}).get("newest_ts_nsec") for meta in (a, b)]
    return None if None in newest else (newest[1] - newest[0]) / 1e9
