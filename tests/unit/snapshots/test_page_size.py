# SPDX-License-Identifier: LGPL-2.1-or-later
"""The evidence for a machine's page size, what contradicts it, and what --page-size does."""

import gzip
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.api.analyses import diff
from spo_trace.errors import UsageError, spelled
from spo_trace.formats import proc
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.page_size import SIZES, Evidence, PageSizeFrom, evidence, parse_page_size, usual_page_sizes
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, capture, in_process, meminfo, page, snapshot_of, tar_of

LARGE = Path(__file__).parents[3] / "fixtures" / "captures-64k" / "1-dd256"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("4K", 4096), ("16k", 16384), ("64KiB", 65536), ("64 KB", 65536), ("65536B", 65536), (8192, 8192),
     ("256K", 262144)],
)  # fmt: skip
def test_valid_page_sizes(text: str | int, size: int) -> None:
    assert parse_page_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "4", "2K", "12K", "512K", "4M", "-4096", "4096.0", "x", "٤٠٩٦", "1" * 99])
def test_invalid_page_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="is not a page size") as caught:
        parse_page_size(text)
    assert "64K" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("release", "size"),
    [
        ("6.8.0-45-generic-64k", 65536),
        ("6.12.0-1.el10.aarch64+64k-debug", 65536),
        ("5.14.0-503.el9.aarch64+64k", 65536),
        ("6.6.30-android15-16k", 16384),
        ("6.11.0+16K", 16384),
        ("6.8.0-45-generic", None),
        ("6.1.0-164k", None),
        ("6.1.0-64kb", None),
        ("7.2.16k", None),
        (None, None),
    ],
)
def test_page_sizes_in_names_of_releases(release: str | None, size: int | None) -> None:
    found = evidence(lambda name: b"", {}, [], release)
    assert found == ([] if size is None else [Evidence(size, PageSizeFrom.RELEASE)])


def vmstat(**pages: int) -> bytes:
    return b"".join(b"%b %d\n" % (name.encode(), number) for name, number in pages.items())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("moved", [0, 7])
def test_page_size_from_vmstat_and_meminfo(size: int, moved: int) -> None:
    # GIVEN counters in kB and in pages, read one after the other
    kib = {"MemFree": 500 * size, "AnonPages": 300 * size, "Mapped": 99 * size, "Shmem": 3 * size}
    text = vmstat(nr_free_pages=500 + moved, nr_anon_pages=300 - moved, nr_mapped=99, nr_shmem=900, nr_mlock=0)
    found = evidence(lambda name: text if name == "vmstat" else b"", kib, [], None)
    # THEN the majority gives the page size
    assert found == [Evidence(size, PageSizeFrom.VMSTAT)]


def test_counters_without_a_majority_give_no_page_size() -> None:
    kib = {"MemFree": 500 * 4096, "AnonPages": 300 * 65536}
    text = vmstat(nr_free_pages=500, nr_anon_pages=300)
    assert evidence(lambda name: text if name == "vmstat" else b"", kib, [], None) == []
    few = {"MemFree": 9 * 65536, "AnonPages": 9 * 65536}
    text = vmstat(nr_free_pages=9, nr_anon_pages=9)
    assert evidence(lambda name: text if name == "vmstat" else b"", few, [], None) == []


@pytest.mark.parametrize("text", [b"PAGESIZE                           65536\n", b"X 1\nPAGE_SIZE   65536\nY 2\n"])
def test_getconf_of_a_sosreport(text: bytes, tmp_path: Path) -> None:
    for name in ("sos_commands/posix/getconf_-a", "sos_commands/system/getconf_-a"):
        files = {f"sosreport-x/{name}": text, "sosreport-x/sys/kernel/debug/page_owner": page()}
        archive = tmp_path / "sosreport.tar"
        archive.write_bytes(tar_of(files))
        directory = capture(tmp_path / name.split("/")[1], files) / "sosreport-x"
        for given in (archive, directory):
            snap = spo.snapshot(tmp_path / "a.spo", from_=given, force=True)
            assert (snap.page_size, snap.meta.machine.page_size_from) == (65536, "getconf")


def texts_of(snap: Snapshot) -> list[str]:
    """Return what the snapshot lacks, in the API's terms."""
    return [spelled(text) for text in shortcomings(snap.meta)]


def test_the_most_reliable_evidence_takes_precedence() -> None:
    files = {"pagesize": b"4096\n"}
    found = evidence(lambda name: files.get(name, b""), {}, list[proc.Zone](), "6.8.0-45-generic-64k")
    assert found == [Evidence(4096, PageSizeFrom.PAGESIZE), Evidence(65536, PageSizeFrom.RELEASE)]


def test_contradicting_evidence_is_reported(tmp_path: Path) -> None:
    uname = b"Linux box 6.8.0-45-generic-64k #1 SMP Mon aarch64 GNU/Linux\n"
    snap = snapshot_of(tmp_path, {**MACHINE, "uname": uname, "page_owner": page()})
    assert texts_of(snap) == ["the page size 4096 (getconf PAGESIZE) is contradicted by the kernel's release: 65536"]


