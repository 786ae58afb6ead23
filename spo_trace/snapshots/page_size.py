# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page size of a machine: the evidence for it, and which evidence takes precedence."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from spo_trace.errors import UsageError
from spo_trace.formats import proc

__all__ = [
    "SIZES",
    "Evidence",
    "PageSizeFrom",
    "counted_evidence",
    "evidence",
    "parse_page_size",
    "usual_page_sizes",
]

# Page sizes of all architectures: 4 KiB to 256 KiB (hexagon, and 44x of powerpc).
SIZES = tuple(1 << shift for shift in range(12, 19))


class PageSizeFrom(StrEnum):
    """Name the evidence for a page size; the value is the code in snapshot.json."""

    OPTION = "option"
    PAGESIZE = "pagesize"
    GETCONF = "getconf"
    ZONEINFO = "zoneinfo"
    VMSTAT = "vmstat"
    RELEASE = "release"
    ASSUMED = "assumed"


class Evidence(NamedTuple):
    """Hold a page size in bytes and its source."""

    size: int
    source: PageSizeFrom


def parse_page_size(text: str | int) -> int:
    """Return a page size such as 4096, 16K, 64K or 64KiB in bytes; raise UsageError if no architecture has it."""
    match = re.fullmatch(r"(\d{1,7})\s*(?:(k)(?:i?b)?|b)?", str(text).strip(), re.IGNORECASE | re.ASCII)
    size = int(match[1]) * (1024 if match[2] else 1) if match else 0
    if size not in SIZES:
        raise UsageError(
            f"{text} is not a page size",
            hint="give a power of two from 4K to 256K, such as 4096, 16K or 64K",
        )
    return size


def evidence(
    read: Callable[[str], bytes], meminfo: Mapping[str, int], zones: Sequence[proc.Zone], release: str | None
) -> list[Evidence]:
    """Return the page sizes found in a machine's files, the most reliable first; empty if there are none.

    `read` returns the content of a file of PATHS; `meminfo` is in bytes.
    """
    named = (
        (_of_pagesize(read("pagesize")), PageSizeFrom.PAGESIZE),
        (_of_getconf(read("getconf")), PageSizeFrom.GETCONF),
    )
    counted = counted_evidence(meminfo, zones, proc.vmstat(read("vmstat")))
    return [*_known(*named), *counted, *_known((_of_release(release), PageSizeFrom.RELEASE))]


def counted_evidence(
    meminfo: Mapping[str, int], zones: Sequence[proc.Zone], vmstat: Mapping[str, int]
) -> list[Evidence]:
    """Return the page sizes that follow from amounts in bytes (`meminfo`) and in pages, the most reliable first."""
    return _known(
        (_of_zones(meminfo, zones), PageSizeFrom.ZONEINFO),
        (_of_vmstat(meminfo, vmstat), PageSizeFrom.VMSTAT),
    )


def _known(*found: tuple[int | None, PageSizeFrom]) -> list[Evidence]:
    return [Evidence(size, source) for size, source in found if size is not None]


def _of_pagesize(text: bytes) -> int | None:
    return next((size for size in SIZES if text.strip() == b"%d" % size), None)


def _of_getconf(text: bytes) -> int | None:
    match = re.search(rb"^PAGE_?SIZE\s+(\d{1,7})\s*$", text, re.MULTILINE)
    return int(match[1]) if match and int(match[1]) in SIZES else None


# No /proc file contains the page size, but meminfo has in kB what zoneinfo and vmstat have in pages.
def _of_zones(meminfo: Mapping[str, int], zones: Sequence[proc.Zone]) -> int | None:
    managed = sum(zone["managed"] for zone in zones)
    return _size_of(meminfo.get("MemTotal", 0), managed, 0.1) if managed else None


# The counters change between the reads of the two files, so use the page size to which most of them lead.
_COUNTERS = {
    "MemFree": "nr_free_pages",
    "AnonPages": "nr_anon_pages",
    "Mapped": "nr_mapped",
    "Shmem": "nr_shmem",
    "PageTables": "nr_page_table_pages",
    "SReclaimable": "nr_slab_reclaimable",
    "SUnreclaim": "nr_slab_unreclaimable",
    "Inactive(file)": "nr_inactive_file",
    "Active(file)": "nr_active_file",
    "Inactive(anon)": "nr_inactive_anon",
    "Active(anon)": "nr_active_anon",
    "Mlocked": "nr_mlock",
}
_FEWEST_PAGES = 16


def _of_vmstat(meminfo: Mapping[str, int], vmstat: Mapping[str, int]) -> int | None:
    found = [
        _size_of(meminfo[name], vmstat[counter], 0.25)
        for name, counter in _COUNTERS.items()
        if name in meminfo and vmstat.get(counter, 0) >= _FEWEST_PAGES
    ]
    votes = Counter(found).most_common(1)
    if not votes or votes[0][0] is None:
        return None
    size, number = votes[0]
    return size if number >= 2 and 2 * number > len(found) else None


def _size_of(size: int, pages: int, tolerance: float) -> int | None:
    return next((each for each in SIZES if abs(size / (pages * each) - 1) < tolerance), None)


# Names of kernel packages: 6.8.0-45-generic-64k, 5.14.0-503.el9.aarch64+64k-debug, 6.6.30-android15-16k.
_RELEASE = re.compile(r"[-+_](16|64)k(?![0-9a-z])", re.IGNORECASE)


def _of_release(release: str | None) -> int | None:
    match = _RELEASE.search(release or "")
    return int(match[1]) << 10 if match else None


def usual_page_sizes(pageblock_order: int) -> tuple[int, ...]:
    """Return the page sizes, other than 4096, with which kernels have pageblocks of 2**`pageblock_order` pages."""
    return _PAGEBLOCKS.get(pageblock_order, ())


# 2, 32 or 64 MiB with 16 KiB; 2, 256 or 512 MiB with 64 KiB. With 4 KiB, the usual orders are 9 and 10 (2 and 4 MiB).
_PAGEBLOCKS = {5: (65536,), 7: (16384,), 11: (16384,), 12: (16384, 65536), 13: (65536,)}
