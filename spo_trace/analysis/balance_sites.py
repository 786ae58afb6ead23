# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance of sites: pages of slab by /proc/allocinfo, compared with those of slab that page_owner lists."""

from collections.abc import Iterator, Sequence

from spo_trace.analysis.balance_parts import Item, Listed
from spo_trace.snapshots.reader import Snapshot
from spo_trace.stacks.frames import function_name

__all__ = ["SECTION", "site_items"]

SECTION = "allocinfo, slab"

# The site of all pages of slab is in alloc_slab_page() (mm/slub.c). Compilers inline it in its callers.
_SITE = "alloc_slab_page"
_ALLOCATES_SLAB = frozenset({"alloc_slab_page", "allocate_slab", "new_slab"})
# Large kmalloc allocations have pages of their own, which are counted at the sites that call kmalloc.
_ALLOCATES_PAGES = frozenset({"___kmalloc_large_node", "__kmalloc_large_node", "kmalloc_large_node"})


def site_items(snap: Snapshot, listed: Listed) -> Iterator[Item]:
    """Yield the lines of the section; none if the kernel does not count sites, or there is no page_owner."""
    if snap.meta.page_owner is None or not snap.meta.counts_sites:
        return
    sites = snap.read("sites")
    size = int(sites["bytes"][sites["function"] == _SITE].clip(lower=0).sum())
    if not size:
        return
    counted = size // snap.page_size
    of_slab = [_is_slab(frames) for frames in snap.stacks["frames"]]
    owned = int(listed.by_stack["mem_pages"][of_slab].sum())
    yield Item(SECTION, "machine", f"bytes of {_SITE}", counted, "")
    yield Item(SECTION, "listed", "page_owner", owned, "with a function that allocates slab in their stack")
    yield Item(SECTION, "difference", "difference", counted - owned, "")
    yield Item(SECTION, "rest", "unexplained", counted - owned, "")


# The innermost function of the two kinds decides.
def _is_slab(frames: Sequence[str]) -> bool:
    for frame in frames:
        name = function_name(frame)
        if name in _ALLOCATES_SLAB or name in _ALLOCATES_PAGES:
            return name in _ALLOCATES_SLAB
    return False
