# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of memory that the kernel itself counts, apart from pages and swap: `site` and `slab_cache`."""

from collections.abc import Mapping, Sequence

import pandas as pd

from spo_trace.analysis.keys import COUNTED_APART, SITE
from spo_trace.analysis.notes import Note
from spo_trace.analysis.sites import site_amounts, site_notes
from spo_trace.analysis.slab_caches import cache_amounts, cache_notes
from spo_trace.errors import Argument, UsageError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["amounts_apart", "apart_amounts", "apart_notes", "check_no_condition", "is_counted_apart"]


def is_counted_apart(keys: Sequence[str]) -> bool:
    """Return whether a question is about what the kernel counts apart from pages."""
    return len(keys) == 1 and keys[0] in COUNTED_APART


def check_no_condition(keys: Sequence[str], where: str | None) -> None:
    """Raise UsageError if memory that is counted apart is asked for with a condition."""
    if is_counted_apart(keys) and where is not None:
        raise UsageError(
            (Argument("where", where), f": conditions select pages and swap; the kernel counts by {keys[0]} apart"),
            hint=("leave it out, or use another key than ", Argument("by", keys[0])),
        )


def apart_amounts(snap: Snapshot, keys: Sequence[str]) -> pd.DataFrame:
    """Return the amounts of `attribute`, without their share, by a key that is counted apart."""
    return site_amounts(snap) if keys[0] == SITE else cache_amounts(snap)


def amounts_apart(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the known ones of `mem`, `swap` and `swap_cache`: slab is never in swap."""
    return ("mem",) if keys[0] == SITE else ("mem", "swap", "swap_cache")


def apart_notes(snap: Snapshot, keys: Sequence[str], total: Mapping[str, int | None]) -> list[Note]:
    """Return notes on how to read these amounts; `total`: the sums of the table, from `analysis.totals`."""
    return site_notes(snap, total) if keys[0] == SITE else cache_notes(snap, total)
