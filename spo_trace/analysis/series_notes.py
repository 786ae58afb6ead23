# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on a series of samples: keys that memory or swap lacks."""

from collections.abc import Iterator, Sequence

import pandas as pd

from spo_trace.analysis.known_keys import AMOUNT_OF
from spo_trace.analysis.notes import Note
from spo_trace.analysis.snapshot_notes import key_unknown_note
from spo_trace.schema import KEY_KNOWN

__all__ = ["series_notes"]


def series_notes(series: pd.DataFrame, keys: Sequence[str]) -> Iterator[Note]:
    """Yield notes on keys that are unknown for all memory or all swap of a series (keys, key_known and amounts)."""
    if not keys:
        return
    known = series[KEY_KNOWN].astype(bool)
    for table, amount in AMOUNT_OF.items():
        pages = series[f"{amount}_bytes"]
        rows = series[~known & pages.fillna(0).astype(bool)]
        # In the other rows, the amount is missing if the key is unknown for all of it, and not for single records.
        if len(rows) and pages[known].isna().any() and (lacking := [key for key in keys if rows[key].isna().all()]):
            yield key_unknown_note(table, lacking)
