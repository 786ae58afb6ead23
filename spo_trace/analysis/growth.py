# SPDX-License-Identifier: LGPL-2.1-or-later
"""Growth: what each owner has now, and its change since the previous and since the first sample."""

import numpy as np
import pandas as pd

from spo_trace.analysis.attribution import PARTS
from spo_trace.analysis.history import history
from spo_trace.analysis.keys import owner_columns
from spo_trace.analysis.order import Orders

__all__ = ["ORDERS", "growth"]

# What the rows of `growth` can be sorted by.
ORDERS = Orders(
    {
        **{name: f"{name}_delta" for name in ("growth", "interval")},
        **{name: f"{name}_bytes" for name in ("total", "mem", "swap")},
    },
    by_key=False,
)

_PARTS = [f"{name}_bytes" for name in PARTS]


def growth(series: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Compare the last sample with the previous and with the first one, largest growth since the first one first.

    `series`: samples in long form, with the columns sample, seconds, the keys, key_known, mem_bytes, swap_bytes,
    swap_cache_bytes and total_bytes. Columns of the result: the keys, key_known, the same amounts (missing where
    unknown), interval_delta, growth_delta, rate (bytes per second since the first sample; missing at the first one) and
    past (total_bytes of each sample, oldest first). Owners that no longer have anything are kept, with 0.
    """
    columns = owner_columns(keys)
    owners, seconds, amounts, known = history(series, columns, [*_PARTS, "total_bytes"])
    table, totals = owners.copy(), amounts["total_bytes"]
    for name in _PARTS:
        table[name] = pd.Series(amounts[name][:, -1], dtype="Int64").where(known[name])
    table["total_bytes"] = totals[:, -1].astype("int64")
    table["interval_delta"] = (totals[:, -1] - totals[:, max(totals.shape[1] - 2, 0)]).astype("int64")
    table["growth_delta"] = (totals[:, -1] - totals[:, 0]).astype("int64")
    passed = seconds[-1] - seconds[0]
    table["rate"] = table["growth_delta"] / passed if passed else np.nan
    table["past"] = totals.tolist()
    order = ["growth_delta", "total_bytes", *columns]
    return table.sort_values(order, ascending=[False, False, *[True] * len(columns)], ignore_index=True)
