# SPDX-License-Identifier: LGPL-2.1-or-later
"""The /proc files (and uname) that a snapshot contains besides page_owner."""

import re
from typing import TypedDict

from spo_trace.formats.escape import escape
from spo_trace.limits import MAX_MEMORY_BYTES, MAX_ORDER, MAX_PROCESSORS

__all__ = [
    "FreeBlocks",
    "SwapArea",
    "Uname",
    "Zone",
    "buddyinfo",
    "meminfo",
    "memory_block_bytes",
    "one_line",
    "processors",
    "swaps",
    "uname",
    "uptime_seconds",
    "vmstat",
    "zoneinfo",
]


class SwapArea(TypedDict):
    """Hold a line of /proc/swaps; `size` and `used` in bytes."""

    filename: str
    kind: str
    size: int
    used: int
    priority: int


class Zone(TypedDict):
    """Hold a zone of /proc/zoneinfo, in pages; `pcp` is on per-CPU lists: free, but not counted in `free`."""

    node: int
    name: str
    free: int
    managed: int
    present: int
    spanned: int
    start_pfn: int
    pcp: int


class FreeBlocks(TypedDict):
    """Hold a zone of /proc/buddyinfo: the number of free blocks of each order, from 0."""

    node: int
    name: str
    blocks: list[int]


class Uname(TypedDict):
    """Hold the fields of `uname -a` that identify a kernel."""

    host: str
    release: str
    version: str
    arch: str


_MEMINFO = re.compile(rb"^([^:\n]+):[ \t]+(\d{1,18})( kB)?\r?$", re.MULTILINE)
_VMSTAT = re.compile(rb"^(\S+) (-?\d{1,20})\r?$", re.MULTILINE)
# The name column has blanks, tabs, newlines and backslashes as octal escapes (seq_file_path(), mm/swapfile.c).
# Amounts of 13 digits, also in KiB, are less than limits.MAX_JSON_AMOUNT.
_SWAPS = re.compile(
    rb"^(\S+(?: \(deleted\))?)[ \t]+(\S+)[ \t]+(\d{1,13})[ \t]+(\d{1,13})[ \t]+(-?\d{1,9})\r?$", re.MULTILINE
)
_SWAPS_HEADER = re.compile(rb"^Filename[ \t]+Type\b.*\n", re.MULTILINE)
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_ZONE = re.compile(rb"^Node (\d{1,9}), zone[ \t]+(\S+)\r?$", re.MULTILINE)
_PCP = re.compile(rb"^[ \t]+cpu: \d+\r?\n[ \t]+count:[ \t]+(\d{1,13})\r?$", re.MULTILINE)
_PROCESSOR = re.compile(rb"^[ \t]+cpu: (\d{1,9})\r?$", re.MULTILINE)
_FREE_BLOCKS = re.compile(
    rb"^Node (\d{1,9}), zone[ \t]+(\S+)((?:[ \t]+\d{1,13}){1,%d})[ \t]*\r?$" % (MAX_ORDER + 1), re.MULTILINE
)
_BLOCK_SIZE = re.compile(rb"(?:0x)?([0-9a-f]{1,16})")

# What uname -a prints after the machine: the operating system (coreutils and busybox, Alpine, Android), or "unknown"
# for the processor.
_OPERATING_SYSTEMS = ("GNU/Linux", "Linux", "Toybox", "Android", "unknown")


def meminfo(text: bytes) -> dict[str, int]:
    """Return the values of /proc/meminfo in bytes; counts, such as HugePages_Total, are unchanged."""
    return {escape(m[1]): int(m[2]) * (1024 if m[3] else 1) for m in _MEMINFO.finditer(text)}


def vmstat(text: bytes) -> dict[str, int]:
    """Return the counters of /proc/vmstat; most count pages or events."""
    return {escape(m[1]): int(m[2]) for m in _VMSTAT.finditer(text)}


