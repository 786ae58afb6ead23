# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read the facts of a machine other than page_owner: kernel, boot, page size, /proc files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from spo_trace.errors import SpoTraceError
from spo_trace.formats import proc
from spo_trace.formats.processes import parse_processes
from spo_trace.formats.text import KernelText
from spo_trace.formats.text_reader import chunks_in
from spo_trace.limits import MAX_ORDER
from spo_trace.memory.block_sizes import block_order
from spo_trace.snapshots.meta import MachineFacts
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom, evidence
from spo_trace.sources.source import Source

__all__ = ["address_bits", "facts_after", "facts_before", "optional_content", "optional_text", "with_block_sizes"]

_32_BIT = ("arm", "i386", "i486", "i586", "i686", "mips", "ppc", "riscv32", "s390", "sh4", "sparc")


_Read = Callable[[str], bytes]


def facts_before(source: Source, warnings: list[str], page_size: int | None = None) -> MachineFacts:
    """Return the facts that are read before page_owner; None or empty for what the source does not have.

    `page_size`: in bytes; overrides the one in the source. A file that can't be read completely is left out, with a
    message in `warnings`.
    """
    read = partial(_content, source, warnings)
    uname = proc.uname(read("uname"))
    zone_text = read("zoneinfo")
    zones = proc.zoneinfo(zone_text)
    meminfo = proc.meminfo(read("meminfo"))
    found = evidence(read, meminfo, zones, uname["release"])
    size, source_of_size = found[0] if found else Evidence(4096, PageSizeFrom.ASSUMED)
    if page_size is not None:
        size, source_of_size = page_size, PageSizeFrom.OPTION
    return MachineFacts(
        page_size=size,
        page_size_from=source_of_size,
        page_size_evidence=found,
        host=uname["host"] or None,
        kernel_release=uname["release"] or None,
        kernel_version=uname["version"] or None,
        arch=uname["arch"] or None,
        boot_id=_line(read, "boot_id"),
        cmdline=_line(read, "cmdline"),
        taken_at=_line(read, "date"),
        uptime_start=proc.uptime_seconds(read("uptime")),
        meminfo=meminfo,
        processors=proc.processors(zone_text),
        zoneinfo=zones,
        swaps=proc.swaps(read("swaps")),
        vmstat=proc.vmstat(read("vmstat")),
        buddyinfo=proc.buddyinfo(read("buddyinfo")),
        processes={one.pid: one.started for one in parse_processes(read("processes")) if one.started is not None},
    )


def facts_after(source: Source, before: MachineFacts, warnings: list[str]) -> MachineFacts:
    """Return `before` plus the facts that are read again after page_owner, to measure how much the machine changed."""
    read = partial(_content, source, warnings)
    return replace(
        before,
        uptime_end=proc.uptime_seconds(read("uptime-after")),
        meminfo_after=proc.meminfo(read("meminfo-after")),
    )


def with_block_sizes(
    source: Source, machine: MachineFacts, order_in_records: int | None, warnings: list[str]
) -> MachineFacts:
    """Return `machine` plus the sizes of pageblocks and of memory blocks; None if the source does not show them.

    `order_in_records`: that of a pageblock, if the PFN lines of page_owner show it. It takes precedence over
    pagetypeinfo, so that pageblocks have the numbers that the kernel printed with each page.
    """
    read = partial(_content, source, warnings)
    order = block_order(read("pagetypeinfo")) if order_in_records is None else order_in_records
    return replace(
        machine,
        pageblock_order=order if order is not None and order <= MAX_ORDER else None,
        memory_block_bytes=proc.memory_block_bytes(read("block_size_bytes")),
    )


def address_bits(arch: str | None) -> int:
    """Return 32 or 64, the bits of a long on a machine for which uname -m prints `arch`."""
    name = arch or ""
    return 32 if name.startswith(_32_BIT) and not name.endswith(("64", "64le", "64el", "s390x")) else 64


def _line(read: _Read, name: str) -> str | None:
    text = read(name)
    return proc.one_line(text) if text else None


def optional_text(source: Source, warnings: list[str], name: str) -> KernelText | None:
    """Return the text of a file that is not needed; one that can't be opened is left out, with a warning."""
    try:
        return source.open(name)
    except SpoTraceError as error:
        _warn(warnings, f"{name} is left out: {error}")
        return None


def optional_content(source: Source, warnings: list[str], name: str) -> bytes:
    """Return a small file that is not needed, empty without it; what can't be read is left out, with a warning."""
    return _whole(optional_text(source, warnings, name), warnings)


def _content(source: Source, warnings: list[str], name: str) -> bytes:
    """Return a whole small file, empty without it; one that can't be read completely is left out, with a warning."""
    return _whole(source.open(name), warnings)


def _whole(text: KernelText | None, warnings: list[str]) -> bytes:
    if text is None:
        return b""
    content = b"".join(chunks_in(text))
    if text.outcome.problem is None:
        return content
    _warn(warnings, f"{text.name}: {text.outcome.problem}; it is left out")
    return b""


# A file may be read more than once: the processes for their start times and for their swap.
def _warn(warnings: list[str], text: str) -> None:
    if text not in warnings:
        warnings.append(text)
