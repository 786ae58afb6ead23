# SPDX-License-Identifier: LGPL-2.1-or-later
"""What reclaims a page, compared with the flags of real kernels' pages and with /proc/meminfo."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

from spo_trace.analysis.reclaimable import reclaimable_of
from spo_trace.api.analyses import attribute, export
from spo_trace.api.snapshot import snapshot
from spo_trace.errors import SpoTraceError
from spo_trace.snapshots.reader import Snapshot
from tests.oracle import awk
from tests.oracle.captures import CARRIED, read
from tests.support import ANON, FS, MACHINE, SHMEM, entry, in_process, page, snapshot_of

KINDS = sorted((CARRIED.parent / "captures-kinds").iterdir())
STAGES = [CARRIED / "7.2-stock/2-swapped", CARRIED / "7.2-spo-varied/2-swapped", *KINDS]
SCRATCH = TemporaryDirectory()

# Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h).
DIRTY, LRU, WRITEBACK, ANONYMOUS, SWAP_BACKED, UNEVICTABLE = BITS = (4, 5, 8, 12, 14, 18)


def mask(*numbers: int) -> np.uint64:
    """Return a word with these bits."""
    return np.uint64(sum(1 << number for number in numbers))


def of_name(stage: Path) -> str:
    return f"{stage.parent.name}/{stage.name}"


@cache
def taken(stage: Path) -> Snapshot:
    return snapshot(from_=stage, output=Path(SCRATCH.name) / f"{of_name(stage).replace('/', '-')}.spo")


@cache
def sums(stage: Path) -> dict[str, int]:
    table = attribute(taken(stage), "reclaimable").dropna(subset=["reclaimable"])
    return dict(zip(table["reclaimable"], map(int, table["mem_pages"]), strict=True))


@pytest.mark.parametrize("stage", STAGES, ids=of_name)
def test_pages_are_what_awk_makes_of_their_flags(stage: Path) -> None:
    lines = (line.split(b"\t") for line in awk.run("reclaimable.awk", read(stage, "page_owner")))
    expected = {kind.decode(): int(pages) for pages, kind in lines}
    found = {kind: pages for kind, pages in sums(stage).items() if kind != "reclaimable slab"}
    assert found == expected
    assert len(found) >= 2


@pytest.mark.parametrize("stage", KINDS, ids=of_name)
def test_no_page_contradicts_its_flags(stage: Path) -> None:
    # GIVEN pages whose flags were the same before and after page_owner was read
    snap = taken(stage)
    rows = snap.read("pages", ["pfn", "page_flag_names", "migratetype", "stack_id"])
    before, after = (np.frombuffer(read(stage, f"kpageflags-{when}"), "<u8") for when in ("before", "after"))
    pfns = rows["pfn"].to_numpy("int64")
    same = (before[pfns] ^ after[pfns]) & mask(*BITS) == 0
    rows, bits = rows[same], before[pfns[same]]
    categories = snap.stacks["category"].take(rows["stack_id"])
    of_rows = zip(rows["page_flag_names"], categories, rows["migratetype"], strict=True)
    kinds = np.array([reclaimable_of(*row) or "?" for row in of_rows])
    # THEN no page has a bit that its kind excludes, or lacks those that it implies
    for kind, has, lacks in (
        ("anonymous", [ANONYMOUS, SWAP_BACKED], [UNEVICTABLE]),
        ("tmpfs", [SWAP_BACKED], [ANONYMOUS, UNEVICTABLE]),
        ("clean page cache", [LRU], [DIRTY, WRITEBACK, SWAP_BACKED, ANONYMOUS, UNEVICTABLE]),
        ("dirty page cache", [DIRTY], [SWAP_BACKED, ANONYMOUS, UNEVICTABLE]),
        ("unevictable", [UNEVICTABLE], []),
    ):
        of_kind = bits[kinds == kind]
        assert np.all(of_kind & mask(*has) == mask(*has)), kind
        assert not np.any(of_kind & mask(*lacks)), kind
    # AND what is unknown is on no list of the kernel that it reclaims from, except early memory
    listed = bits[(kinds == "?") & (categories != "early boot").to_numpy(bool)] & mask(LRU)
    assert np.count_nonzero(listed) <= len(kinds) // 100
    assert np.count_nonzero(kinds != "?") > 1_000


@pytest.mark.parametrize("stage", STAGES, ids=of_name)
def test_the_sums_are_those_of_meminfo(stage: Path) -> None:
    found, meminfo = sums(stage), taken(stage).meta.machine.meminfo
    size = taken(stage).page_size
    expected = {
        "clean page cache": meminfo["Cached"] + meminfo["Buffers"] - meminfo["Shmem"],
        "reclaimable slab": meminfo["SReclaimable"],
        "unevictable": meminfo["Unevictable"],
    }
    expected["swap-backed"] = meminfo["AnonPages"] + meminfo["Shmem"] + meminfo.get("SwapCached", 0)
    swap_backed = found.get("anonymous", 0) + found.get("tmpfs", 0)
    # Unevictable pages of these runs are in tmpfs without swap.
    found = {**found, "swap-backed": swap_backed + found.get("unevictable", 0)}
    found["clean page cache"] = found.get("clean page cache", 0) + found.get("dirty page cache", 0)
    for kind, amount in expected.items():
        pages = amount // size
        # Memory changes while page_owner is read: the reader allocates itself, and page cache is dropped
        assert abs(found.get(kind, 0) - pages) <= max(600, pages // 50), kind


@pytest.mark.parametrize(
    ("flags", "category", "migratetype", "kind"),
    [
        ("uptodate|lru", "page cache", "Movable", "clean page cache"),
        ("uptodate|lru|dirty", "page cache", "Movable", "dirty page cache"),
        ("uptodate|lru|writeback", "other", None, "dirty page cache"),
        ("uptodate|lru|swapbacked", "anon", "Movable", "anonymous"),
        ("uptodate|swapbacked", "anon", "Movable", "anonymous"),
        ("uptodate|lru|swapbacked|dirty", "tmpfs/shmem", "Movable", "tmpfs"),
        ("uptodate|lru|swapbacked|dirty|unevictable", "tmpfs/shmem", "Movable", "unevictable"),
        ("uptodate|lru|mlocked", "page cache", "Movable", "unevictable"),
        ("uptodate|lru", "anon", "Movable", "lazily freed"),
        ("head", "slab", "Reclaimable", "reclaimable slab"),
        ("slab", "slab", "Unmovable", None),
        ("uptodate|lru|swapbacked", "other", "Movable", None),
        ("uptodate", "page cache", "Movable", None),
        ("", "vmalloc", "Unmovable", None),
        ("", "driver", "Reclaimable", None),
    ],
)
def test_flags_and_stacks(flags: str, category: str, migratetype: str | None, kind: str | None) -> None:
    assert reclaimable_of(flags, category, migratetype) == kind


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with a page of each of four kinds, and one in swap."""
    pages = (
        page(0x100, 3, stack=FS, flags=b"uptodate|lru")
        + page(0x108, 1, b"cat", stack=ANON, flags=b"uptodate|lru|swapbacked")
        + page(0x200, stack=SHMEM, flags=b"uptodate|lru|swapbacked|unevictable")
        + page(0x201, stack=SHMEM, flags=b"uptodate")
    )
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": entry(1)})


