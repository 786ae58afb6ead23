# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key `reclaimable`: what the kernel must do to get pages back, from their flags and their stack."""

from collections.abc import Mapping

import pandas as pd

from spo_trace.snapshots.reader import Snapshot

__all__ = ["RECLAIMABLE", "RECLAIMABLE_COLUMNS", "reclaimable", "reclaimable_of"]

RECLAIMABLE = "reclaimable"

# The columns of pages that the key is made of.
RECLAIMABLE_COLUMNS = ("page_flags", "page_flag_names", "migratetype", "stack_id")

# What the flags do not tell: PG_swapbacked is set on both, and no flag says that a page is anonymous.
_SWAP_BACKED: Mapping[str, str] = {"anon": "anonymous", "tmpfs/shmem": "tmpfs"}


def reclaimable_of(flag_names: str, category: str, migratetype: str | None) -> str | None:
    """Return the value of the key for a page, None if neither flags nor stack tell.

    `flag_names`: as in page_flag_names; `category`: of the stack; `migratetype`: that the gfp mask requests.

    >>> reclaimable_of("uptodate|lru", "page cache", "Movable")
    'clean page cache'
    """
    flags = set(flag_names.split("|"))
    if flags & {"unevictable", "mlocked"}:
        return "unevictable"
    if "swapbacked" in flags:
        return _SWAP_BACKED.get(category)
    if "lru" in flags:
        # madvise(MADV_FREE) clears PG_swapbacked (lru_lazyfree(), mm/swap.c).
        if category == "anon":
            return "lazily freed"
        return "dirty page cache" if flags & {"dirty", "writeback"} else "clean page cache"
    # SLAB_RECLAIM_ACCOUNT: the objects have a shrinker. PG_slab is no flag since Linux 6.10.
    return "reclaimable slab" if category == "slab" and migratetype == "Reclaimable" else None


def reclaimable(rows: pd.DataFrame, snap: Snapshot) -> pd.Series:
    """Return the value of the key for each of `rows`, which have RECLAIMABLE_COLUMNS; missing where it is unknown.

    Before Linux 4.6, the kernel prints letters for some flags only, and no page_flags.
    """
    categories = snap.stacks["category"]
    found = pd.DataFrame(
        {
            "flags": rows["page_flag_names"].where(rows["page_flags"].notna()).astype("category"),
            "category": pd.Categorical(categories.take(rows["stack_id"].to_numpy("int64"))),
            "migratetype": rows["migratetype"].astype("category"),
        },
        index=rows.index,
    )
    kinds = found.drop_duplicates()
    rows_of = zip(*(kinds[name].astype(object) for name in found), strict=True)
    values = [
        None if pd.isna(flags) else reclaimable_of(flags, category, None if pd.isna(kind) else kind)
        for flags, category, kind in rows_of
    ]
    named = kinds.assign(**{RECLAIMABLE: pd.Categorical(values)})
    return found.merge(named, on=list(found), how="left")[RECLAIMABLE].set_axis(rows.index)
