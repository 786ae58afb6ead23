# SPDX-License-Identifier: LGPL-2.1-or-later
"""The paths of memory cgroups in rows of pages, from /proc/kpagecgroup and the inodes of /sys/fs/cgroup."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from spo_trace.collect.machine_facts import optional_content, optional_text
from spo_trace.formats import arrays
from spo_trace.formats.arrays import missing_of, values_of
from spo_trace.formats.cgroups import leaf_name, parse_cgroups
from spo_trace.formats.escape import escape
from spo_trace.formats.kpagecgroup import CgroupInodes, Numbers
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import chunks_in
from spo_trace.limits import MAX_TEXT_BYTES
from spo_trace.sources.source import Source

__all__ = ["MEMCG_COLUMNS", "with_memcg_paths"]

# The columns of pages that paths are found by.
MEMCG_COLUMNS = frozenset({"pfn", "memcg", "memcg_offline", "memcg_path"})


def with_memcg_paths(
    source: Source, batches: Iterable[pa.RecordBatch], warnings: list[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches of pages with memcg_path filled in where `source` has kpagecgroup and cgroups."""
    text = optional_text(source, warnings, "kpagecgroup")
    listed = optional_content(source, warnings, "cgroups") if text else b""
    if text is None or not listed:
        yield from batches
        return
    paths = _Paths(text, listed)
    for batch in batches:
        yield paths.filled(batch) if set(batch.schema.names) >= MEMCG_COLUMNS else batch
    if text.outcome.problem:
        warnings.append(f"kpagecgroup: {text.outcome.problem}; the paths of other memory cgroups are unknown")


class _Paths:
    def __init__(self, text: KernelText, listed: bytes) -> None:
        self._inodes = CgroupInodes(chunks_in(text))
        found = list(parse_cgroups(listed))
        numbers = np.array([one.inode for one in found], np.uint64)
        self._order = np.argsort(numbers, kind="stable")
        self._sorted = numbers[self._order]
        self._paths = [escape(one.path) for one in found]
        self._short = np.array([len(path.encode()) <= MAX_TEXT_BYTES for path in self._paths], np.bool_)
        self._names = [escape(leaf_name(one.path)) for one in found]

    def filled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the path of each page whose cgroup has the name that the kernel printed.

        The page may have been freed in between, and be charged to another cgroup. Of a removed cgroup, the kernel gives
        the inode of one above it.
        """
        memcg = batch.column("memcg")
        usable = ~(missing_of(batch.column("pfn")) | missing_of(memcg.indices))
        usable &= ~values_of(batch.column("memcg_offline"))
        cgroups = self._cgroups(values_of(batch.column("pfn")))
        usable &= cgroups >= 0
        number_of = {name: number for number, name in enumerate(memcg.dictionary.to_pylist())}
        printed = np.array([number_of.get(name, -1) for name in self._names], np.int64)
        # Without a usable row there may be no cgroup to look up.
        chosen = cgroups[usable]
        usable[usable] = (printed[chosen] == values_of(memcg.indices)[usable]) & self._short[chosen]
        used, index = np.unique(cgroups[usable], return_inverse=True)
        numbers = np.zeros(len(batch), np.int32)
        numbers[usable] = index
        column = arrays.names([self._paths[number] for number in used], numbers, ~usable)
        place = batch.schema.get_field_index("memcg_path")
        return batch.set_column(place, batch.schema.field(place), column)

    # The place in `_paths` of the cgroup of each page, -1 without one.
    def _cgroups(self, pfns: Numbers) -> Numbers:
        inodes = self._inodes.of(pfns)
        if not len(self._sorted):
            return np.full(len(pfns), -1, np.int64)
        at = np.minimum(np.searchsorted(self._sorted, inodes), len(self._sorted) - 1)
        found = (self._sorted[at] == inodes) & (inodes != 0)
        return np.where(found, self._order[at], -1)
