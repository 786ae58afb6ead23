# SPDX-License-Identifier: LGPL-2.1-or-later
"""The plan by which the collector reads owners out of memory: all that it has to know of the kernel, as lines of text.

native/collect/plan.c reads it: each line in this order, all numbers in hexadecimal, `-` for what this kernel lacks.
"""

from collections.abc import Iterable, Iterator

from spo_trace.limits import MAX_PLAN_SEGMENTS
from spo_trace.memory.owner_layout import OwnerLayout
from spo_trace.memory.problem import Problem
from spo_trace.memory.stack_depot import DepotLayout
from spo_trace.memory.swap_layout import SwapLayout

__all__ = ["FileRange", "plan_text"]

# Reads of nodes and records for each swap entry, at most: each record may be alone in all nodes above it.
_READS_PER_ENTRY = 16

# Start, size and offset in the file of a range of virtual addresses.
FileRange = tuple[int, int, int]


def plan_text(
    layout: OwnerLayout,
    depot: DepotLayout,
    swap: SwapLayout | None,
    swap_pages: int,
    ranges: Iterable[FileRange] | None,
) -> bytes:
    """Return the plan; raise Problem if the memory has too many ranges.

    `swap_pages`: size of all swap areas in pages. `ranges`: those of /proc/kcore in ascending order, None to read by
    BPF.
    """
    lines = ["spo-trace plan 1", f"memory {'bpf' if ranges is None else 'kcore'}"]
    for name, value in (*_pages(layout), *_depot(depot), *_swap(swap, swap_pages)):
        lines.append(f"{name} {'-' if value is None else format(value, 'x')}")
    found = list(ranges or ())
    if len(found) > MAX_PLAN_SEGMENTS:
        raise Problem(f"/proc/kcore has {len(found):,} ranges", "read through debugfs")
    lines.append(f"segments {len(found):x}")
    lines += [f"{start:x} {size:x} {offset:x}" for start, size, offset in found]
    return "\n".join([*lines, "end", ""]).encode()


def _pages(layout: OwnerLayout) -> Iterator[tuple[str, int | None]]:
    sections = layout.sections
    yield "min_low_pfn", layout.min_low_pfn
    yield "max_pfn", layout.max_pfn
    yield "pageblock_order", layout.pageblock_order
    yield "section_roots", sections.roots
    yield "section_bytes", sections.section_bytes
    yield "sections_per_root", sections.per_root
    yield "section_pages", sections.pages
    yield "section_mem_map", sections.mem_map
    yield "section_map_mask", sections.map_mask
    yield "section_usage", sections.usage
    yield "section_page_ext", sections.page_ext
    for name in _MEMBERS:
        yield name, getattr(layout, name)


# Members of OwnerLayout, in the plan's order.
_MEMBERS = (
    "ext_bytes",
    "owner_bit",
    "allocated_bit",
    "swapped_bit",
    "owner",
    "order",
    "last_migrate_reason",
    "gfp_mask",
    "handle",
    "ts_nsec",
    "free_ts_nsec",
    "comm",
    "pid",
    "tgid",
    "page_bytes",
    "flags",
    "page_type",
    "private",
    "head",
    "memcg_data",
    "buddy",
    "max_page_order",
    "pageblock_flags",
    "pageblock_bits",
    "isolate_bit",
    "isolate_type",
)

_SWAP_NAMES = (
    "xarray",
    "xa_head",
    "node_shift",
    "node_count",
    "node_array",
    "node_slots",
    "node_slot_count",
    "swap_bytes",
    "swap_handle",
    "swap_pid",
    "swap_tgid",
    "swap_comm",
    "swap_ts_nsec",
)


def _depot(depot: DepotLayout) -> Iterator[tuple[str, int | None]]:
    yield "stack_pools", depot.pools
    yield "pool_shift", depot.pool[0]
    yield "pool_bits", depot.pool[1]
    yield "pool_bias", depot.bias
    yield "offset_shift", depot.offset[0]
    yield "offset_bits", depot.offset[1]
    yield "stack_handle", depot.handle
    yield "stack_count", depot.counter


def _swap(swap: SwapLayout | None, swap_pages: int) -> Iterator[tuple[str, int | None]]:
    yield from zip(_SWAP_NAMES, swap or (None,) * len(_SWAP_NAMES), strict=True)
    yield "swap_most", None if swap is None else _READS_PER_ENTRY * (swap_pages + _READS_PER_ENTRY)
