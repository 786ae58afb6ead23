# SPDX-License-Identifier: LGPL-2.1-or-later
"""Questions about aggregates: answered from what they contain, refused with the reason otherwise."""

import io
import os
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from tests.support import capture, page

STACK = b" alloc_pages+0x1/0x2\n drv_alloc+0x1/0x2 [drv]\n"
OTHER = b" alloc_pages+0x1/0x2\n fs_read+0x1/0x2 [fs]\n"


def stacks(drv: int, fs: int) -> bytes:
    """Return the text of show_stacks with these counts."""
    return STACK + b"nr_base_pages: %d\n\n" % drv + OTHER + b"nr_base_pages: %d\n\n" % fs


@pytest.fixture
def snap(tmp_path: Path) -> spo.Snapshot:
    return spo.open(capture(tmp_path / "c", {"counts.txt": stacks(10, 3)}) / "counts.txt")


def test_what_an_aggregate_lacks_is_refused_with_the_reason(snap: spo.Snapshot) -> None:
    for by in ("comm", "pid", "order", "memcg", ["caller", "pid"]):
        with pytest.raises(SpoTraceError) as caught:
            spo.attribute(snap, by)
        assert "counts.txt has no " in caught.value.message
        assert str(caught.value.hint).startswith("by='caller': it has caller, stack, symbols, callsite, module")
    with pytest.raises(SpoTraceError, match="no ts_nsec"):
        spo.ages(snap, "caller")
    with pytest.raises(SpoTraceError, match="has no comm: it is the kernel"):
        spo.attribute(snap, "caller", where="comm == 'dd'")


def test_what_an_aggregate_has_is_answered(snap: spo.Snapshot) -> None:
    assert spo.attribute(snap, "module", where="base_pages > 5")["mem_pages"].tolist() == [10]
    totals = spo.attribute(snap, [])
    assert totals["mem_pages"].tolist() == [13]
    assert totals["swap_pages"].isna().all()
    assert list(spo.verdicts(snap)["verdict"].unique()) == ["not checked"]


def test_flame_graph_and_records(snap: spo.Snapshot, tmp_path: Path) -> None:
    folded = io.StringIO()
    spo.export(snap, "folded", folded)
    lines = folded.getvalue().splitlines()
    assert all(line.startswith("(unknown comm);") for line in lines)
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["40960", "12288"]
    records = io.StringIO()
    spo.export(snap, "csv", records)
    assert [line.split(",")[-2] for line in records.getvalue().splitlines()] == ["bytes", "40960", "12288"]
    for name in ("speedscope", "html"):
        spo.export(snap, name, tmp_path / f"a.{'json' if name == 'speedscope' else name}")


def test_difference_of_two(tmp_path: Path) -> None:
    files = {"1": stacks(10, 3), "2": stacks(25, 3)}
    first, second = (capture(tmp_path, files) / name for name in files)
    table = spo.diff(first, second, by="module")
    assert table[["module", "mem_bytes_delta"]].values.tolist()[0] == ["drv", 15 * 4096]
    assert "rate" not in table.columns
    with pytest.raises(SpoTraceError, match="no comm"):
        spo.diff(first, second, by="comm")
    # Without keys, it is by one that both have.
    assert spo.diff(first, second)["caller"].tolist()[0] == "drv_alloc"
    listed = capture(tmp_path / "list", {"page_owner": page(0x100, 3)})
    assert "caller" in spo.diff(first, listed).columns
    assert "comm" in spo.diff(listed, listed).columns


def test_trend_of_a_directory_uses_the_times_of_the_files(tmp_path: Path) -> None:
    capture(tmp_path, {f"{name}.txt": stacks(10 * number, 3) for number, name in enumerate("abcd", 1)})
    for number, name in enumerate("abcd"):
        os.utime(tmp_path / f"{name}.txt", (0, 1_700_000_000 + 60 * number))
    table = spo.trend(tmp_path, by="module")
    assert table["module"].tolist()[0] == "drv"
    assert table["rate"].iloc[0] == pytest.approx(10 * 4096 / 60)
    os.utime(tmp_path / "b.txt", (0, 1_700_000_000))
    with pytest.raises(SpoTraceError, match="the same modification time"):
        spo.trend(tmp_path, by="module")


def test_handles_with_their_stacks_in_one_directory(tmp_path: Path) -> None:
    handles = b"handle: 7\nnr_base_pages: 5\n\nhandle: 9\nnr_base_pages: 2\n\n"
    stack_map = STACK + b"handle: 7\n\n" + OTHER + b"handle: 9\n\n"
    both = capture(tmp_path / "c", {"h.txt": handles, "map.txt": stack_map})
    assert spo.attribute(both, "module")["mem_pages"].tolist() == [5, 2]
    alone = spo.open(both / "h.txt")
    assert spo.attribute(alone, "handle")["mem_pages"].tolist() == [5, 2]
    with pytest.raises(SpoTraceError, match=r"has no module: it is .*show_handles"):
        spo.attribute(alone, "module")


def test_counts_of_allocations_alone_are_refused(tmp_path: Path) -> None:
    path = capture(tmp_path, {"s": STACK + b"stack_count: 5\n\n"}) / "s"
    with pytest.raises(
        SpoTraceError, match=r"has the number of allocations \(stack_count\), but not of pages"
    ) as caught:
        spo.open(path)
    assert "nr_base_pages" in str(caught.value.hint)


def test_a_saturated_count_is_unknown(tmp_path: Path) -> None:
    table = spo.attribute(capture(tmp_path, {"s": stacks(-1073741825, 3)}) / "s", "module")
    assert dict(zip(table["module"], table["mem_pages"].isna(), strict=True)) == {"drv": True, "fs": False}


def test_counts_of_a_page_owner_snapshot_are_unknown_keys(tmp_path: Path) -> None:
    table = spo.attribute(capture(tmp_path, {"page_owner": page(0x100, 3)}), "allocator")
    assert table["key_known"].tolist() == [False]
    assert table["mem_pages"].tolist() == [8]


def test_a_crafted_aggregate_is_damaged(tmp_path: Path, snap: spo.Snapshot) -> None:
    text = (snap.path / "snapshot.json").read_text()
    (snap.path / "snapshot.json").write_text(text.replace('"records": 2', '"records": 3'))
    with pytest.raises(SpoTraceError, match="damaged"):
        spo.attribute(spo.open(snap.path), "module")
    (snap.path / "snapshot.json").write_text(text.replace('"aggregate": "show_stacks"', '"aggregate": "x"'))
    with pytest.raises(SpoTraceError, match="aggregate is not one of"):
        spo.open(snap.path)


def test_wrong_keys_are_still_usage_errors(snap: spo.Snapshot) -> None:
    with pytest.raises(UsageError, match="there is no key"):
        spo.attribute(snap, "com")
