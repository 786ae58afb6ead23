# SPDX-License-Identifier: LGPL-2.1-or-later
"""Paths of memory cgroups, from /proc/kpagecgroup and the inodes of cgroups."""

import csv
import io
import struct
from pathlib import Path

import pandas as pd
import pytest

from spo_trace.api.analyses import attribute, export
from spo_trace.api.explanations import explain
from spo_trace.collect.snapshot import collect
from spo_trace.findings.codes import Code
from spo_trace.sources.capture import CaptureSource
from tests.support import MACHINE, Files, meminfo, page, snapshot_of, tar_of

LISTED = b"1 - /\n100 4096 /a\n101 0 /a/web\n102 - /b\n103 - /b/web\n104 - /long/%b\n105 - /a b), c\n" % (b"n" * 100)
INODES = {1: 101, 2: 103, 3: 103, 4: 1, 5: 999, 6: 100, 7: 0, 8: 104, 9: 105}
CHARGED = {1: b"web", 2: b"web", 3: b"web", 4: b"/", 5: b"web", 6: b"web", 7: b"web", 8: b"n" * 79, 9: b"a b), c"}
PATHS = {1: "/a/web", 2: "/b/web", 3: "/b/web", 4: "/", 8: "/long/" + "n" * 100, 9: "/a b), c"}


def kpagecgroup(inodes: dict[int, int]) -> bytes:
    """Return what the kernel has for all PFNs up to the largest of these."""
    return struct.pack(f"<{max(inodes) + 1}Q", *(inodes.get(pfn, 0) for pfn in range(max(inodes) + 1)))


def pages(offline: tuple[int, ...] = ()) -> bytes:
    """Return a record for each PFN of CHARGED, and one of a page that is not charged."""
    lines = {pfn: b"offline " if pfn in offline else b"" for pfn in CHARGED}
    charged = (page(pfn, tail=b"Charged to %bmemcg %b\n" % (lines[pfn], name)) for pfn, name in CHARGED.items())
    return b"".join(charged) + page(10)


def files(**others: bytes) -> Files:
    """Return a capture with the inode of each page."""
    return {**MACHINE, "page_owner": pages(), "kpagecgroup": kpagecgroup(INODES), "cgroups": LISTED, **others}


def paths_of(frame: pd.DataFrame) -> dict[int, str]:
    """Return the known paths by PFN."""
    known = frame.dropna(subset=["memcg_path"])
    return dict(zip(known["pfn"].tolist(), known["memcg_path"].tolist(), strict=True))


def test_a_page_has_the_path_of_its_inode_if_the_names_agree(tmp_path: Path) -> None:
    # PFN 5 has an inode that is not listed, 6 one of another name, and 7 none
    assert paths_of(snapshot_of(tmp_path, files()).pages) == PATHS


def test_a_removed_cgroup_has_no_path(tmp_path: Path) -> None:
    # The kernel gives the inode of the nearest cgroup that exists, which may have the same name
    snap = snapshot_of(tmp_path, files(page_owner=pages(offline=(2,))))
    assert paths_of(snap.pages) == {pfn: path for pfn, path in PATHS.items() if pfn != 2}


def test_the_archive_of_a_capture_has_the_same_paths(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar_of({f"x/{name}": content for name, content in files().items()}))
    snap = collect(CaptureSource([tmp_path / "x.tar"]), tmp_path / "x.spo", jobs=1)
    assert paths_of(snap.pages) == PATHS


@pytest.mark.parametrize("missing", ["kpagecgroup", "cgroups"])
def test_without_one_of_both_files_no_path_is_known(tmp_path: Path, missing: str) -> None:
    given = {name: content for name, content in files().items() if name != missing}
    assert paths_of(snapshot_of(tmp_path, given).pages) == {}


def test_a_file_that_ends_early_has_the_paths_up_to_there(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, files(kpagecgroup=kpagecgroup(INODES)[: 8 * 3 + 5]))
    assert paths_of(snap.pages) == {1: "/a/web", 2: "/b/web"}


def test_pages_that_do_not_ascend_lose_their_paths_only(tmp_path: Path) -> None:
    # GIVEN more pages than a chunk has, and the first of them last
    inodes = dict.fromkeys(range(1, 300_000), 101)
    far = page(290_000, tail=b"Charged to memcg web\n")
    snap = snapshot_of(tmp_path, files(page_owner=far + pages(), kpagecgroup=kpagecgroup(inodes)))
    assert set(paths_of(snap.pages).items()) >= {(290_000, "/a/web")}
    assert set(paths_of(snap.pages).values()) == {"/a/web"}


def test_an_absurd_pfn_has_no_path(tmp_path: Path) -> None:
    far = page((1 << 63) - 1, tail=b"Charged to memcg web\n")
    assert paths_of(snapshot_of(tmp_path, files(page_owner=pages() + far)).pages) == PATHS


def test_one_name_below_two_parents_is_two_rows(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, files())
    rows = attribute(snap, "memcg")
    found = {row["memcg"]: row["mem_pages"] for _, row in rows.iterrows() if not pd.isna(row["memcg"])}
    expected = {"/a/web": 1, "/b/web": 2, "/": 1, "/a b), c": 1, "/long/" + "n" * 100: 1, "web": 3}
    # The cgroup /a has swap, and no page
    assert found == {**expected, "/a": 0}
    assert rows["mem_pages"].sum() == 10
    # AND a condition compares the names that are shown
    assert attribute(snap, "memcg", where='memcg == "/b/web"')["mem_pages"].tolist() == [2]
    assert attribute(snap, "comm", where='memcg == "web"')["mem_pages"].tolist() == [3]
    assert attribute(snap, "memcg", where='memcg_path == "/a/web"')["memcg"].tolist() == ["/a/web"]
    # ALSO of records
    records = io.StringIO()
    export(snap, "csv", records, where='memcg == "/b/web"')
    assert [row["pfn"] for row in csv.DictReader(records.getvalue().splitlines())] == ["2", "3"]


def test_a_large_cgroup_is_named_by_its_path(tmp_path: Path) -> None:
    # GIVEN two cgroups with one name, one of which owns 12 MiB of 46.9 MiB, and many processes
    inodes = {0x2000: 101, 0x4000: 101, 0x6000: 101, 0x8000: 103}
    records = (page(pfn, 10, b"p%d" % pfn, tail=b"Charged to memcg web\n") for pfn in inodes)
    given = files(page_owner=b"".join(records), kpagecgroup=kpagecgroup(inodes), meminfo=meminfo(total=12_000, free=0))
    found = explain(snapshot_of(tmp_path, given))
    (finding,) = (one for one in found.all if one.code is Code.LARGE_MEMCG)
    assert finding.text.startswith("12 MiB of memory is charged to the memory cgroup /a/web ")


def test_a_path_that_is_too_long_for_a_table_is_left_out(tmp_path: Path) -> None:
    # GIVEN a path of 2,200 bytes, each of which is escaped
    parts = b"/" + b"\xff" * 200
    listed = b"101 - %b/web\n" % (parts * 11)
    snap = snapshot_of(tmp_path, files(cgroups=listed))
    assert paths_of(snap.pages) == {}
