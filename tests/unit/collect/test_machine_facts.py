# SPDX-License-Identifier: LGPL-2.1-or-later
"""Facts of a machine beside page_owner."""

import pytest

from spo_trace.collect.machine_facts import address_bits, facts_after, facts_before
from spo_trace.snapshots.meta import MachineFacts
from spo_trace.snapshots.page_size import PageSizeFrom
from tests.support import MACHINE, FakeSource, meminfo, swaps


def zoneinfo(managed: int) -> bytes:
    """Return a /proc/zoneinfo of one zone."""
    zone = b"Node 0, zone   Normal\n  pages free     5\n        managed  %d\n" % managed
    return zone + b"  pagesets\n    cpu: 0\n              count: 3\n"


def test_page_owner_alone_gives_no_facts() -> None:
    warnings: list[str] = []
    facts = facts_before(FakeSource({}), warnings)
    assert facts == MachineFacts(4096, PageSizeFrom.ASSUMED, page_size_evidence=[], zoneinfo=[], swaps=[], buddyinfo=[])
    assert facts_after(FakeSource({}), facts, warnings) == facts
    assert warnings == []


def test_a_complete_capture_gives_all_facts() -> None:
    files = {
        **MACHINE,
        "date": b"2026-01-02T03:04:05Z\n",
        "meminfo": meminfo(),
        "swaps": swaps(vda=3),
        "vmstat": b"pswpin 7\n",
        "cmdline": b"page_owner=on \x1b[1m\n",
        "meminfo-after": meminfo(free=899),
        "uptime-after": b"103.50 9\n",
    }
    facts = facts_before(FakeSource(files), [])
    assert {
        name: getattr(facts, name) for name in ("host", "kernel_release", "kernel_version", "arch", "taken_at")
    } == {
        "host": "box",
        "kernel_release": "7.2.13",
        "kernel_version": "#1 SMP Mon",
        "arch": "x86_64",
        "taken_at": "2026-01-02T03:04:05Z",
    }
    assert (facts.boot_id, facts.uptime_start) == ("11111111-2222-3333-4444-555555555555", 100.0)
    assert facts.cmdline == "page_owner=on \\033[1m"
    assert facts.meminfo["MemFree"] == 900 * 4096
    assert [area["used"] for area in facts.swaps] == [3 * 4096]
    assert facts.vmstat == {"pswpin": 7}
    after = facts_after(FakeSource(files), facts, [])
    assert (after.uptime_end, after.meminfo_after["MemFree"]) == (103.5, 899 * 4096)


@pytest.mark.parametrize("told", [4096, 8192, 16384, 65536, 262144])
def test_the_page_size_in_a_capture(told: int) -> None:
    facts = facts_before(FakeSource({"pagesize": b"%d\n" % told}), [])
    assert (facts.page_size, facts.page_size_from) == (told, "pagesize")


@pytest.mark.parametrize("told", [b"", b"0", b"3", b"-4096", b"4097", b"9" * 5000, b"4096 4096", "٤٠٩٦".encode()])
def test_an_invalid_page_size_is_ignored(told: bytes) -> None:
    facts = facts_before(FakeSource({"pagesize": told}), [])
    assert (facts.page_size, facts.page_size_from) == (4096, "assumed")


@pytest.mark.parametrize("size", [4096, 8192, 16384, 65536])
@pytest.mark.parametrize("missing", [0, 5])
def test_the_page_size_from_meminfo_and_zoneinfo(size: int, missing: int) -> None:
    files = {"meminfo": meminfo(total=1000 - missing, page_kib=size // 1024), "zoneinfo": zoneinfo(1000)}
    facts = facts_before(FakeSource(files), [])
    assert (facts.page_size, facts.page_size_from) == (size, "zoneinfo")


def test_contradicting_meminfo_and_zoneinfo_give_no_page_size() -> None:
    facts = facts_before(FakeSource({"meminfo": meminfo(total=1000), "zoneinfo": zoneinfo(1500)}), [])
    assert facts.page_size_from == "assumed"


def test_an_incomplete_file_is_left_out_with_a_warning() -> None:
    # Half of the zones would double the page size.
    files = {"meminfo": meminfo(total=1000), "zoneinfo": zoneinfo(500), "meminfo-after": meminfo()}
    problems = dict.fromkeys(("zoneinfo", "meminfo-after"), "reading the input failed: Truncated")
    source, warnings = FakeSource(files, problems=problems), list[str]()
    facts = facts_after(source, facts_before(source, warnings), warnings)
    assert (facts.page_size, facts.page_size_from, facts.zoneinfo) == (4096, "assumed", [])
    assert facts.meminfo_after == {}
    assert warnings == [
        "zoneinfo: reading the input failed: Truncated; it is left out",
        "meminfo-after: reading the input failed: Truncated; it is left out",
    ]


def test_the_width_of_a_long() -> None:
    wide = [None, "", "x86_64", "aarch64", "arm64", "ppc64le", "ppc64", "mips64el", "riscv64", "s390x", "sparc64"]
    narrow = ["armv7l", "arm", "i686", "i386", "ppc", "mips", "riscv32", "s390"]
    assert [address_bits(arch) for arch in wide] == [64] * len(wide)
    assert [address_bits(arch) for arch in narrow] == [32] * len(narrow)
