# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory by site."""

import json
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.sites import site_notes
from spo_trace.api.analyses import ages, attribute, diff, verdicts
from spo_trace.collect.snapshot import collect
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.snapshots.reader import Snapshot
from tests.collectors import collected
from tests.support import MACHINE, in_process, page, snapshot_of
from tests.unit.formats.test_allocinfo import HEAD, line

SLAB, CACHE, MODULE = b"mm/slub.c:3061 func:alloc_slab_page", b"mm/filemap.c:9 func:f", b"a.c:1 [m] func:f"


def sites(*lines: bytes) -> bytes:
    """Return /proc/allocinfo."""
    return HEAD + b"".join(lines)


def snapshot(directory: Path, *lines: bytes) -> Snapshot:
    """Return a snapshot with a page and these sites."""
    return snapshot_of(directory, {**MACHINE, "page_owner": page(), "allocinfo": sites(*lines)})


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with four sites, one of which has nothing."""
    lines = line(8192, 2, SLAB), line(100, 7, CACHE), line(9000, 3, MODULE), line(0, 0, b"b.c:2 func:g")
    return snapshot(tmp_path, *lines)


def test_sites_are_sorted_by_size_and_named_as_the_kernel_does(snap: Snapshot) -> None:
    table = attribute(snap, "site")
    assert table["site"].tolist() == [text.decode() for text in (MODULE, SLAB, CACHE)]
    assert table["mem_bytes"].tolist() == table["total_bytes"].tolist() == [9000, 8192, 100]
    assert table["calls"].tolist() == [3, 2, 7]
    assert table["share"].sum() == pytest.approx(1)
    # Sites are of bytes, and swap is none of them
    assert table[["mem_pages", "swap_pages", "swap_bytes"]].isna().all(axis=None)
    assert "of which 8.00 KiB are pages of slab" in site_notes(snap, {"mem_bytes": 17292})[0].text


def test_a_site_with_several_tags_is_one_row(tmp_path: Path) -> None:
    snap = snapshot(tmp_path, line(10, 1, CACHE), line(20, 1, CACHE), line(-5, 0, SLAB))
    table = attribute(snap, "site")
    assert table[["mem_bytes", "calls"]].to_numpy().tolist() == [[30, 2]]
    # AND the table keeps what the kernel printed
    assert snap.read("sites")["bytes"].tolist() == [10, 20, -5]


def test_sites_that_the_kernel_could_not_count_are_noted(tmp_path: Path) -> None:
    snap = snapshot(tmp_path, line(10, 1, CACHE + b" accurate:no"), line(10, 1, SLAB))
    assert [note.code for note in site_notes(snap, {"mem_bytes": 20})] == ["total", "sites-inexact"]


def test_two_snapshots_are_compared_by_site(tmp_path: Path, snap: Snapshot) -> None:
    later = snapshot(tmp_path / "b", line(8192, 2, SLAB), line(4196, 8, CACHE), line(7, 1, b"c.c:3 func:h"))
    table = diff(snap, later, "site")
    changes = dict(zip(table["site"], table["mem_bytes_delta"], strict=True))
    assert changes == {MODULE.decode(): -9000, CACHE.decode(): 4096, "c.c:3 func:h": 7, SLAB.decode(): 0}
    assert table["swap_bytes_delta"].isna().all()


def test_questions_about_pages_are_refused(snap: Snapshot) -> None:
    for by in (["site", "comm"], ["comm", "site"]):
        with pytest.raises(UsageError, match="site can't be combined"):
            attribute(snap, by)
    with pytest.raises(UsageError, match="conditions select pages"):
        attribute(snap, "site", where="order > 0")
    with pytest.raises(UsageError, match="no such analysis"):
        ages(snap, "site")


def test_without_allocinfo_the_reason_is_told(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()})
    assert not (snap.path / "sites.parquet").exists()
    with pytest.raises(SpoTraceError, match="no counts of sites") as failed:
        attribute(snap, "site")
    assert "CONFIG_MEM_ALLOC_PROFILING" in str(failed.value.hint)


def test_an_unknown_version_is_left_out(tmp_path: Path) -> None:
    files = {**MACHINE, "page_owner": page(), "allocinfo": b"allocinfo - version: 3.0\n"}
    snap = snapshot_of(tmp_path, files)
    assert snap.meta.warnings == ["allocinfo: its version is unknown; it is left out"]
    assert not snap.meta.counts_sites


def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    # GIVEN a machine on which all optional files are denied
    names = ("allocinfo", "kpagecgroup", "self/mountinfo")
    source = collected(tmp_path, {**MACHINE, "page_owner": page(), **{f"proc/{name}/x": b"" for name in names}})
    snap = collect(source, tmp_path / "x.spo")
    # THEN the snapshot has all else
    assert snap.count("pages") == 1
    assert [text.split(":")[0] for text in snap.meta.warnings] == [
        "kpagecgroup is left out",
        "allocinfo is left out",
        "cgroups is left out",
    ]


def test_damaged_lines_are_counted(tmp_path: Path) -> None:
    snap = snapshot(tmp_path, line(1, 1, CACHE), b"x\n")
    assert (snap.meta.files["allocinfo"].records, snap.meta.files["allocinfo"].malformed) == (1, 1)


def test_sites_of_more_memory_than_there_is_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match="more memory than any machine"):
        snapshot(tmp_path, *(line(1 << 52, 1, b"a.c:%d func:f" % number) for number in range(5)))


def test_the_command_shows_and_compares_sites(tmp_path: Path, snap: Snapshot) -> None:
    # WHEN sites are reported and compared on the command line
    shown = in_process("report", snap.path, "--by", "site", cwd=tmp_path)
    compared = in_process("diff", snap.path, snap.path, "--by", "site", "-f", "csv", cwd=tmp_path)
    # THEN each has its size, and swap is unknown
    assert shown.returncode == 0, shown.stderr
    lines = [line.split("  ") for line in shown.stdout.decode().splitlines()[:2]]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0] == ["site", "mem", "swap", "total", "calls", "share"]
    assert cells[1] == ["a.c:1 [m] func:f", "8.79 KiB", "?", "8.79 KiB", "3", "52.0%"]
    assert compared.returncode == 0, compared.stderr
    assert b"mm/filemap.c:9 func:f,True,100,100,0,,,,,,,100,100,0" in compared.stdout


def test_a_trend_can_be_by_site(tmp_path: Path) -> None:
    # GIVEN three captures of one boot, in which a site grows
    for number in range(3):
        snapshot_of(
            tmp_path / str(number),
            {
                **MACHINE,
                "uptime": b"%d.0 0\n" % (100 + 10 * number),
                "page_owner": page(),
                "allocinfo": sites(line(100 + 1000 * number, 1, CACHE), line(10, 1, SLAB)),
            },
            name=f"s{number}",
        )
    (tmp_path / "day").mkdir()
    for number in range(3):
        (tmp_path / str(number) / f"s{number}.spo").rename(tmp_path / "day" / f"s{number}.spo")
    done = in_process("trend", "day", "--by", "site", "-f", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert [first[name] for name in ("site", "first_bytes", "last_bytes", "rate")] == [CACHE.decode(), 100, 2100, 100]
    assert (second["site"], second["rate"]) == (SLAB.decode(), 0)


def test_allocinfo_alone_is_an_input(tmp_path: Path) -> None:
    # GIVEN two files that are not named as the kernel names them
    for name, size in (("a.txt", 100), ("b.txt", 300)):
        (tmp_path / name).write_bytes(sites(line(size, 1, CACHE), line(8192, 2, SLAB)))
    # WHEN they are reported and compared
    shown = in_process("report", "a.txt", "--by", "site", "-f", "csv", cwd=tmp_path)
    compared = in_process("diff", "a.txt", "b.txt", "--by", "site", "-f", "csv", cwd=tmp_path)
    assert b"mm/filemap.c:9 func:f,True,,,,100,,,100," in shown.stdout
    assert b"mm/filemap.c:9 func:f,True,100,300,200," in compared.stdout
    assert b"left out" not in compared.stderr
    # AND from a pipe
    given = (tmp_path / "a.txt").read_bytes()
    piped = in_process("report", "-", "--by", "site", "-f", "csv", cwd=tmp_path, stdin=given)
    assert piped.stdout == shown.stdout
    # THEN a question about owners is refused, with the key that can be answered
    refused = in_process("report", "a.txt", "--by", "comm", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b"no owners of memory or swap" in refused.stderr
    assert b"spo-trace report SNAPSHOT --by site" in refused.stderr
    # AND one without keys is answered, but not with a condition on owners
    assert in_process("report", "a.txt", "-f", "csv", cwd=tmp_path).stdout == shown.stdout
    assert in_process("report", "a.txt", "--where", "order > 0", cwd=tmp_path).returncode == 1
    # AND a notebook shows the sites
    assert "mm/filemap.c:9 func:f" in spo.open(tmp_path / "a.txt")._repr_html_()


def test_the_page_of_a_difference_has_the_changes_by_site(tmp_path: Path) -> None:
    # GIVEN two sites of one line, one that is only before and one that is only after
    before = sites(line(8192, 2, CACHE), line(4096, 2, CACHE), line(512, 1, MODULE))
    after = sites(line(20480, 5, CACHE), line(300, 3, CACHE), line(1024, 1, b"c.c:1 func:g"))
    (tmp_path / "a.txt").write_bytes(before)
    (tmp_path / "b.txt").write_bytes(after)
    in_process("diff", "a.txt", "b.txt", "--by", "site", "--html", "d.html", cwd=tmp_path)
    page = (tmp_path / "d.html").read_text()
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    changes = {data["stacks"]["callsite"][row[0]]: (row[2], row[5]) for row in data["rows"]}
    assert changes == {"f": (12288, 20780), "f [m]": (512, 0), "g": (0, 1024)}
    assert data["unknown"] == ["swap"]
    # BUT a condition selects owners
    run = in_process("diff", "a.txt", "b.txt", "--html", "e.html", "--where", "order > 0", cwd=tmp_path)
    assert (run.returncode, (tmp_path / "e.html").exists()) == (1, False)
    with pytest.raises(UsageError, match="conditions select pages and swap"):
        spo.export_diff(tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "e.html", where="order > 0")


def test_sites_beside_an_aggregate(tmp_path: Path) -> None:
    # GIVEN the kernel's counts by stack, without page_owner
    counts = b" alloc_pages+0x1/0x2\n f+0x1/0x2\nnr_base_pages: 5\n\n"
    snap = snapshot_of(tmp_path, {**MACHINE, "show_stacks": counts, "allocinfo": sites(line(100, 1, CACHE))})
    # THEN each answers what it can
    assert attribute(snap, "caller")["mem_pages"].tolist() == [5]
    assert attribute(snap, "site")["mem_bytes"].tolist() == [100]
    assert verdicts(snap, parts=["sites"])["verdict"].tolist() == ["not checked"]


def test_findings_without_owners(tmp_path: Path) -> None:
    # GIVEN free memory in small blocks, and no /proc/meminfo
    blocks = b"Node 0, zone   Normal 4000 1000 0 0 0 0 0 0 0 0 0\n"
    files = {"buddyinfo": blocks, "pagetypeinfo": b"Page block order: 9\nPages per block:  512\n"}
    snap = snapshot_of(tmp_path, {**MACHINE, **files, "allocinfo": sites(line(100, 1, CACHE))})
    found = spo.explain(snap)
    assert found.codes == {"fragmented"}
    assert "no-memory-owners" in {one.lack for one in found.not_checked}


def slab_page(pfn: int, *functions: bytes) -> bytes:
    """Return a record of a page that these functions allocated."""
    return page(pfn, stack=[b"%b+0x1/0x2" % name for name in (b"prep_new_page", b"alloc_pages_noprof", *functions)])


SLAB_PAGES = (
    slab_page(0x100, b"alloc_slab_page", b"new_slab", b"kmem_cache_alloc_noprof"),
    slab_page(0x101, b"allocate_slab", b"___slab_alloc"),
    # Of kmalloc, and in the middle of allocating a slab: counted at another site.
    slab_page(0x102, b"___kmalloc_large_node", b"alloc_slab_obj_exts", b"allocate_slab"),
    slab_page(0x103, b"filemap_alloc_folio_noprof"),
)


@pytest.mark.parametrize(
    ("pages", "verdict", "reason"),
    [(2, "balanced", "within-tolerance"), (200, "balanced", "below-floor"), (2000, "off", "over-tolerance")],
)
def test_the_pages_of_slab_are_verified(tmp_path: Path, pages: int, verdict: str, reason: str) -> None:
    files = {**MACHINE, "page_owner": b"".join(SLAB_PAGES), "allocinfo": sites(line(pages * 4096, 2, SLAB))}
    snap = snapshot_of(tmp_path, files)
    (row,) = verdicts(snap, parts=["sites"]).to_dict("records")
    assert (row["section"], row["verdict"], row["reason"]) == ("allocinfo, slab", verdict, reason)
    assert row["pages"] == pages - 2


def test_a_kernel_without_sites_is_not_asked_for_them(tmp_path: Path) -> None:
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page()})
    assert "sites" not in verdicts(snap)["part"].tolist()
    assert verdicts(snap, parts=["sites"])["reason"].tolist() == ["no-sites"]
