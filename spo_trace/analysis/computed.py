# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys that are computed for each row from columns of its table: memcg, bytes, reclaimable."""

from collections.abc import Collection, Iterable

import pandas as pd

from spo_trace.analysis.memcg_names import with_memcg_columns, with_paths
from spo_trace.analysis.reclaimable import RECLAIMABLE, RECLAIMABLE_COLUMNS, reclaimable
from spo_trace.analysis.stack_join import record_bytes
from spo_trace.snapshots.reader import Snapshot

__all__ = ["source_columns", "with_computed"]


def source_columns(table: str, names: Iterable[str]) -> set[str]:
    """Return the columns `names` of `table`, and those from which computed ones among them are made."""
    found = with_memcg_columns(table, names)
    return found.union(RECLAIMABLE_COLUMNS) if table == "pages" and RECLAIMABLE in found else found


def with_computed(rows: pd.DataFrame, table: str, names: Collection[str], snap: Snapshot) -> pd.DataFrame:
    """Return rows of `table` with the computed ones of the keys `names`."""
    found = with_paths(rows)
    if "bytes" in names:
        found = found.assign(bytes=record_bytes(found, table, snap))
    if table == "pages" and RECLAIMABLE in names:
        found = found.assign(**{RECLAIMABLE: reclaimable(found, snap)})
    return found
