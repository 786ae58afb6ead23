# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that holds swap in compressed form: the same content counts as swap of its owner, and as memory here."""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.frames import function_name

__all__ = ["Compressor", "compressed_swap", "compressor_of"]


class Compressor(StrEnum):
    """Where the kernel keeps compressed pages: a swap device in memory, or a cache in front of one."""

    ZRAM = "zram"
    ZSWAP = "zswap"


# The functions that allocate the pages of a pool; those of zbud, z3fold and zpool are of older kernels.
_POOLS = ("zs_malloc", "zbud_*alloc", "z3fold_*alloc", "zpool_malloc")
# Objects that describe the pool are slab.
_DESCRIPTION = "slab"


def compressor_of(frames: Sequence[str], category: str) -> Compressor | None:
    """Return what stores compressed pages in the memory that was allocated with this stack, None if nothing does.

    >>> compressor_of(["__alloc_pages_noprof+0x1/0x2", "zs_malloc+0x1/0x2", "zram_submit_bio+0x1/0x2"], "block")
    <Compressor.ZRAM: 'zram'>
    """
    names = [function_name(frame) for frame in frames]
    if category == _DESCRIPTION or not any(fnmatchcase(name, pool) for name in names for pool in _POOLS):
        return None
    return next((one for one in Compressor if any(name.startswith(f"{one}_") for name in names)), None)


def compressed_swap(snap: Snapshot) -> dict[Compressor, int]:
    """Return the base pages in memory that hold swap in compressed form, by what compresses it.

    A zram device can also hold a file system. So the pages of zram are included only if a zram device is used for swap;
    those of another zram device cannot be told apart.
    """
    stacks = snap.stacks
    found = map(compressor_of, stacks["frames"], stacks["category"])
    compressors = {number: one for number, one in zip(stacks["stack_id"], found, strict=True) if one}
    if not any(PurePosixPath(area["filename"]).name.startswith("zram") for area in snap.meta.machine.swaps):
        compressors = {number: one for number, one in compressors.items() if one is not Compressor.ZRAM}
    pages: dict[Compressor, int] = {}
    for batch in snap.dataframes("pages", ["order", "stack_id"]) if compressors else ():
        rows = batch[batch["stack_id"].isin(list(compressors))]
        sums = (2 ** rows["order"].astype("int64")).groupby(rows["stack_id"].map(compressors)).sum()
        for name, number in sums.items():
            pages[Compressor(str(name))] = pages.get(Compressor(str(name)), 0) + int(number)
    return pages
