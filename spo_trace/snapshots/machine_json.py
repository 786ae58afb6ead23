# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read and write the part of snapshot.json that describes the machine."""

from dataclasses import asdict, replace

from spo_trace.formats.proc import FreeBlocks, SwapArea, Zone
from spo_trace.limits import MAX_JSON_AMOUNT, MAX_JSON_NUMBER, MAX_MEMORY_BYTES, MAX_ORDER, MAX_PROCESSORS
from spo_trace.snapshots.json_fields import JsonFields
from spo_trace.snapshots.meta import MachineFacts
from spo_trace.snapshots.page_size import SIZES, Evidence, PageSizeFrom, counted_evidence

__all__ = ["machine_json", "numbers_of", "read_machine"]


def read_machine(fields: JsonFields, version: int) -> MachineFacts:
    """Return the facts in snapshot.json of schema `version`; raise DamagedJson if one is missing or wrong."""
    found = _list_if_present(fields, "page_size_evidence")
    machine = MachineFacts(
        page_size=_page_size(fields, "page_size"),
        page_size_from=_page_size_from(fields, "page_size_from", version),
        page_size_evidence=[Evidence(_page_size(one, "size"), _page_size_from(one, "from", version)) for one in found],
        pageblock_order=_pageblock_order(fields),
        memory_block_bytes=_memory_block_bytes(fields),
        host=fields.text_or_none("host"),
        kernel_release=fields.text_or_none("kernel_release"),
        kernel_version=fields.text_or_none("kernel_version"),
        arch=fields.text_or_none("arch"),
        processors=_processors(fields),
        boot_id=fields.text_or_none("boot_id"),
        cmdline=fields.text_or_none("cmdline"),
        taken_at=fields.text_or_none("taken_at"),
        uptime_start=fields.real_or_none("uptime_start"),
        uptime_end=fields.real_or_none("uptime_end"),
        meminfo=numbers_of(fields.nested("meminfo")),
        meminfo_after=numbers_of(fields.nested("meminfo_after")),
        zoneinfo=[_zone(zone) for zone in fields.nested_list("zoneinfo")],
        swaps=[_swap_area(area) for area in fields.nested_list("swaps")],
        # A counter that is kept for each CPU may be negative for a moment.
        vmstat=numbers_of(fields.nested_or_none("vmstat"), least=-MAX_JSON_NUMBER),
        buddyinfo=[_free_blocks(zone) for zone in _list_if_present(fields, "buddyinfo")],
        processes=_processes(fields.nested_or_none("processes")),
    )
    return _with_evidence(machine, fields)


# What the stored facts show is evidence, even if snapshot.json does not list it.
def _with_evidence(machine: MachineFacts, fields: JsonFields) -> MachineFacts:
    shown = counted_evidence(machine.meminfo, machine.zoneinfo, machine.vmstat)
    for size, source in shown:
        if source is machine.page_size_from and size != machine.page_size:
            raise fields.wrong("page_size", f"{size}, which {source} shows")
    listed = list(machine.page_size_evidence)
    return replace(machine, page_size_evidence=[*listed, *(one for one in shown if one not in listed)])


def _page_size(fields: JsonFields, key: str) -> int:
    size = fields.number(key)
    if size not in SIZES:
        raise fields.wrong(key, f"a page size from {SIZES[0]} to {SIZES[-1]}")
    return size


def _pageblock_order(fields: JsonFields) -> int | None:
    order = fields.number_or_none("pageblock_order")
    if order is not None and order > MAX_ORDER:
        raise fields.wrong("pageblock_order", f"a whole number from 0 to {MAX_ORDER}")
    return order


def _memory_block_bytes(fields: JsonFields) -> int | None:
    size = fields.number_or_none("memory_block_bytes")
    if size is not None and (size > MAX_MEMORY_BYTES or size.bit_count() != 1):
        raise fields.wrong("memory_block_bytes", f"a power of two up to {MAX_MEMORY_BYTES}")
    return size


def _processors(fields: JsonFields) -> int | None:
    number = fields.number_or_none("processors")
    if number is not None and not 0 < number <= MAX_PROCESSORS:
        raise fields.wrong("processors", f"a whole number from 1 to {MAX_PROCESSORS}")
    return number


# Schema versions 1 and 2 store these texts in place of the codes of PageSizeFrom.
_OLD_PAGE_SIZE_FROM = {
    "getconf PAGESIZE": PageSizeFrom.PAGESIZE,
    "MemTotal / managed pages": PageSizeFrom.ZONEINFO,
    "assumed": PageSizeFrom.ASSUMED,
}


def _page_size_from(fields: JsonFields, key: str, version: int) -> PageSizeFrom:
    name = fields.text(key)
    if version < 3 and name in _OLD_PAGE_SIZE_FROM:
        return _OLD_PAGE_SIZE_FROM[name]
    if name not in set(PageSizeFrom):
        raise fields.wrong(key, f"one of {', '.join(PageSizeFrom)}")
    return PageSizeFrom(name)


def _zone(fields: JsonFields) -> Zone:
    return Zone(
        node=fields.number("node"),
        name=fields.text("name"),
        free=fields.number("free", most=MAX_JSON_AMOUNT),
        managed=fields.number("managed", most=MAX_JSON_AMOUNT),
        present=fields.number("present", most=MAX_JSON_AMOUNT),
        spanned=fields.number("spanned", most=MAX_JSON_AMOUNT),
        start_pfn=fields.number("start_pfn", most=MAX_JSON_AMOUNT),
        pcp=fields.number("pcp", most=MAX_JSON_AMOUNT),
    )


# Older versions lack some keys.
def _list_if_present(fields: JsonFields, key: str) -> list[JsonFields]:
    return fields.nested_list(key) if fields.has(key) else []


def _free_blocks(fields: JsonFields) -> FreeBlocks:
    blocks = fields.numbers("blocks", most=MAX_JSON_AMOUNT)
    if len(blocks) > MAX_ORDER + 1:
        raise fields.wrong("blocks", f"a list of at most {MAX_ORDER + 1} numbers")
    return FreeBlocks(node=fields.number("node"), name=fields.text("name"), blocks=blocks)


def _processes(fields: JsonFields | None) -> dict[int, int]:
    if fields is None:
        return {}
    started = {}
    for pid in fields:
        if not (pid.isascii() and pid.isdecimal() and len(pid) < 10):
            raise fields.wrong(pid, "the start time of a process")
        started[int(pid)] = fields.number(pid, most=MAX_JSON_AMOUNT)
    return started


def _swap_area(fields: JsonFields) -> SwapArea:
    return SwapArea(
        filename=fields.text("filename"),
        kind=fields.text("kind"),
        size=fields.number("size", most=MAX_JSON_AMOUNT),
        used=fields.number("used", most=MAX_JSON_AMOUNT),
        priority=fields.number("priority", least=-(1 << 31)),
    )


def numbers_of(fields: JsonFields | None, *, least: int = 0) -> dict[str, int]:
    """Return an object of whole numbers as a dict, empty if `fields` is None."""
    return {key: fields.number(key, least=least) for key in fields} if fields else {}


def machine_json(machine: MachineFacts) -> dict[str, object]:
    """Return the keys and values of snapshot.json for `machine`."""
    found = [{"size": size, "from": source} for size, source in machine.page_size_evidence]
    return asdict(machine) | {"page_size_evidence": found}
