# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who owns memory and swap on all hosts of a fleet: one value of each host, then their sums."""

import pandas as pd

from spo_trace.analysis.where import Condition
from spo_trace.fleet.answers import Source, answer
from spo_trace.fleet.choosing import Chosen
from spo_trace.schema import KEY_KNOWN

__all__ = ["AMOUNTS", "report_of", "sorted_by_total"]

AMOUNTS = ["mem_bytes", "swap_bytes", "swap_cache_bytes", "total_bytes"]


def report_of(source: Source, chosen: Chosen, condition: Condition) -> pd.DataFrame:
    """Return the report on the chosen snapshots: keys, key_known, hosts, `AMOUNTS`, share; largest total first."""
    table = sorted_by_total(answer(source, "report", chosen, condition), [key.name for key in chosen.keys])
    table["share"] = table["total_bytes"] / max(int(table["total_bytes"].sum()), 1)
    return table


def sorted_by_total(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return rows with the largest total first; equal totals by their keys, so that the order is reproducible."""
    ascending = [False, *[True] * len(keys), True]
    return table.sort_values(["total_bytes", *keys, KEY_KNOWN], ascending=ascending, ignore_index=True)