def test_it_groups_and_selects_like_other_keys(tmp_path: Path, snap: Snapshot) -> None:
    table = attribute(snap, "reclaimable")
    rows = zip(
        table["reclaimable"].fillna("?"), table["key_known"], table["mem_pages"], table["swap_pages"], strict=True
    )
    # Swap is at no place in memory, and nothing is to be reclaimed
    assert sorted(rows, key=str) == [
        ("?", False, 1, 0),
        ("?", True, 0, 1),
        ("anonymous", True, 2, 0),
        ("clean page cache", True, 8, 0),
        ("unevictable", True, 1, 0),
    ]
    chosen = attribute(snap, ["comm", "reclaimable"], where='reclaimable in ["anonymous", "unevictable"]')
    assert sorted(zip(chosen["comm"], chosen["mem_pages"], strict=True)) == [("cat", 2), ("dd", 1)]
    assert attribute(snap, "comm", where="reclaimable.isna()")["mem_pages"].sum() == 1
    # ALSO in exported records, and of a raw capture, of which only the needed columns are read
    export(snap, "csv", str(tmp_path / "x.csv"), where='reclaimable == "anonymous"')
    assert pd.read_csv(tmp_path / "x.csv")["comm"].tolist() == ["cat"]
    done = in_process("report", tmp_path / "x.files", "--by", "reclaimable", "--top", "1", cwd=tmp_path)
    assert done.stdout.splitlines()[1].startswith(b"clean page cache  32.00 KiB")


def test_kernels_without_flags_do_not_tell(tmp_path: Path) -> None:
    # GIVEN the letters of kernels before 4.6, which do not say what is swap-backed
    record = (
        b"Page allocated via order 0, mask 0x280da\nPFN 4 Block 0 type 2 Flags     U L    \n"
        b" [<ffffffff8113a0a8>] do_anonymous_page+0x8/0x9\n\n"
    )
    old = snapshot_of(tmp_path, {**MACHINE, "page_owner": record})
    assert old.count("pages") == 1
    table = attribute(old, "reclaimable")
    assert table["reclaimable"].isna().all()
    assert not table["key_known"].any()
    with pytest.raises(SpoTraceError, match="reclaimable is unknown"):
        attribute(old, "comm", where='reclaimable == "anonymous"')
