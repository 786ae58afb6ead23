# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory that holds swap in compressed form: the same content counts as swap of its owner, and as memory here."""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.question import Question
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


def compressed_swap(snap: Snapshot, question: Question) -> dict[Compressor, int]:
    """Return the base pages that match the question's condition and hold compressed swap, by what compresses it.

    A zram device can also hold a file system. So the pages of zram are included only if a zram device is used for swap;
    pages of another zram device cannot be distinguished from them.
    """
    compressors = {one for one in map(compressor_of, snap.stacks["frames"], snap.stacks["category"]) if one}
    if not any(PurePosixPath(area["filename"]).name.startswith("zram") for area in snap.meta.machine.swaps):
        compressors.discard(Compressor.ZRAM)
    if not compressors:
        return {}
    table = attribute(snap, question.grouped_by(["stack", "category"]))
    found = table["mem_pages"].fillna(0).groupby(list(map(compressor_of, table["stack"], table["category"]))).sum()
    return {one: int(found[one]) for one in Compressor if one in compressors and found.get(one, 0)}
