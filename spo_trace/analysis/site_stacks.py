# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sites in place of owners, for a report on an input that has only the kernel's own counts (/proc/allocinfo)."""

from collections.abc import Sequence

import pandas as pd

from spo_trace.analysis.attribution import PARTS, total_bytes
from spo_trace.analysis.counted_apart import amounts_apart
from spo_trace.analysis.diff import compared
from spo_trace.analysis.keys import SITE
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.dataframes import unknown_numbers
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.meaning import meaning

__all__ = ["site_owners", "site_stacks", "site_stacks_diff"]

_KEYS = ["stack", "category", "caller", "callsite", "module", "comm", KEY_KNOWN]
_AMOUNTS = [f"{name}_bytes" for name in PARTS]


def site_stacks(snap: Snapshot) -> pd.DataFrame:
    """Return the memory of each site by its place in the source, as if that were a stack.

    The frames are the function, its file and line, and the directories. The columns are those of an attribution by
    stack, category, caller, callsite, module and comm: of these, category and comm are unknown.
    """
    sites = snap.read("sites")
    module = sites["module"].fillna("vmlinux").astype("string")
    table = pd.DataFrame(
        {
            "stack": [_frames(*row) for row in zip(sites["file"], sites["line"], sites["function"], strict=True)],
            "category": meaning(()).category,
            "caller": sites["function"].astype("string"),
            "callsite": sites["function"].astype("string") + (" [" + module + "]").where(module != "vmlinux", ""),
            "module": module,
            # The counters of processors are read one after the other: for a moment, a sum can be negative.
            "mem_bytes": sites["bytes"].clip(lower=0),
        }
    )
    return _as_attribution(table[table["mem_bytes"] > 0], ["comm"])


def site_stacks_diff(a: Snapshot, b: Snapshot) -> pd.DataFrame:
    """Return the difference of `site_stacks` of two snapshots, with the amounts of `diff`."""
    # A line of source can have several sites.
    left, right = (
        site_stacks(snap).groupby(_KEYS, dropna=False, sort=False, as_index=False)[_AMOUNTS].sum(min_count=1)
        for snap in (a, b)
    )
    return compared(left, right, _KEYS, amounts_apart([SITE]))


def site_owners(stacks: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return all memory of `site_stacks` as one row, of which the `keys` are unknown."""
    return _as_attribution(pd.DataFrame({"mem_bytes": [stacks["mem_bytes"].sum()]}), keys)


def _as_attribution(table: pd.DataFrame, unknown: Sequence[str]) -> pd.DataFrame:
    amounts = dict.fromkeys(_AMOUNTS[1:], unknown_numbers(table))
    found = table.assign(**dict.fromkeys(unknown), **{KEY_KNOWN: False}, **amounts)
    found["total_bytes"] = total_bytes(found)
    return found.sort_values("total_bytes", ascending=False, kind="stable", ignore_index=True)


def _frames(file: str, line: int, function: str) -> tuple[str, ...]:
    *directories, name = file.split("/")
    return (function, f"{name}:{line}", *(f"{directory}/" for directory in reversed(directories)))
