# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine says of itself beside page_owner: the part of snapshot.json that stands for the machine."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spo_trace.formats import proc
from spo_trace.sources.source import Source

__all__ = ["address_bits", "facts_after", "facts_before"]

_32_BIT = ("arm", "i386", "i486", "i586", "i686", "mips", "ppc", "riscv32", "s390", "sh4", "sparc")


_Read = Callable[[str], bytes]


def facts_before(source: Source, warnings: list[str]) -> dict[str, Any]:
    """Return the facts that are read before page_owner; None for what the source does not have.

    A file that breaks off is worth no more than a warning, and is left out.
    """
    read = partial(_whole, source, warnings)
    uname = proc.uname(read("uname"))
    zones = proc.zoneinfo(read("zoneinfo"))
    meminfo = proc.meminfo(read("meminfo"))
    page_size, told_by = _page_size(read, meminfo, zones)
    return {
        "host": uname["host"] or None,
        "kernel_release": uname["release"] or None,
        "kernel_version": uname["version"] or None,
        "arch": uname["arch"] or None,
        "page_size": page_size,
        "page_size_from": told_by,
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


# Of any architecture: 4 KiB to 256 KiB.
_PAGE_SIZES = [b"%d" % (1 << shift) for shift in range(12, 19)]


# No /proc file prints the page size, but /proc/meminfo counts in kB what /proc/zoneinfo counts in pages.
def _page_size(read: _Read, meminfo: dict[str, int], zones: list[proc.Zone]) -> tuple[int, str]:
    told = read("pagesize").strip()
    if told in _PAGE_SIZES:
        return int(told), "getconf PAGESIZE"
    managed = sum(zone["managed"] for zone in zones)
    total = meminfo.get("MemTotal", 0)
    for size in (4096, 8192, 16384, 65536):
        if managed and 0.9 < total / (managed * size) < 1.1:
            return size, "MemTotal / managed pages"
    return 4096, "assumed"


def _line(read: _Read, name: str) -> str | None:
    text = read(name)
    return proc.one_line(text) if text else None


def _whole(source: Source, warnings: list[str], name: str) -> bytes:
    text = source.open(name)
    if text is None:
        return b""
    content = bytearray()
    for chunk in text.chunks:
        content += chunk
        if len(content) > _LARGEST:
            text.problem = f"it has more than {_LARGEST >> 20} MiB"
            break
    if text.problem is None:
        return bytes(content)
    warnings.append(f"{name}: {text.problem}; it is left out")
    return b""


# A zoneinfo of 1,000 zones and processors has less: what is larger is no /proc file.
_LARGEST = 16 << 20
