# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory by slab cache."""

import subprocess
from pathlib import Path

import pytest

from spo_trace.analysis.slab_caches import cache_notes
from spo_trace.api.analyses import ages, attribute, diff
from spo_trace.api.series import trend
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, in_process, page, snapshot_of
from tests.unit.formats.test_slabinfo import HEAD, cache

SLAB = (b"prep_new_page+0x1c/0x48", b"allocate_slab+0x98/0x157", b"kmem_cache_alloc_noprof+0x10/0x20", b"fork+0x1/0x2")
LARGE = (b"prep_new_page+0x1c/0x48", b"___kmalloc_large_node+0x98/0x157", b"fork+0x1/0x2")
SLABINFO = Path("/proc/slabinfo")


def snapshot(directory: Path, *caches: bytes, uptime: int = 100) -> Snapshot:
    """Return a snapshot with 8 pages of slab, 4 of a large kmalloc allocation, one other page and these caches."""
    return snapshot_of(
        directory,
        {
            **MACHINE,
            "uptime": b"%d.00 1.00\n" % uptime,
            "page_owner": page(0x100, 3, stack=SLAB) + page(0x200) + page(0x300, 2, stack=LARGE),
            "meminfo": b"MemTotal: 400000 kB\nSlab:  36 kB\n",
            "slabinfo": HEAD + b"".join(caches),
        },
    )


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with four caches, of which two have one name and one is empty."""
    return snapshot(tmp_path, cache(b"dentry", 3), cache(b"x", 1, 2), cache(b"x", 1, 4, size=64), cache(b"empty", 0))


def test_caches_have_the_pages_of_their_slabs(snap: Snapshot) -> None:
    table = attribute(snap, "slab_cache")
    assert table["slab_cache"].tolist() == ["x", "dentry"]
    assert table["mem_pages"].tolist() == [6, 3]
    assert table["mem_bytes"].tolist() == table["total_bytes"].tolist() == [24576, 12288]
    assert table["active_objects"].tolist() == [6, 3]
    assert table["objects"].tolist() == [8, 4]
    assert table["swap_bytes"].tolist() == [0, 0]
    assert table["share"].sum() == pytest.approx(1)


def test_caches_are_compared_with_page_owner_and_meminfo(snap: Snapshot) -> None:
    (note,) = cache_notes(snap, {"mem_bytes": 36864})
    assert (
        "36.00 KiB in slab caches; 36.00 KiB is Slab in /proc/meminfo; page_owner lists 48.00 KiB in the category slab"
        in note.text
    )
    assert note.text.endswith("of which 16.00 KiB are large kmalloc allocations, in no cache")


@pytest.mark.skipif(not SLABINFO.exists(), reason="the kernel has no slabinfo")
def test_this_machines_caches_are_those_of_awk(tmp_path: Path) -> None:
    # GIVEN the caches of the running kernel
    try:
        text = SLABINFO.read_bytes()
    except PermissionError:
        pytest.skip("only root can read slabinfo")
    pages = "NR > 2 && $15 * $6 { sum[$1] += $15 * $6 } END { for (name in sum) print name, sum[name] }"
    done = subprocess.run(["awk", pages], input=text, capture_output=True, check=True)
    expected = {name: int(number) for name, number in (line.split() for line in done.stdout.decode().splitlines())}
    # THEN each has as many pages as awk counts
    table = attribute(snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), "slabinfo": text}), "slab_cache")
    assert dict(zip(table["slab_cache"], table["mem_pages"], strict=True)) == expected


def test_two_snapshots_are_compared(tmp_path: Path, snap: Snapshot) -> None:
    later = snapshot(tmp_path / "b", cache(b"dentry", 5), cache(b"new", 1))
    table = diff(snap, later, "slab_cache")
    changes = dict(zip(table["slab_cache"], table["mem_bytes_delta"], strict=True))
    assert changes == {"x": -24576, "dentry": 8192, "new": 4096}
    assert table["swap_bytes_b"].tolist() == [0, 0, 0]


def test_a_trend(tmp_path: Path) -> None:
    samples = [
        snapshot(tmp_path / str(n), cache(b"leak", 1 + 2 * n), cache(b"x", 7), uptime=100 + 10 * n).path
        for n in range(4)
    ]
    table = trend(samples, by="slab_cache")
    assert table["slab_cache"].iloc[0] == "leak"
    assert table["rate"].iloc[0] == pytest.approx(819.2)


def test_questions_about_pages_are_refused(snap: Snapshot) -> None:
    with pytest.raises(UsageError, match="slab_cache can't be combined"):
        attribute(snap, ["comm", "slab_cache"])
    with pytest.raises(UsageError, match="conditions select pages"):
        attribute(snap, "slab_cache", where="order > 0")
    with pytest.raises(UsageError, match="no such analysis"):
        ages(snap, "slab_cache")


def test_without_slabinfo_the_reason_is_told(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()})
    assert not (snap.path / "slab_caches.parquet").exists()
    with pytest.raises(SpoTraceError, match="there was no /proc/slabinfo"):
        attribute(snap, "slab_cache")


def test_the_command_shows_objects(tmp_path: Path, snap: Snapshot) -> None:
    done = in_process("report", snap.path, "--by", "slab_cache", cwd=tmp_path)
    assert done.stdout.decode().splitlines() == [
        "slab_cache        mem  swap      total  objects in use  objects    object  share",
        "x           24.00 KiB   0 B  24.00 KiB               6        8  1.00 KiB  66.7%",
        "dentry      12.00 KiB   0 B  12.00 KiB               3        4  1.00 KiB  33.3%",
    ]
    assert b"Total: 36.00 KiB in slab caches" in done.stderr
