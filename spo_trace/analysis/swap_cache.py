# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages in the swap cache: they are in memory and also hold a swap entry, so that the sum of both counts them twice."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.snapshots.meta import Origin
from spo_trace.snapshots.reader import Snapshot

__all__ = ["SwapCache", "is_swap_cache"]

# 6326fec1122c, 4.10: PageSwapCache is PG_owner_priv_1 of a page with PG_swapbacked. In a page without PG_swapbacked,
# PG_owner_priv_1 has other meanings. Before, PG_swapcache was a flag of its own.
_OWN_FLAG = "swapcache"
_SHARED_FLAGS = frozenset({"owner_priv_1", "swapbacked"})


def is_swap_cache(flag_names: str) -> bool:
    """Return whether a page is in the swap cache, from its page_flag_names.

    >>> is_swap_cache("uptodate|lru|owner_priv_1|swapbacked"), is_swap_cache("uptodate|owner_priv_1")
    (True, False)
    """
    names = set(flag_names.split("|"))
    return _OWN_FLAG in names or names >= _SHARED_FLAGS


class SwapCache:
    """Find the pages of a snapshot that count twice: those in the swap cache whose swap entry is listed, too.

    `columns`: the columns of pages that are needed, none if the snapshot lists no swap entries.
    """

    # All columns that may be needed of a capture; with a trace, which only a running machine has, one more.
    COLUMNS = ("page_flag_names",)
    WITH_TRACE = (*COLUMNS, "ts_nsec")

    def __init__(self, snap: Snapshot) -> None:
        origin = snap.meta.swap_owner.origin
        self.columns: tuple[str, ...] = ()
        self._rows = self._with_flags = 0
        self._listed: pd.Series | None = None
        if origin is None or not snap.count("swap"):
            return
        self.columns = self.COLUMNS
        if origin is Origin.BPF:
            # The probes list no entry that is older than they are. They restore the owners of pages that come back, so
            # that such a page and its entry have the same allocation time.
            self.columns = self.WITH_TRACE
            self._listed = snap.read("swap", ["ts_nsec"])["ts_nsec"].drop_duplicates()

    @property
    def is_unknown(self) -> bool:
        """Return whether none of the rows passed to `pages` has flags, although there are rows."""
        return bool(self._rows) and not self._with_flags

    def pages(self, rows: pd.DataFrame, sizes: pd.Series) -> npt.NDArray[np.int64]:
        """Return the base pages of each row of pages (with `columns`) that count twice; `sizes`: all of each row."""
        if not self.columns:
            return np.zeros(len(rows), "int64")
        return np.where(self.holds(rows), sizes, 0).astype("int64")

    def holds(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return whether each row of pages (with `columns`) counts twice."""
        if not self.columns:
            return np.zeros(len(rows), np.bool_)
        names = rows["page_flag_names"].astype("category")
        cached = names.isin([name for name in names.cat.categories if is_swap_cache(name)])
        self._rows += len(names)
        self._with_flags += int(names.notna().sum())
        if self._listed is not None:
            cached &= rows["ts_nsec"].isin(self._listed)
        return cached.to_numpy(np.bool_)
