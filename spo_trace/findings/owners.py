# SPDX-License-Identifier: LGPL-2.1-or-later
"""All owners of a snapshot in one table, so that the rules read the records once."""

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from spo_trace.analysis.attribution import PARTS, page_sums, total_bytes, with_bytes
from spo_trace.analysis.keys import SITE
from spo_trace.analysis.known_keys import unknown_keys
from spo_trace.analysis.question import Question
from spo_trace.analysis.sites import site_amounts
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.findings.finding import Amount, Query
from spo_trace.findings.thresholds import LEAST_BYTES, Threshold
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.placeholders import Placeholder, placeholder_of

__all__ = ["KEYS", "Owners"]

_OF_PAGES = ("migratetype", "pageblock_migratetype", "gfp_flags", "swapped")
KEYS = ("comm", "stack_id", "memcg", "memcg_offline", *_OF_PAGES)

_OF_STACK = ("category", "callsite", "module")
# What else is known of a stack: whether it reads from swap, and whether it stands for a lost one.
_MARKS = ("swap_in", *Placeholder)

# The functions that allocate a page to read it from swap (mm/swap_state.c, mm/memory.c and mm/shmem.c of 4.x to 7.2).
SWAP_IN = "swapin|alloc_swap_folio|swap_.*readahead"


class Owners:
    """Hold the amounts of a snapshot by `KEYS`, and what its stacks mean; sums of rows equal those of `attribute`."""

    def __init__(self, snap: Snapshot) -> None:
        self.snap = snap

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Return the bytes by `KEYS`, with the category, call site and module of each stack.

        Without stacks (`knows_stacks`), these are missing.
        """
        keys = list(KEYS)
        sums = with_bytes(page_sums(self.snap, Question.of(keys)), keys, self.snap)
        if not self.knows_stacks:
            return sums.assign(**dict.fromkeys(_OF_STACK), **dict.fromkeys(_MARKS, False))
        stacks = self._stacks
        ids = sums["stack_id"].to_numpy("int64")
        of_stack = {str(name): stacks[name].take(ids).to_numpy() for name in stacks}
        return sums.assign(**of_stack)

    @cached_property
    def _stacks(self) -> pd.DataFrame:
        stacks = self.snap.stacks
        table = pd.DataFrame({key: stack_column(stacks, key).to_numpy() for key in _OF_STACK})
        # Without frames, there is no call site; its text is empty.
        table["callsite"] = table["callsite"].where(stacks["frames"].map(len).gt(0).to_numpy(bool))
        symbols = [" ".join(map(function_name, frames)) for frames in stacks["frames"]]
        table["swap_in"] = pd.Series(symbols, dtype="str").str.contains(SWAP_IN).to_numpy(bool)
        placeholders = [placeholder_of(frames) for frames in stacks["frames"]]
        for one in Placeholder:
            table[one] = [found is one for found in placeholders]
        return table

    @cached_property
    def knows_stacks(self) -> bool:
        """Return whether the frames of any stack are known: an aggregate, or text with handles, can lack them."""
        return bool(self.snap.stacks["frames"].map(len).any())

    @property
    def swapped_in(self) -> pd.Series:
        """Return which rows are memory that was read from swap, and whose first owner was not kept."""
        return self.rows["swap_in"] & ~self.rows["swapped"].fillna(False).astype(bool)

    def knows(self, table: str, *keys: str) -> bool:
        """Return whether `table` (`pages` or `swap`) has owners with these keys."""
        amount = {"pages": "mem", "swap": "swap"}[table]
        return amount not in self.snap.meta.unknown_amounts and not unknown_keys(self.snap, table, keys)

    def sums(self, keys: Sequence[str], rows: "pd.Series | None" = None) -> pd.DataFrame:
        """Return the bytes of `rows` (default: all) by `keys`, largest total first, without owners that are missing."""
        found = self.rows if rows is None else self.rows[rows]
        amounts = [f"{name}_bytes" for name in PARTS]
        found = found[[*keys, *amounts]].dropna(subset=list(keys))
        found = found.astype(dict.fromkeys(amounts, "Int64"))
        table = found.groupby(list(keys), observed=True, sort=True)[amounts].sum().reset_index()
        table["total_bytes"] = total_bytes(table)
        return table.sort_values("total_bytes", ascending=False, kind="stable", ignore_index=True)

    def bytes_of(self, column: str, rows: "pd.Series | None" = None) -> int:
        """Return the sum of a column of bytes over `rows` (default: all), 0 for what is unknown."""
        found = self.rows if rows is None else self.rows[rows]
        return int(found[column].fillna(0).sum())

    @cached_property
    def memory(self) -> Amount:
        """Return MemTotal, or all that is listed if the input has no /proc/meminfo; 0 without owners and sites, too."""
        meta = self.snap.meta
        total = meta.machine.meminfo.get("MemTotal", 0)
        if not total and meta.has_owners:
            return Amount(self.bytes_of("total_bytes"), "total_bytes", Query())
        if not total and meta.counts_sites:
            return Amount(int(site_amounts(self.snap)["total_bytes"].sum()), "total_bytes", Query((SITE,)))
        return Amount(total, "MemTotal")

    @property
    def whole(self) -> str:
        """Return what `memory` is, in words."""
        return "all that is listed" if self.memory.query else "MemTotal"

    def is_large(self, size: int, threshold: Threshold) -> bool:
        """Return whether `size` is at least the threshold's share of memory, and not tiny."""
        return size >= LEAST_BYTES and size >= threshold.share * self.memory.value
