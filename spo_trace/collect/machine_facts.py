# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine says of itself beside page_owner: the part of snapshot.json that stands for the machine."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spo_trace.formats import proc
from spo_trace.formats.text_reader import chunks_in
from spo_trace.snapshots.page_size import Evidence, PageSizeFrom, contradictions, evidence
from spo_trace.sources.source import Source

__all__ = ["address_bits", "facts_after", "facts_before"]

_32_BIT = ("arm", "i386", "i486", "i586", "i686", "mips", "ppc", "riscv32", "s390", "sh4", "sparc")


_Read = Callable[[str], bytes]


_ASSUMED = (
    "nothing in the capture tells the page size: 4096 bytes assumed; give --page-size (getconf PAGESIZE tells it on the"
    " machine)"
)


def facts_before(source: Source, warnings: list[str], page_size: int | None = None) -> dict[str, Any]:
    """Return the facts that are read before page_owner; None for what the source does not have.

    `page_size`: in bytes, in place of what the source tells. A file that breaks off is worth no more than a warning,
    and is left out.
    """
    read = partial(_whole, source, warnings)
    uname = proc.uname(read("uname"))
    zones = proc.zoneinfo(read("zoneinfo"))
    meminfo = proc.meminfo(read("meminfo"))
    size, told_by = _page_size(evidence(read, meminfo, zones, uname["release"]), page_size, warnings)
    return {
        "host": uname["host"] or None,
        "kernel_release": uname["release"] or None,
        "kernel_version": uname["version"] or None,
        "arch": uname["arch"] or None,
        "page_size": size,
        "page_size_from": told_by.value,
        "boot_id": _line(read, "boot_id"),
        "cmdline": _line(read, "cmdline"),
        "taken_at": _line(read, "date"),
        "uptime_start": proc.uptime_seconds(read("uptime")),
        "meminfo": meminfo,
        "zoneinfo": zones,
        "swaps": proc.swaps(read("swaps")),
        "vmstat": proc.vmstat(read("vmstat")),
    }


def facts_after(source: Source, warnings: list[str]) -> dict[str, Any]:
    """Return the facts that are read again after page_owner: how far the machine moved meanwhile."""
    read = partial(_whole, source, warnings)
    return {
        "uptime_end": proc.uptime_seconds(read("uptime-after")),
        "meminfo_after": proc.meminfo(read("meminfo-after")),
    }


def address_bits(arch: str | None) -> int:
    """Return 32 or 64, the width of a long on the machine that uname calls `arch`."""
    name = arch or ""
    return 32 if name.startswith(_32_BIT) and not name.endswith(("64", "64le", "64el", "s390x")) else 64


def _page_size(found: list[Evidence], given: int | None, warnings: list[str]) -> Evidence:
    chosen = found[0] if found else Evidence(4096, PageSizeFrom.ASSUMED)
    if given is not None:
        chosen = Evidence(given, PageSizeFrom.OPTION)
    if chosen.source == PageSizeFrom.ASSUMED:
        warnings.append(_ASSUMED)
    warnings += contradictions(*chosen, found, None)
    return chosen


def _line(read: _Read, name: str) -> str | None:
    text = read(name)
    return proc.one_line(text) if text else None


def _whole(source: Source, warnings: list[str], name: str) -> bytes:
    text = source.open(name)
    if text is None:
        return b""
    content = bytearray()
    for chunk in chunks_in(text):
        content += chunk
        if len(content) > _LARGEST:
            text.outcome.problem = f"it has more than {_LARGEST >> 20} MiB"
            break
    if text.outcome.problem is None:
        return bytes(content)
    warnings.append(f"{name}: {text.outcome.problem}; it is left out")
    return b""


# A zoneinfo of 1,000 zones and processors has less: what is larger is no /proc file.
_LARGEST = 16 << 20
