# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a machine says of itself beside page_owner: the part of snapshot.json that stands for the machine."""

from typing import Any

from spo_trace.formats import proc
from spo_trace.sources.source import Source, read_small

__all__ = ["address_bits", "facts_after", "facts_before", "wants_swap"]

_32_BIT = ("arm", "i386", "i486", "i586", "i686", "mips", "ppc", "riscv32", "s390", "sh4", "sparc")


def facts_before(source: Source) -> dict[str, Any]:
    """Return the facts that are read before page_owner; None for what the source does not have."""
    uname = proc.uname(read_small(source, "uname") or b"")
    zones = proc.zoneinfo(read_small(source, "zoneinfo") or b"")
    meminfo = proc.meminfo(read_small(source, "meminfo") or b"")
    page_size, told_by = _page_size(source, meminfo, zones)
    return {
        "host": uname["host"] or None,
        "kernel_release": uname["release"] or None,
        "kernel_version": uname["version"] or None,
        "arch": uname["arch"] or None,
        "page_size": page_size,
        "page_size_from": told_by,
        "boot_id": _line(source, "boot_id"),
        "cmdline": _line(source, "cmdline"),
        "taken_at": _line(source, "date"),
        "uptime_start": _uptime(source, "uptime"),
        "meminfo": meminfo,
        "zoneinfo": zones,
        "swaps": proc.swaps(read_small(source, "swaps") or b""),
        "vmstat": proc.vmstat(read_small(source, "vmstat") or b""),
    }


def facts_after(source: Source) -> dict[str, Any]:
    """Return the facts that are read again after page_owner: how far the machine moved meanwhile."""
    return {
        "uptime_end": _uptime(source, "uptime-after"),
        "meminfo_after": proc.meminfo(read_small(source, "meminfo-after") or b""),
    }


def wants_swap(cmdline: str | None) -> bool:
    """Tell whether a kernel's command line asks page_owner for swap (`page_owner=on,swap`)."""
    values = [word.removeprefix("page_owner=") for word in (cmdline or "").split() if word.startswith("page_owner=")]
    return bool(values) and "swap" in values[-1].split(",")


def address_bits(arch: str | None) -> int:
    """Return 32 or 64, the width of a long on the machine that uname calls `arch`."""
    name = arch or ""
    return 32 if name.startswith(_32_BIT) and not name.endswith(("64", "64le", "64el", "s390x")) else 64


# No /proc file prints the page size, but /proc/meminfo counts in kB what /proc/zoneinfo counts in pages.
def _page_size(source: Source, meminfo: dict[str, int], zones: list[proc.Zone]) -> tuple[int, str]:
    told = read_small(source, "pagesize")
    if told and told.strip().isdigit():
        return int(told), "getconf PAGESIZE"
    managed = sum(zone["managed"] for zone in zones)
    total = meminfo.get("MemTotal", 0)
    for size in (4096, 8192, 16384, 65536):
        if managed and 0.9 < total / (managed * size) < 1.1:
            return size, "MemTotal / managed pages"
    return 4096, "assumed"


def _line(source: Source, name: str) -> str | None:
    text = read_small(source, name)
    return proc.one_line(text) if text else None


def _uptime(source: Source, name: str) -> float | None:
    return proc.uptime_seconds(read_small(source, name) or b"")