def swaps(text: bytes) -> list[SwapArea]:
    """Return the lines of /proc/swaps, in its order: by swap type, without unused types.

    Of a text that was read twice, the last list is returned.
    """
    for header in _SWAPS_HEADER.finditer(text):
        text = header.string[header.end() :]
    return [
        SwapArea(
            filename=escape(_OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), m[1])),
            kind=escape(m[2]),
            size=int(m[3]) * 1024,
            used=int(m[4]) * 1024,
            priority=int(m[5]),
        )
        for m in _SWAPS.finditer(text)
    ]


def zoneinfo(text: bytes) -> list[Zone]:
    """Return the zones of /proc/zoneinfo that have pages; of a zone that is listed twice, the last."""
    starts = list(_ZONE.finditer(text))
    ends = [*(m.start() for m in starts[1:]), len(text)]
    zones = (_zone(m, text[m.end() : end]) for m, end in zip(starts, ends, strict=False))
    last = {(zone["node"], zone["name"]): zone for zone in zones}
    return [zone for zone in last.values() if zone["managed"] or zone["free"]]


def _zone(head: re.Match[bytes], text: bytes) -> Zone:
    def number(pattern: bytes) -> int:
        match = re.search(rb"^[ \t]+" + pattern + rb"[ \t]+(\d{1,13})\r?$", text, re.MULTILINE)
        return int(match[1]) if match else 0

    return Zone(
        node=int(head[1]),
        name=escape(head[2]),
        free=number(rb"pages free"),
        managed=number(rb"managed"),
        present=number(rb"present"),
        spanned=number(rb"spanned"),
        start_pfn=number(rb"start_pfn:"),
        pcp=sum(int(count) for count in _PCP.findall(text)),
    )


def processors(text: bytes) -> int | None:
    """Return the number of processors that /proc/zoneinfo has, None if it has none, or more than Linux supports."""
    number = len({match[1] for match in _PROCESSOR.finditer(text)})
    return number if 0 < number <= MAX_PROCESSORS else None


def buddyinfo(text: bytes) -> list[FreeBlocks]:
    """Return the zones of /proc/buddyinfo; of a zone that is listed twice, the last."""
    zones = (
        FreeBlocks(node=int(m[1]), name=escape(m[2]), blocks=[int(number) for number in m[3].split()])
        for m in _FREE_BLOCKS.finditer(text)
    )
    return list({(zone["node"], zone["name"]): zone for zone in zones}.values())


def memory_block_bytes(text: bytes) -> int | None:
    """Return the bytes of a memory block from /sys/devices/system/memory/block_size_bytes, None if it has none.

    The kernel prints hexadecimal digits without a prefix, and refuses other sizes than powers of two
    (memory_dev_init(), drivers/base/memory.c).
    """
    match = _BLOCK_SIZE.fullmatch(text.strip())
    size = int(match[1], 16) if match else 0
    return size if size.bit_count() == 1 and size <= MAX_MEMORY_BYTES else None


def uname(text: bytes) -> Uname:
    """Return the fields of `uname -a` text ("Linux host release version… machine [system]"), empty if it is too short.

    The processor and the platform, which some distributions print after the machine, are ignored.
    """
    words = [escape(word) for word in text.split()]
    while words and words[-1] in _OPERATING_SYSTEMS:
        words.pop()
    if len(words) < 4:
        return Uname(host="", release="", version="", arch="")
    tail = words[3:]
    arch = tail[-1]
    while tail and tail[-1] == arch:
        tail.pop()
    return Uname(host=words[1], release=words[2], version=" ".join(tail), arch=arch)


def uptime_seconds(text: bytes) -> float | None:
    """Return the first number of /proc/uptime: seconds since boot."""
    match = re.match(rb"(\d{1,15}(?:\.\d{1,9})?)\b", text)
    return float(match[1]) if match else None


def one_line(text: bytes) -> str:
    """Return the text of a file of one line (cmdline, boot_id, osrelease), escaped."""
    return escape(text.strip(b"\r\n\0 "))
