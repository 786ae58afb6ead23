# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lower bounds of swap whose owners are unknown."""

import json
from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.question import Question
from spo_trace.analysis.swap_least import SWAP_LEAST, least_notes, swap_least
from spo_trace.api.analyses import attribute, diff, export
from spo_trace.findings.codes import Code
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, SHMEM, Files, entry, in_process, meminfo, page, snapshot_of, swaps

KTHREADD = b"Pid:\t2\nName:\tkthreadd\nStartTime:\t5\n\n"
MIB = 1 << 20


def process(pid: int, name: bytes, swap: int, share: int | None = None) -> bytes:
    """Return the lines of a process; amounts in KiB."""
    pss = b"" if share is None else b"SwapPss:    %12d kB\n" % share
    return b"Pid:\t%d\nName:\t%b\nVmSwap:\t%8d kB\n%bStartTime:\t5\n\n" % (pid, name, swap, pss)


def zoneinfo(processors: int) -> bytes:
    """Return /proc/zoneinfo of a machine with so many processors."""
    lists = b"".join(b"    cpu: %d\n              count: 0\n" % number for number in range(processors))
    return b"Node 0, zone   Normal\n  pages free     80000\n        managed  90000\n  pagesets\n" + lists


# 40,000 pages of 160,000 KiB are in swap; 1,000 KiB of memory are in the swap cache.
STOCK: Files = {
    **MACHINE,
    "page_owner": page() + page(0x200, comm=b"idle"),
    "zoneinfo": zoneinfo(2),
    "meminfo": meminfo(total=90000, free=80000, swap_total=100_000, swap_free=60_000) + b"SwapCached:  1000 kB\n",
    "swaps": swaps(vda=40_000),
}
LISTED = KTHREADD + process(7, b"dd", 2048, 2048) + process(8, b"big", 3000) + process(9, b"idle", 0)
CGROUPS = b"1 - /\n2 9000 /a\n3 4096 /a/web\n4 904 /a/db\n5 8192 /b/web\n6 - /none\n"


def stock(directory: Path, **files: bytes) -> Snapshot:
    """Return a snapshot without owners of swap."""
    return snapshot_of(directory, {**STOCK, **files})


def bounds(table: pd.DataFrame, key: str) -> dict[object, int]:
    """Return the bound of each owner that has one."""
    known = table.dropna(subset=[SWAP_LEAST])
    owners = [None if pd.isna(owner) else owner for owner in known[key]]
    return dict(zip(owners, known[SWAP_LEAST].tolist(), strict=True))


def test_processes_and_tmpfs_have_their_least_beside_the_unknown(tmp_path: Path) -> None:
    table = attribute(stock(tmp_path, processes=LISTED), "comm")
    # All processors together may keep 64 pages of each process that was not measured, and 256 reserved slots
    hidden = 4 * (2 * 64 + 256)
    shmem = (160_000 - 2049 - 3000 - 1000 - hidden) * 1024
    assert bounds(table, "comm") == {"dd": 2 * MIB, "big": 3000 * 1024, None: shmem}
    # AND they are no part of any amount
    assert table["swap_bytes"].isna().all()
    assert table["total_bytes"].sum() == table["mem_bytes"].sum() == 8192
    assert table["share"].sum() == pytest.approx(1)
    # AND a process that has only swap is a row without memory
    assert table[table["comm"] == "big"][["mem_pages", "mem_bytes", "total_bytes"]].to_numpy().tolist() == [[0, 0, 0]]
    assert table["comm"].isna().tolist() == (~table["key_known"]).tolist()


def test_by_process_and_by_category(tmp_path: Path) -> None:
    snap = stock(tmp_path, processes=LISTED)
    by_comm, by_tgid, by_category = (attribute(snap, by) for by in ("comm", "tgid", "category"))
    shmem = bounds(by_comm, "comm").pop(None)
    assert bounds(by_tgid, "tgid") == {7: 2 * MIB, 8: 3000 * 1024, None: shmem}
    # Both may share swap, so that together they have at least what one of them has
    assert bounds(by_category, "category") == {"anon": 3000 * 1024, "tmpfs/shmem": shmem}


