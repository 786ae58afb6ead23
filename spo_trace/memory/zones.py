# SPDX-License-Identifier: LGPL-2.1-or-later
"""/proc/zoneinfo out of kernel memory: the counters of zones that have pages (zoneinfo_show_print(), mm/vmstat.c)."""

from collections.abc import Iterator

from spo_trace.limits import MAX_NODES, MAX_PROCESSORS, MAX_ZONEINFO_BYTES
from spo_trace.memory.kernel import Kernel
from spo_trace.memory.problem import Problem

__all__ = ["zoneinfo_text"]

_NAME_BYTES = 16
# MAX_NR_ZONES is at most 6; most nodes have one or two that have pages.
_ZONES, _MAX_ZONES, _LINE_BYTES = 2, 8, 75
_MAX_PAGES = 1 << 40
_WORD = (1 << 64) - 1


def zoneinfo_text(kernel: Kernel) -> bytes:
    """Return the text, with the lines that tell numbers of pages; raise Problem if a zone cannot be read."""
    processors, nodes = list(_online(kernel)), list(_nodes(kernel))
    if len(processors) * len(nodes) * _ZONES * _LINE_BYTES > MAX_ZONEINFO_BYTES:
        raise Problem("the kernel's lists of nodes and processors are damaged", "take another dump")
    return b"".join(_node(kernel, node, address, processors) for node, address in nodes)


def _nodes(kernel: Kernel) -> Iterator[tuple[int, int]]:
    table, flat = kernel.symbols.find("node_data"), kernel.symbols.find("contig_page_data")
    if table is None:
        if flat is not None:
            yield 0, flat
        return
    ids = kernel.symbols.find("nr_node_ids")
    for node in range(min(kernel.image.u32(ids) if ids else 1, MAX_NODES)):
        address = kernel.image.u64(table + 8 * node)
        if address:
            yield node, address


def _node(kernel: Kernel, node: int, address: int, processors: list[int]) -> bytes:
    types = kernel.types
    zones = address + types.offset("pglist_data", "node_zones")
    count = min(types.length("pglist_data", "node_zones"), _MAX_ZONES)
    return b"".join(_zone(kernel, node, zones + number * types.size("zone"), processors) for number in range(count))


def _zone(kernel: Kernel, node: int, zone: int, processors: list[int]) -> bytes:
    types, image = kernel.types, kernel.image

    def number(member: str, index: int = 0) -> int:
        value = image.u64(zone + types.offset("zone", member) + 8 * index)
        # Counters may be below zero for a while.
        value = 0 if value >> 63 else value
        if value > _MAX_PAGES:
            raise Problem(f"the counter {member} of a zone is damaged", "take another dump")
        return value

    if not number("present_pages"):
        return b""
    name = image.string(image.u64(zone + types.offset("zone", "name")), _NAME_BYTES)
    lines = [
        b"Node %d, zone %8b" % (node, name),
        b"  pages free     %d" % number("vm_stat", types.value("NR_FREE_PAGES")),
    ]
    for label, member in ((b"spanned", "spanned_pages"), (b"present", "present_pages"), (b"managed", "managed_pages")):
        lines.append(b"        %b  %d" % (label, number(member)))
    lines.append(b"  pagesets")
    for processor, count in _lists(kernel, zone, processors):
        lines += [b"    cpu: %d" % processor, b"              count:    %d" % count]
    lines.append(b"  start_pfn:           %d" % number("zone_start_pfn"))
    return b"\n".join(lines) + b"\n"


# Free pages on each processor's list, which NR_FREE_PAGES does not count.
def _lists(kernel: Kernel, zone: int, processors: list[int]) -> Iterator[tuple[int, int]]:
    types, image = kernel.types, kernel.image
    lists = image.u64(zone + types.offset("zone", "per_cpu_pageset"))
    offsets = kernel.symbols.find("__per_cpu_offset")
    for processor in processors:
        base = image.u64(offsets + 8 * processor) if offsets is not None else 0
        count = image.u32((lists + base & _WORD) + types.offset("per_cpu_pages", "count"))
        if count < 1 << 31:
            yield processor, count


def _online(kernel: Kernel) -> Iterator[int]:
    ids, mask = kernel.symbols.find("nr_cpu_ids"), kernel.symbols.find("__cpu_online_mask")
    if ids is None or mask is None:
        yield 0
        return
    count = min(kernel.image.u32(ids), MAX_PROCESSORS)
    bits = kernel.image.read(mask, -(-count // 64) * 8) if count else b""
    yield from (number for number in range(count) if bits[number >> 3] >> (number & 7) & 1)
