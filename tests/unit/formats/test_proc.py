# SPDX-License-Identifier: LGPL-2.1-or-later
"""The /proc files of several kernels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spo_trace.formats import proc
from spo_trace.formats.escape import unescape
from spo_trace.limits import MAX_JSON_AMOUNT

MEMINFO = (
    b"MemTotal:         469748 kB\nMemFree:          369540 kB\nActive(anon):       8256 kB\nHugePages_Total:       3\n"
)
VMSTAT = b"nr_free_pages 92368\npswpin 0\nnr_unstable -3\nthp_split_page 18446744073709551615\n"
SWAPS_5_4 = (
    b"Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n/dev/sda2                               partition\t2097148\t0\t-2\n"
)
SWAPS_7_2 = (
    b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    b"/dev/vda                                partition\t524284\t\t45568\t\t10\n"
    b"/swap\\040file\\011\\134x\\012                    file\t\t24572\t\t24572\t\t-1\n"
    b"/gone\\040(deleted)                      file\t\t4\t\t0\t\t-3\n"
    b"/dev/zram0 (deleted)                    partition\t8\t4\t100\n"
)
ZONEINFO = (
    b"Node 0, zone      DMA\n  per-node stats\n      nr_inactive_anon 13221\n      nr_zone_managed 5\n"
    b"  pages free     3840\n        boost    0\n        min      69\n        spanned  4095\n        present  3998\n"
    b"        managed  3840\n        cma      0\n        protection: (0, 1806, 1806)\n      nr_free_pages 3840\n"
    b"  pagesets\n    cpu: 0\n              count: 11\n              high:  0\n  vm stats threshold: 4\n"
    b"    cpu: 1\n              count:    31\n              high:     0\n  node_unreclaimable:  0\n"
    b"  start_pfn:           1\n"
    b"Node 0, zone   Normal\n  pages free     0\n        spanned  0\n        present  0\n        managed  0\n"
    b"Node 12, zone  Movable\n  pages free     7\n        spanned  32768\n        present  32768\n"
    b"        managed  32000\n"
    b"  start_pfn:         1048576\n"
)
UNAMES = {
    "Debian": (
        b"Linux deb 6.12.95+deb13-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.12.95-1 (2026-05-01) x86_64 GNU/Linux\n",
        ("deb", "6.12.95+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.95-1 (2026-05-01)", "x86_64"),
    ),
    "Fedora": (
        b"Linux fedora 6.11.4-301.fc41.x86_64 #1 SMP PREEMPT_DYNAMIC Sun Oct 20 15:02:33 UTC 2024"
        b" x86_64 x86_64 x86_64 GNU/Linux\n",
        ("fedora", "6.11.4-301.fc41.x86_64", "#1 SMP PREEMPT_DYNAMIC Sun Oct 20 15:02:33 UTC 2024", "x86_64"),
    ),
    "Debian on arm64": (
        b"Linux pi 6.1.0-13-arm64 #1 SMP Debian 6.1.55-1 (2023-09-29) aarch64 GNU/Linux\n",
        ("pi", "6.1.0-13-arm64", "#1 SMP Debian 6.1.55-1 (2023-09-29)", "aarch64"),
    ),
    "busybox": (
        b"Linux (none) 7.2.13-spo #3 SMP PREEMPT Sun Nov 22 22:37:01 UTC 2026 x86_64 GNU/Linux\n",
        ("(none)", "7.2.13-spo", "#3 SMP PREEMPT Sun Nov 22 22:37:01 UTC 2026", "x86_64"),
    ),
    "old busybox": (
        b"Linux box 2.6.33.7 #5 Tue Oct 9 15:54:15 CEST 2012 armv5tejl unknown\n",
        ("box", "2.6.33.7", "#5 Tue Oct 9 15:54:15 CEST 2012", "armv5tejl"),
    ),
    "old coreutils": (
        b"Linux box 2.6.33.7 #5 Tue Oct 9 15:54:15 CEST 2012 ppc unknown unknown GNU/Linux\n",
        ("box", "2.6.33.7", "#5 Tue Oct 9 15:54:15 CEST 2012", "ppc"),
    ),
    "Alpine": (
        b"Linux alp 6.6.7-0-lts #1-Alpine SMP PREEMPT_DYNAMIC Thu, 14 Dec 2023 13:20:50 +0000 x86_64 Linux\n",
        ("alp", "6.6.7-0-lts", "#1-Alpine SMP PREEMPT_DYNAMIC Thu, 14 Dec 2023 13:20:50 +0000", "x86_64"),
    ),
    "Android": (
        b"Linux localhost 6.1.129-android14-11-g4cadbfbbe186 #1 SMP PREEMPT Fri Apr 25 02:03:44 UTC 2025"
        b" aarch64 Toybox\n",
        ("localhost", "6.1.129-android14-11-g4cadbfbbe186", "#1 SMP PREEMPT Fri Apr 25 02:03:44 UTC 2025", "aarch64"),
    ),
}


@pytest.mark.parametrize("name", UNAMES)
def test_uname(name: str) -> None:
    text, (host, release, version, arch) = UNAMES[name]
    assert proc.uname(text) == {"host": host, "release": release, "version": version, "arch": arch}
    assert proc.uname(text.strip().replace(b" x", b"  x")) == proc.uname(text)


@pytest.mark.parametrize("text", [b"", b"Linux\n", b"Linux a 6.1\n", b"Linux a 6.1 GNU/Linux\n", b"\xff \x1b[m"])
def test_text_that_is_not_uname(text: bytes) -> None:
    assert proc.uname(text) == {"host": "", "release": "", "version": "", "arch": ""}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_meminfo_and_vmstat(end: bytes) -> None:
    assert proc.meminfo(MEMINFO.replace(b"\n", end)) == {
        "MemTotal": 469748 * 1024,
        "MemFree": 369540 * 1024,
        "Active(anon)": 8256 * 1024,
        "HugePages_Total": 3,
    }
    assert proc.vmstat(VMSTAT.replace(b"\n", end)) == {
        "nr_free_pages": 92368,
        "pswpin": 0,
        "nr_unstable": -3,
        "thp_split_page": 2**64 - 1,
    }


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_swaps(end: bytes) -> None:
    # GIVEN both headers, and names with all characters that the kernel escapes
    old, new = (proc.swaps(text.replace(b"\n", end)) for text in (SWAPS_5_4, SWAPS_7_2))
    # THEN sizes are in bytes, and names are unescaped
    assert old == [{"filename": "/dev/sda2", "kind": "partition", "size": 2097148 * 1024, "used": 0, "priority": -2}]
    assert [tuple(area.values()) for area in new] == [
        ("/dev/vda", "partition", 524284 * 1024, 45568 * 1024, 10),
        ("/swap file\\011\\\\x\\n", "file", 24572 * 1024, 24572 * 1024, -1),
        ("/gone (deleted)", "file", 4096, 0, -3),
        ("/dev/zram0 (deleted)", "partition", 8192, 4096, 100),
    ]
    assert unescape(new[1]["filename"]) == b"/swap file\t\\x\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_zoneinfo(end: bytes) -> None:
    # GIVEN a zone with pages, an empty one, and one on another node
    zones = proc.zoneinfo(ZONEINFO.replace(b"\n", end))
    # THEN the zones with pages are there, with the pages of their per-CPU lists
    assert [tuple(zone.values()) for zone in zones] == [
        (0, "DMA", 3840, 3840, 3998, 4095, 1, 42),
        (12, "Movable", 7, 32000, 32768, 32768, 1048576, 0),
    ]
    assert list(zones[0]) == ["node", "name", "free", "managed", "present", "spanned", "start_pfn", "pcp"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"12345.67 9000.01\n", 12345.67),
        (b"7\n", 7.0),
        (b"", None),
        (b"up\n", None),
        (b"1" * 5000, None),
    ],
)
def test_uptime(text: bytes, seconds: float | None) -> None:
    assert proc.uptime_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"console=ttyS0 page_owner=on,swap\n", "console=ttyS0 page_owner=on,swap"),
        (b"quiet \r\n", "quiet"),
        (b"\0\n", ""),
        (b'x="a b" \xff\x1b[m\n', 'x="a b" \\377\\033[m'),
    ],
)
def test_a_file_of_one_line(text: bytes, line: str) -> None:
    assert proc.one_line(text) == line


@pytest.mark.parametrize("digits", [19, 21, 5000])
def test_numbers_that_no_kernel_prints_are_ignored(digits: int) -> None:
    number = b"9" * digits
    assert proc.meminfo(b"MemTotal: " + number + b" kB\n" + MEMINFO[:28]) == {"MemTotal": 469748 * 1024}
    assert proc.swaps(b"/dev/a partition " + number + b" 0 0\n") == []
    assert [zone["pcp"] for zone in proc.zoneinfo(ZONEINFO.replace(b"31\n", number + b"\n"))] == [11, 0]
    assert proc.vmstat(b"a 1\nb " + b"9" * max(digits, 21) + b"\n") == {"a": 1}


def test_amounts_that_are_read_fit_a_snapshot() -> None:
    # GIVEN amounts of 13 and 14 digits
    largest, larger = b"9" * 13, b"9" * 14
    areas = proc.swaps(b"/dev/a partition %b %b 0\n/dev/b partition 5 %b 0\n" % (largest, largest, larger))
    # THEN those of 14 digits are ignored, and the others are within the limit of snapshot.json
    assert [(area["filename"], area["used"] <= MAX_JSON_AMOUNT) for area in areas] == [("/dev/a", True)]
    found = [zone["pcp"] for zone in proc.zoneinfo(ZONEINFO.replace(b"31\n", larger + b"\n"))]
    assert found == [11, 0]


@given(st.binary(max_size=300), st.integers(0, 900))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_read_without_an_exception(junk: bytes, at: int) -> None:
    for read, text in (
        (proc.meminfo, MEMINFO),
        (proc.swaps, SWAPS_7_2),
        (proc.zoneinfo, ZONEINFO),
        (proc.uname, b"L h r v"),
        (proc.buddyinfo, BUDDYINFO),
    ):
        assert "\x1b" not in repr(read(text[:at] + junk + text[at:]))


@pytest.mark.parametrize("filler", [b"\n", b" ", b"\t\n", b"a\n", b"a:\n", b"    cpu: 0\n"])
def test_long_fillers_take_linear_time(filler: bytes) -> None:
    # GIVEN half a megabyte that would take a backtracking pattern hours
    junk = filler * (500_000 // len(filler))
    assert proc.meminfo(junk + b"\nA: 1\n")["A"] == 1
    assert len(proc.swaps(junk + b"\n" + SWAPS_7_2)) == 4
    assert [zone["managed"] for zone in proc.zoneinfo(ZONEINFO + junk)] == [3840, 32000]
    assert len(proc.buddyinfo(junk + b"\n" + BUDDYINFO)) == 2


def test_a_file_that_was_read_twice_counts_once() -> None:
    swaps = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2 partition\t8\t%d\t-2\n/f file\t8\t0\t-3\n"
    assert proc.swaps(swaps % 1 + swaps % 2) == proc.swaps(swaps % 2)
    zone = b"Node 0, zone %b\n  pages free %d\n        managed  9\n"
    once = zone % (b"DMA", 2) + zone % (b"Normal", 3)
    assert proc.zoneinfo(zone % (b"DMA", 1) + once) == proc.zoneinfo(once)


# Of a guest with 491 MiB (6.1).
BUDDYINFO = (
    b"Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 \n"
    b"Node 0, zone    DMA32     13      9      6      3      3      4      5      4      3      2     65 \n"
)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_buddyinfo(end: bytes) -> None:
    zones = proc.buddyinfo(BUDDYINFO.replace(b"\n", end) * 2)
    assert [(zone["node"], zone["name"]) for zone in zones] == [(0, "DMA"), (0, "DMA32")]
    assert zones[1]["blocks"] == [13, 9, 6, 3, 3, 4, 5, 4, 3, 2, 65]
    assert proc.buddyinfo(b"Node 0, zone DMA" + b" 1" * 24) == []


def test_processors() -> None:
    # Each zone has a list for each processor.
    lists = b"".join(b"    cpu: %d\n              count: 0\n" % number for number in (0, 1, 5))
    assert proc.processors(b"Node 0, zone DMA\n%bNode 0, zone DMA32\n%b" % (lists, lists)) == 3
    assert proc.processors(b"Node 0, zone DMA\n  pages free 1\n") is None
    assert proc.processors(b"".join(b"    cpu: %d\n" % number for number in range(9000))) is None