def test_processes_of_one_name_are_summed_unless_they_may_share(tmp_path: Path) -> None:
    # GIVEN two processes whose own parts are known, and two of which only the sum with shared pages is
    listed = process(7, b"two", 400, 300) + process(8, b"two", 400, 100) + process(9, b"x", 70) + process(10, b"x", 50)
    # AND one of a name with both
    listed += process(11, b"y", 50, 50) + process(12, b"y", 90, 60) + process(13, b"y", 100)
    found = swap_least(stock(tmp_path, processes=KTHREADD + listed), Question.of("comm"))
    kib = {owner: size // 1024 for owner, size in found.items() if owner is not None}
    assert kib == {"two": 400, "x": 70, "y": 110}


def test_names_are_those_of_page_owner(tmp_path: Path) -> None:
    # GIVEN names with a newline and a backslash, which the kernel escapes, and with other bytes, which it does not
    names = {b"a\nb\\": b"a\\nb\\\\", b"?": b"?", b"-": b"-", b"\xff\x1b": b"\xff\x1b", b"": b""}
    listed = b"".join(process(7 + n, name, 40 + n, 40 + n) for n, name in enumerate(names.values()))
    pages = b"".join(page(0x100 + n, comm=comm) for n, comm in enumerate(names))
    table = attribute(stock(tmp_path, page_owner=pages, processes=KTHREADD + listed), "comm")
    # THEN the rows are the same: each has memory and a bound
    named = pd.DataFrame(table[table["comm"].notna()])
    assert sorted(named[SWAP_LEAST]) == [(40 + n) * 1024 for n in range(5)]
    assert set(named["mem_pages"]) == {1}


def test_memory_cgroups_without_those_below_them(tmp_path: Path) -> None:
    pages = page(tail=b"Charged to memcg web\n") + page(0x200, tail=b"Charged to memcg /\n")
    snap = stock(tmp_path, page_owner=pages, cgroups=CGROUPS)
    # By leaf name, as the kernel prints it; /a has 4,000 bytes besides those of its children
    assert bounds(attribute(snap, "memcg"), "memcg") == {"a": 4000, "web": 4096 + 8192, "db": 904}
    assert bounds(attribute(snap, "memcg_path"), "memcg_path") == {
        "/a": 4000,
        "/a/web": 4096,
        "/a/db": 904,
        "/b/web": 8192,
    }
    assert "have at least 16.79 KiB (0.0%)" in least_notes(snap, Question.of("memcg"))[0].text
    table = attribute(snap, "memcg").set_index("memcg")
    assert table["mem_pages"].to_dict() == {"web": 1, "/": 1, "a": 0, "db": 0}


def test_cgroups_that_contradict_each_other(tmp_path: Path) -> None:
    # GIVEN a cgroup that is listed twice and has less than the one below it, which was read later
    text = b"2 9 /a\n2 9 /a\n3 10 /a/web\n4 5 /web\n5 5 a\n"
    snap = stock(tmp_path, page_owner=page(tail=b"Charged to memcg web\n"), cgroups=text)
    assert bounds(attribute(snap, "memcg"), "memcg") == {"web": 15}


def test_memory_cgroups_by_path_where_it_is_known(tmp_path: Path) -> None:
    inodes = b"".join(number.to_bytes(8, "little") for number in (0, 3, 1))
    pages = page(1, tail=b"Charged to memcg web\n") + page(2, tail=b"Charged to memcg /\n")
    table = attribute(stock(tmp_path, page_owner=pages, cgroups=CGROUPS, kpagecgroup=inodes), "memcg")
    assert bounds(table, "memcg") == {"/a": 4000, "/a/web": 4096, "/a/db": 904, "/b/web": 8192}
    assert table.set_index("memcg").loc["/a/web", "mem_pages"] == 1


def test_memory_cgroups_of_a_kernel_that_keeps_owners(tmp_path: Path) -> None:
    # Entries have no memory cgroup: the row ? has all swap, and is exact
    pages = page(tail=b"Charged to memcg web\n")
    snap = stock(tmp_path, page_owner=pages, swap_page_owner=entry(1), cgroups=CGROUPS, processes=LISTED)
    table = attribute(snap, "memcg")
    assert bounds(table, "memcg") == {"a": 4000, "web": 12288, "db": 904}
    assert table.loc[~table["key_known"], "swap_pages"].tolist() == [1]
    # AND by other keys nothing is unknown
    for by in ("comm", "tgid", "category"):
        assert SWAP_LEAST not in attribute(snap, by)


def test_nothing_is_said_without_the_lists(tmp_path: Path) -> None:
    snap = stock(tmp_path)
    for by in ("comm", "tgid", "category", "memcg", "memcg_path", ["comm", "memcg"], []):
        assert SWAP_LEAST not in attribute(snap, by)
    assert not least_notes(snap, Question.of("comm"))
    listed = stock(tmp_path / "listed", processes=KTHREADD + process(7, b"dd", 0), swaps=swaps(vda=0), cgroups=CGROUPS)
    assert SWAP_LEAST not in attribute(listed, "comm")
    # AND with a condition, which selects records
    assert SWAP_LEAST not in attribute(stock(tmp_path / "all", processes=LISTED), "comm", where='comm == "dd"')
    # AND a list of a PID namespace is not of the machine
    others = LISTED.replace(b"kthreadd", b"sleep")
    assert SWAP_LEAST not in attribute(stock(tmp_path / "container", processes=others), "comm")


@pytest.mark.parametrize("left_out", ["zoneinfo", "SwapCached"])
def test_tmpfs_is_unknown_if_the_rest_is(tmp_path: Path, left_out: str) -> None:
    files = {"zoneinfo": b""} if left_out == "zoneinfo" else {"meminfo": meminfo(swap_total=100_000, swap_free=60_000)}
    found = swap_least(stock(tmp_path, processes=LISTED, **files), Question.of("comm"))
    assert found.keys() == {"dd", "big"}


def test_swap_of_processes_is_not_taken_for_tmpfs(tmp_path: Path) -> None:
    # GIVEN a machine on which anonymous memory is all swap
    listed = KTHREADD + process(7, b"dd", 159_000, 159_000)
    assert swap_least(stock(tmp_path, processes=listed), Question.of("category")) == {"anon": 159_000 * 1024}


def test_a_difference_has_no_bounds(tmp_path: Path) -> None:
    a, b = stock(tmp_path / "a", processes=LISTED), stock(tmp_path / "b", processes=LISTED)
    table = diff(a, b)
    assert sorted(table["comm"]) == ["dd", "idle"]
    assert not [name for name in table if "least" in str(name)]


def test_the_table_shows_them_beside_the_unknown(tmp_path: Path) -> None:
    stock(tmp_path, processes=LISTED, page_owner=page(stack=SHMEM))
    done = in_process("report", "x.spo", "--sort", "swap", "--no-findings", cwd=tmp_path)
    assert done.stdout.decode().splitlines() == [
        "comm       mem  swap    at least     total   share",
        "?          0 B     ?  148.84 MiB       0 B    0.0%",
        "big        0 B     ?    2.93 MiB       0 B    0.0%",
        "dd    4.00 KiB     ?    2.00 MiB  4.00 KiB  100.0%",
    ]
    text = "Of the 156.25 MiB of swap in use, processes have at least 2.93 MiB (1.9%)"
    assert f"{text} and tmpfs and shared memory at least 148.84 MiB (95.3%)" in done.stderr.decode()
    rows = json.loads(in_process("report", "x.spo", "--format", "json", cwd=tmp_path).stdout)
    assert {row["comm"]: row["swap_least_bytes"] for row in rows}["dd"] == 2 * MIB
    assert {row["swap_bytes"] for row in rows} == {None}
    markdown = in_process("report", "x.spo", "--format", "markdown", cwd=tmp_path).stdout.decode()
    assert "| `big` | 0 B | ? | 2.93 MiB | 0 B | 0.0% |" in markdown


ELSEWHERE = "A report%s by comm or tgid or category alone shows how much of this swap each owner has at least"


@pytest.mark.parametrize("options", [["--where", 'comm == "dd"'], ["--by", "comm,order"], ["--by", "caller"]])
def test_a_report_without_bounds_names_one_that_has_them(tmp_path: Path, options: list[str]) -> None:
    stock(tmp_path, processes=LISTED)
    said = in_process("report", "x.spo", *options, cwd=tmp_path).stderr.decode()
    assert ELSEWHERE % "" in said.splitlines()
    # BUT not without the lists
    snapshot_of(tmp_path, STOCK, name="without")
    assert "at least" not in in_process("report", "without.spo", *options, cwd=tmp_path).stderr.decode()


def test_differences_and_trends_name_the_report_with_bounds(tmp_path: Path) -> None:
    # GIVEN the same machine a minute apart: that a bound grew does not say that the swap did
    later: Files = {"uptime": b"160.00 1.00\n"}
    for name, files in (("a", {}), ("b", later), ("c", {"uptime": b"220.00 1.00\n"})):
        snapshot_of(tmp_path, {**STOCK, **files, "processes": LISTED}, name=name)
    said = in_process("diff", "a.spo", "b.spo", cwd=tmp_path).stderr.decode().splitlines()
    assert [line for line in said if "at least" in line] == [ELSEWHERE % " on A", ELSEWHERE % " on B"]
    trend = in_process("trend", ".", "--by", "comm", cwd=tmp_path)
    assert ELSEWHERE % " on a sample" in trend.stderr.decode().splitlines()


def test_kernels_that_keep_owners_need_no_bounds_by_process(tmp_path: Path) -> None:
    stock(tmp_path, swap_page_owner=entry(1), processes=LISTED, cgroups=CGROUPS)
    assert "at least" not in in_process("report", "x.spo", "--by", "caller", cwd=tmp_path).stderr.decode()


def test_the_html_report_has_a_section_of_them(tmp_path: Path) -> None:
    hostile = process(10, b"<script>alert(1)", 500, 500)
    export(stock(tmp_path, processes=LISTED + hostile, cgroups=CGROUPS), "html", str(tmp_path / "x.html"))
    text = (tmp_path / "x.html").read_text()
    assert "<h2>Swap with unknown owners</h2>" in text
    assert '<td class="number">at least <data value="3072000" title="3,072,000 bytes">2.93 MiB</data></td>' in text
    assert "<td>&lt;script&gt;alert(1)</td>" in text
    export(stock(tmp_path / "none"), "html", str(tmp_path / "none.html"))
    assert "Swap with unknown owners" not in (tmp_path / "none.html").read_text()


def test_findings_name_the_largest(tmp_path: Path) -> None:
    found = spo.explain(stock(tmp_path, processes=LISTED))
    (finding,) = (one for one in found.all if one.code is Code.SWAP_UNKNOWN)
    assert finding.text == (
        "156 MiB of swap is in use, and its owners are unknown: processes named big have at least 2.93 MiB of it, "
        "tmpfs and shared memory at least 149 MiB."
    )
    for amount in (finding.numbers["least"], finding.numbers["shmem"]):
        assert amount.query is not None
        table = attribute(tmp_path / "x.spo", amount.query.by)
        assert bounds(table, amount.query.by[0])[amount.owner[0]] == amount.value
    assert "--by comm --sort swap" in finding.command


def test_a_list_that_no_machine_has_is_left_out(tmp_path: Path) -> None:
    listed = KTHREADD + b"".join(process(pid, b"x", 999_999_999_999) for pid in range(3, 10))
    snap = stock(tmp_path, processes=listed, cgroups=b"2 %d /a\n" % (1 << 60))
    assert sorted(snap.meta.files.keys() & {"processes", "cgroups"}) == ["cgroups", "processes"]
    assert not snap.meta.has_table("processes")
    assert sum("more memory than any machine has" in text for text in snap.meta.warnings) == 2
    assert SWAP_LEAST not in attribute(snap, "comm")
