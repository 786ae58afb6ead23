# SPDX-License-Identifier: LGPL-2.1-or-later
"""The size of a machine's pages: what tells it, which evidence counts for most, and what contradicts it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from spo_trace.errors import UsageError
from spo_trace.formats import proc

__all__ = ["SIZES", "Evidence", "PageSizeFrom", "contradictions", "evidence", "parse_page_size"]

# Of any architecture: 4 KiB to 256 KiB.
SIZES = tuple(1 << shift for shift in range(12, 19))


class PageSizeFrom(StrEnum):
    """Name what told the page size; the value is the code that snapshot.json keeps."""

    OPTION = "option"
    PAGESIZE = "pagesize"
    GETCONF = "getconf"
    ZONEINFO = "zoneinfo"
    VMSTAT = "vmstat"
    RELEASE = "release"
    ASSUMED = "assumed"

    @property
    def text(self) -> str:
        """Return the evidence in words."""
        return _TEXTS[self]


_TEXTS = {
    PageSizeFrom.OPTION: "--page-size",
    PageSizeFrom.PAGESIZE: "getconf PAGESIZE",
    PageSizeFrom.GETCONF: "getconf -a",
    PageSizeFrom.ZONEINFO: "MemTotal / managed pages",
    PageSizeFrom.VMSTAT: "meminfo / vmstat",
    PageSizeFrom.RELEASE: "the kernel's release",
    PageSizeFrom.ASSUMED: "assumed",
}


class Evidence(NamedTuple):
    """Hold a page size in bytes and what told it."""

    size: int
    source: PageSizeFrom


def parse_page_size(text: str | int) -> int:
    """Return the bytes of a page size such as 4096, 16K, 64K or 64KiB; raise UsageError if no machine has it."""
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
    """Return what a machine's files say of its page size, the surest first; empty if none says anything.

    `read` gives a file of PATHS, `meminfo` is in bytes.
    """
    vmstat = proc.vmstat(read("vmstat"))
    found = (
        (_of_pagesize(read("pagesize")), PageSizeFrom.PAGESIZE),
        (_of_getconf(read("getconf")), PageSizeFrom.GETCONF),
        (_of_zones(meminfo, zones), PageSizeFrom.ZONEINFO),
        (_of_vmstat(meminfo, vmstat), PageSizeFrom.VMSTAT),
        (_of_release(release), PageSizeFrom.RELEASE),
    )
    return [Evidence(size, source) for size, source in found if size is not None]


def _of_pagesize(text: bytes) -> int | None:
    return next((size for size in SIZES if text.strip() == b"%d" % size), None)


def _of_getconf(text: bytes) -> int | None:
    match = re.search(rb"^PAGE_?SIZE\s+(\d{1,7})\s*$", text, re.MULTILINE)
    return int(match[1]) if match and int(match[1]) in SIZES else None


# No /proc file prints the page size, but meminfo counts in kB what zoneinfo and vmstat count in pages.
def _of_zones(meminfo: Mapping[str, int], zones: Sequence[proc.Zone]) -> int | None:
    managed = sum(zone["managed"] for zone in zones)
    return _size_of(meminfo.get("MemTotal", 0), managed, 0.1) if managed else None


# The two files are read one after the other: counters move, and most must agree.
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
    told = [
        _size_of(meminfo[name], vmstat[counter], 0.25)
        for name, counter in _COUNTERS.items()
        if name in meminfo and vmstat.get(counter, 0) >= _FEWEST_PAGES
    ]
    votes = Counter(told).most_common(1)
    if not votes or votes[0][0] is None:
        return None
    size, number = votes[0]
    return size if number >= 2 and 2 * number > len(told) else None


def _size_of(size: int, pages: int, tolerance: float) -> int | None:
    return next((each for each in SIZES if abs(size / (pages * each) - 1) < tolerance), None)


# Names of kernel packages: 6.8.0-45-generic-64k, 5.14.0-503.el9.aarch64+64k-debug, 6.6.30-android15-16k.
_RELEASE = re.compile(r"[-+_](16|64)k(?![0-9a-z])", re.IGNORECASE)


def _of_release(release: str | None) -> int | None:
    match = _RELEASE.search(release or "")
    return int(match[1]) << 10 if match else None


def contradictions(
    size: int, source: PageSizeFrom, found: Sequence[Evidence], pageblock_order: int | None
) -> Iterator[str]:
    """Yield what speaks against the page size `size`, a sentence each.

    `pageblock_order`: base-2 logarithm of a pageblock's pages, None if unknown.
    """
    for other, by in found:
        if other != size and by != source:
            yield f"the page size {size} ({source.text}) is contradicted by {by.text}: {other}"
    if source not in (PageSizeFrom.ASSUMED, PageSizeFrom.OPTION, PageSizeFrom.RELEASE) or pageblock_order is None:
        return
    # 2 MiB or 4 MiB with 4 KiB; 32 MiB with 16 KiB; 512 MiB, 16 MiB or 2 MiB with 64 KiB.
    usual = _PAGEBLOCKS.get(pageblock_order)
    if size == 4096 and usual is not None:
        yield (
            f"a pageblock has 2**{pageblock_order} pages (PFN / Block): that contradicts a page size of 4096, and is "
            f"usual for {usual}; give --page-size (getconf PAGESIZE tells it on the machine)"
        )


_PAGEBLOCKS = {5: "65536", 7: "16384", 11: "16384", 12: "16384 or 65536", 13: "65536"}