@pytest.mark.parametrize(
    ("order", "usual"),
    [(9, ()), (10, ()), (8, ()), (11, (16384,)), (12, (16384, 65536)), (13, (65536,)), (5, (65536,))],
)
def test_page_sizes_with_pageblocks_of_some_order(order: int, usual: tuple[int, ...]) -> None:
    assert usual_page_sizes(order) == usual


@pytest.mark.parametrize(
    ("size", "source", "contradicts"),
    [
        (4096, PageSizeFrom.ASSUMED, True),
        (4096, PageSizeFrom.OPTION, True),
        (65536, PageSizeFrom.OPTION, False),
        (4096, PageSizeFrom.PAGESIZE, False),
    ],
)
def test_a_pageblock_contradicts_weak_evidence_only(size: int, source: PageSizeFrom, *, contradicts: bool) -> None:
    meta = Meta(3, MachineFacts(size, source, pageblock_order=13))
    assert any("usual for 65536; give page_size" in spelled(text) for text in shortcomings(meta)) is contradicts


def test_the_option_overrides_the_evidence_and_contradictions_are_reported(tmp_path: Path) -> None:
    given = capture(tmp_path / "c", {**MACHINE, "page_owner": page()})
    for snap in (spo.open(given, page_size="64K"), spo.snapshot(tmp_path / "a.spo", from_=given, page_size=65536)):
        assert (snap.page_size, snap.meta.machine.page_size_from) == (65536, "option")
        assert texts_of(snap) == ["the page size 65536 (page_size) is contradicted by getconf PAGESIZE: 4096"]
    reopened = spo.open(tmp_path / "a.spo", page_size="16K")
    assert reopened.page_size == 16384
    assert texts_of(reopened) == [
        "the page size 16384 (page_size) is contradicted by the one in the snapshot: 65536",
        "the page size 16384 (page_size) is contradicted by getconf PAGESIZE: 4096",
    ]
    run = in_process("report", "a.spo", "--page-size", "16K", cwd=tmp_path)
    assert b"the page size 16384 (--page-size) is contradicted by getconf PAGESIZE: 4096" in run.stderr


def test_diff_refuses_an_assumed_page_size(tmp_path: Path) -> None:
    # GIVEN two copies of a capture, one without the files that give the page size
    told = spo.open(capture(tmp_path / "told", {**MACHINE, "pagesize": b"65536\n", "page_owner": page()}))
    lone = capture(tmp_path / "lone", {"page_owner": page()})
    # THEN diff refuses to compare them unless the page size is given
    with pytest.raises(UsageError, match="was assumed") as caught:
        diff(told, spo.open(lone))
    assert "page_size='64K'" in str(caught.value.hint)
    assert not diff(told, spo.open(lone, page_size="64K"))["total_bytes_delta"].any()
    run = in_process("diff", "told", "lone", cwd=tmp_path)
    assert (run.returncode, b"--page-size" in run.stderr) == (2, True)
    assert in_process("diff", "told", "lone", "--page-size", "64K", cwd=tmp_path).returncode == 0
    # Two machines with known page sizes are compared.
    small = spo.open(capture(tmp_path / "small", {**MACHINE, "page_owner": page()}))
    assert diff(small, told)["total_bytes_delta"].tolist() == [65536 - 4096]


@pytest.mark.parametrize("left_out", [(), ("zoneinfo",), ("zoneinfo", "vmstat", "uname")])
def test_a_real_machine_with_64k_pages(left_out: tuple[str, ...], tmp_path: Path) -> None:
    # GIVEN a capture of an arm64 kernel with 64 KiB pages, without some of its files
    files = {path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes()) for path in LARGE.glob("*.gz")}
    given = capture(tmp_path / "c", {name: text for name, text in files.items() if name not in left_out})
    snap = spo.open(given)
    if len(left_out) < 2:
        # THEN the page size is found
        assert (snap.page_size, snap.meta.machine.page_size_from) == (65536, "vmstat" if left_out else "zoneinfo")
        assert texts_of(snap) == []
    else:
        assert (snap.page_size, snap.meta.machine.page_size_from) == (4096, "assumed")
        assert ["usual for 65536" in text for text in texts_of(snap)] == [False, True]


@pytest.mark.parametrize(
    "args",
    [("report", "c"), ("verify", "c"), ("export", "c"), ("snapshot", "--from", "c", "-o", "a.spo"), ("diff", "c", "c"),
     ("watch", "--from", "c", "-c", "1")],
)  # fmt: skip
def test_every_command_that_takes_a_capture_has_the_option(args: tuple[str, ...], tmp_path: Path) -> None:
    capture(tmp_path / "c", {**MACHINE, "pagesize": b"", "meminfo": meminfo(page_kib=64), "page_owner": page()})
    run = in_process(*args, "--page-size", "64K", cwd=tmp_path)
    assert b"page size" not in run.stderr
    assert run.returncode in (0, 3, 4)
    wrong = in_process(*args, "--page-size", "3K", cwd=tmp_path)
    assert (wrong.returncode, b"3K is not a page size" in wrong.stderr) == (2, True)
