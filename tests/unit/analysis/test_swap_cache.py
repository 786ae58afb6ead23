# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages in the swap cache are in memory and in swap, and count once in the total."""

import lzma
import re
from dataclasses import replace
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.swap_cache import is_swap_cache
from spo_trace.api.analyses import ages, attribute, diff
from spo_trace.snapshots.meta import Origin, SwapOwner
from spo_trace.snapshots.reader import Snapshot
from tests.support import CARRIED, FS, MACHINE, entry, page, snapshot_of

CACHED = b"uptodate|lru|owner_priv_1|swapbacked"
OLD = b"Page allocated via order 0, mask 0x0()\nPFN 5 Block 0 type 2          Flags             \n"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # 7.2, 6.12 and 6.1 print the same names.
        ("uptodate|lru|owner_priv_1|reclaim|swapbacked", True),
        # An anonymous page, a page table of Xen, and a page of a file system (PG_checked).
        ("uptodate|lru|swapbacked", False),
        ("owner_priv_1", False),
        ("uptodate|lru|owner_priv_1|private", False),
        # 4.6 to 4.9, and the letter B of 3.19 to 4.5.
        ("uptodate|lru|swapcache|swapbacked", True),
        ("uptodate|swapcache", True),
        ("", False),
    ],
)
def test_the_flags_of_the_swap_cache(names: str, expected: bool) -> None:
    assert is_swap_cache(names) is expected


def test_pages_in_the_swap_cache_count_once(tmp_path: Path) -> None:
    # GIVEN 8 + 1 pages of dd, of which a folio of 8 is in the swap cache with its 8 entries; one more entry; and a page
    # of cat in the swap cache whose entry is that of dd
    pages = page(0x108, 3, flags=CACHED) + page(0x100) + page(0x101, comm=b"cat", flags=CACHED, stack=FS)
    entries = b"".join(map(entry, range(1, 11)))
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": entries})
    # THEN total = memory + swap − swap cache, for each owner and for all
    names = ["mem_pages", "swap_pages", "swap_cache_pages", "total_bytes"]
    table = attribute(snap).set_index("comm")[names]
    assert list(table.loc["dd"]) == [9, 10, 8, 11 * 4096]
    assert list(table.loc["cat"]) == [1, 0, 1, 0]
    assert attribute(snap, [])[names].to_numpy().tolist() == [[10, 10, 9, 11 * 4096]]
    assert attribute(snap, "memcg")["total_bytes"].sum() == ages(snap, [])["total_bytes"].sum() == 11 * 4096
    # AND a selection counts its own pages
    assert attribute(snap, [], where='comm == "cat"')[names].to_numpy().tolist() == [[1, 0, 1, 0]]


def test_a_page_that_enters_the_swap_cache_is_no_growth(tmp_path: Path) -> None:
    files = {**MACHINE, "swap_page_owner": b"", "page_owner": page() + page(0x101, comm=b"cat")}
    before = snapshot_of(tmp_path, files, name="a")
    files |= {"swap_page_owner": entry(1), "page_owner": page(flags=CACHED) + page(0x101, comm=b"cat")}
    after = snapshot_of(tmp_path, files | {"uptime": b"110.00 1.00\n"}, name="b")
    table = diff(before, after).set_index("comm")
    names = [f"{name}_bytes_delta" for name in ("mem", "swap", "swap_cache", "total")]
    assert list(table.loc["dd", names]) == [0, 4096, 4096, 0]
    assert list(table.loc["cat", names]) == [0, 0, 0, 0]


def test_without_flags_the_swap_cache_is_unknown(tmp_path: Path) -> None:
    # GIVEN records without a PFN line, so that the flags are missing
    record = re.sub(rb"PFN .*\n", b"", page())
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": record, "swap_page_owner": entry(1)})
    table = attribute(snap)
    assert table[["swap_cache_pages", "swap_cache_bytes"]].isna().all(axis=None)
    assert table["total_bytes"].tolist() == [8192]
    # AND if nothing is selected, nothing counts twice
    assert attribute(snap, [], where='comm == "nosuch"')["swap_cache_pages"].tolist() == [0]


@pytest.mark.parametrize("missing", ["page_owner", "swap_page_owner"])
def test_nothing_counts_twice_without_memory_or_swap(tmp_path: Path, missing: str) -> None:
    files = {**MACHINE, "page_owner": page(flags=CACHED), "swap_page_owner": entry(1)}
    files.pop(missing)
    table = attribute(snapshot_of(tmp_path, files))
    assert table["swap_cache_bytes"].isna().all() and table["total_bytes"].tolist() == [4096]


@pytest.mark.parametrize("stage", ["2-swapped", "3-partial"])
def test_the_swap_cache_of_a_real_kernel(tmp_path: Path, stage: str) -> None:
    # GIVEN the number of pages with both flags in the text, which is SwapCached of /proc/meminfo
    directory = CARRIED / "7.2-spo-varied" / stage
    text, meminfo = (lzma.decompress((directory / f"{name}.xz").read_bytes()) for name in ("page_owner", "meminfo"))
    # A comm may contain newlines.
    first = rb"^Page allocated via order (\d+)(?:(?!\nPFN )[\s\S])*"
    record = re.compile(first + rb"\nPFN .*\|owner_priv_1\|.*swapbacked.*\n", re.MULTILINE)
    truth = sum(1 << int(order) for order in record.findall(text))
    cached = re.search(rb"SwapCached: +(\d+) kB", meminfo)
    assert cached and truth == int(cached[1]) // 4 > 1000
    # THEN every grouping has this number, and no owner has less than nothing
    snap = spo.snapshot(tmp_path / "x.spo", from_=directory)
    whole = attribute(snap, [])
    assert whole["swap_cache_pages"].tolist() == [truth]
    assert whole["total_bytes"].tolist() == [4096 * int(whole[["mem_pages", "swap_pages"]].sum(axis=1).iloc[0] - truth)]
    for by in (["comm"], ["memcg"], ["type", "order"], ["stack", "pid"]):
        table = attribute(snap, by)
        sums = table[["swap_cache_pages", "total_bytes"]].sum().tolist()
        assert sums == whole[["swap_cache_pages", "total_bytes"]].iloc[0].tolist()
        assert (table["total_bytes"] >= 0).all()


def test_the_probes_do_not_know_every_entry(tmp_path: Path) -> None:
    # GIVEN two pages in the swap cache, and the probes' entry of one of them: the other one is older than the probes
    files = {**MACHINE, "page_owner": page(flags=CACHED) + page(0x101, ts=6, flags=CACHED), "swap_page_owner": entry(1)}
    snap = probed(snapshot_of(tmp_path, files))
    # THEN only the first one counts twice
    table = attribute(snap, [])
    assert table[["swap_cache_pages", "total_bytes"]].to_numpy().tolist() == [[1, 8192]]


def probed(snap: Snapshot) -> Snapshot:
    """Return `snap` as if its swap entries were from the probes."""
    snap.meta = replace(snap.meta, swap_owner=SwapOwner(origin=Origin.BPF))
    return snap


def test_the_flags_of_a_damaged_record_do_not_matter(tmp_path: Path) -> None:
    pages = page(flags=CACHED) + re.sub(rb"PFN .*\n", b"", page(0x101))
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": entry(1)})
    assert attribute(snap, [])["swap_cache_pages"].tolist() == [1]
