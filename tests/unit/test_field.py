# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inputs reconstructed from public reports: the result of reading each, or the message on what it is instead."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError
from spo_trace.formats.reasons import Reason

FIELD = Path(__file__).parents[2] / "fixtures" / "field"


class Read(NamedTuple):
    """Expected results: records and base pages (counted with grep and awk), frames, lost records, notes and marks."""

    records: int
    pages: int
    frames: int
    lost: int = 0
    notes: int = 0
    marks: frozenset[Reason] = frozenset()
    page_size: int = 4096


def marked(*marks: Reason) -> frozenset[Reason]:
    return frozenset(marks)


# Records that were copied by hand are in any order.
BACK = marked(Reason.GOES_BACK)

# `frames`: the sum over all records.
READ = {
    "06-extra-line/page_owner": Read(2, 9, 7, notes=2, marks=BACK),
    "07-realtek-tv/page_owner": Read(2, 5, 5, marks=marked(Reason.VENDOR_FIRST_LINE)),
    "09-sprd": Read(1, 1, 3),
    "10-vz9/page_owner": Read(1, 1, 3),
    "11-mtk-cma/page_owner": Read(3, 514, 16, marks=BACK),
    "12-mail-quoted/thread.txt": Read(1, 512, 4, notes=2, marks=marked(Reason.QUOTED)),
    "13-blog-nospace/page_owner": Read(2, 9, 13),
    "15-arm32-null/page_owner": Read(1, 4, 4),
    "21-grep-AB/page_owner": Read(2, 2, 4, lost=1, notes=1, marks=BACK),
    "22-headers-only/page_owner": Read(3, 10, 0, marks=marked(Reason.FIRST_LINE_ALONE)),
    "23-no-pfn/page_owner.txt": Read(3, 10, 8, marks=marked(Reason.NO_PFN_LINE)),
    "26-serial-printk/console.log": Read(2, 2, 4, notes=4),
    "27-arm64-16k/page_owner": Read(3, 10, 8, marks=BACK),
    "28-lto-a/page_owner": Read(3, 10, 8, marks=BACK),
    "28-lto-b/page_owner": Read(3, 10, 8, marks=BACK),
    "29-no-kallsyms/page_owner": Read(3, 10, 8, marks=BACK),
    "30-ppc64-dot/page_owner": Read(3, 10, 8, marks=BACK),
    "31-sos/sosreport.tar.xz": Read(3, 10, 8, page_size=65536, marks=BACK),
    "32-offlined/page_owner": Read(1, 1, 2),
    "34-tab-indent/page_owner": Read(3, 10, 8, marks=marked(Reason.INDENTED, Reason.GOES_BACK)),
    "35-qp/page_owner": Read(3, 10, 8, marks=marked(Reason.QUOTED_PRINTABLE, Reason.GOES_BACK)),
    "36-handle-mode/handles.txt": Read(2, 5, 0),
    "37-openwrt612/page_owner": Read(3, 24, 29),
    "41-vendor-migratetype/page_owner": Read(1, 16, 3),
    "42-pixel-dumpstate/dumpstate_board.txt": Read(3, 6, 9, notes=2),
}
NAMED = {"36-handle-mode/map.txt": "this is show_stacks_handles of page_owner_stacks"}


class Answer(NamedTuple):
    """What the author of a report asked for: the keys of one command, and its rows with their base pages."""

    by: list[str]
    rows: list[tuple[object, ...]]


ALLOCATED = (
    *("post_alloc_hook", "get_page_from_freelist", "__alloc_frozen_pages_noprof", "alloc_pages_mpol"),
    "pte_alloc_one",
)

# The counts are those of the text; pages are counts times 2**order, computed by hand.
AGGREGATES = {
    "01-sorted-times/sorted_page_owner.txt": Answer(
        ["caller"], [("handle_mm_fault", 699487), ("dma_generic_alloc_coherent", 457823)]
    ),
    "02-sorted-pages/sorted_page_owner.txt": Answer(["caller"], [("tcp_sendmsg_locked", 6797584), ("new_slab", 4)]),
    "03-sorted-slab/sorted_page_owner.txt": Answer(
        ["allocator", "comm"], [("CMA", "swapper/0", 512), ("SLAB", "systemd-journal", 6)]
    ),
    "04-syzbot/report.txt": Answer(
        ["event", "pid", "symbols"],
        [("allocated", 6328, ALLOCATED, 0), ("freed", 6337, ("__free_frozen_pages", "vfree"), 0)],
    ),
    "05-dmesg-swapin/dmesg.txt": Answer(["event", "comm"], [("allocated", "swapoff", 1), ("freed", None, 0)]),
    "14-custom-agg/result.txt": Answer(["module"], [("ath11k", 878 << 3), ("nss_dp", 739 << 3)]),
    "18-gdb-lx/lx.txt": Answer(
        ["event", "pfn", "comm"], [("allocated", 655360, "swapper/0", 1), ("freed", 655360, None, 0)]
    ),
    "19-show-stacks-only/show_stacks": Answer(["module"], [("mlx5_core", 524288), ("xfs", 20824)]),
    "20-stack-count-curr/show_stacks": Answer(["allocations"], [(4578, 4578)]),
    "43-crash-owner/owner.txt": Answer(
        ["event", "pfn", "module"],
        [
            ("allocated", 471552, "drv", 512),
            ("allocated", 256, "vmlinux", 0),
            ("freed", 256, "vmlinux", 0),
            ("freed", 471552, "vmlinux", 0),
        ],
    ),
    "44-sorted-cull/by_name.txt": Answer(
        ["comm", "pid"], [("RenderThread", 1502, 69376), ("init: a, b", 1, 930), ("kworker/0:", 77, 34)]
    ),
}


@pytest.mark.parametrize("name", AGGREGATES)
def test_the_answer_of_each_aggregate(name: str) -> None:
    asked = AGGREGATES[name]
    snap = spo.open(FIELD / name)
    table = spo.attribute(snap, asked.by)
    rows = [
        tuple(None if pd.isna(value) else value for value in row)
        for row in table[[*asked.by, "mem_pages"]].itertuples(index=False, name=None)
    ]
    assert rows == asked.rows
    assert not snap.meta.files[str(snap.meta.aggregate)].malformed


@pytest.mark.parametrize("name", READ)
def test_records_of_each_input(name: str, tmp_path: Path) -> None:
    expected = READ[name]
    snap = spo.snapshot(tmp_path / "a.spo", from_=FIELD / name)
    counts = snap.meta.files["page_owner"]
    frames = snap.stacks["frames"].map(len)[snap.pages["stack_id"]].sum()
    assert (
        Read(
            counts.records,
            sum(1 << order for order in snap.pages["order"].tolist()),
            int(frames),
            counts.malformed,
            counts.notes,
            frozenset(map(Reason, counts.marks)),
            snap.page_size,
        )
        == expected
    )


@pytest.mark.parametrize("name", NAMED)
def test_messages_on_other_inputs(name: str) -> None:
    with pytest.raises(SpoTraceError) as caught:
        spo.open(FIELD / name)
    assert NAMED[name] in caught.value.message
    assert "give " in str(caught.value.hint)


def test_every_input_has_an_outcome() -> None:
    there = {str(path.relative_to(FIELD)) for path in FIELD.rglob("*") if path.is_file() and path.name != "README.md"}
    assert {name + "/sprd_page_owner" if name == "09-sprd" else name for name in (*READ, *AGGREGATES, *NAMED)} == there


def test_comm_and_migratetype_are_read_from_a_vendors_header(tmp_path: Path) -> None:
    pages = spo.snapshot(tmp_path / "a.spo", from_=FIELD / "07-realtek-tv/page_owner").pages
    assert pages["comm"].tolist() == ["AppLauncher", "vdec task"]
    assert pages["pid"].tolist() == [1325, 702]
    assert pages["migratetype"].tolist() == ["Movable", "Unmovable"]
    assert pages["page_flag_names"].tolist() == ["uptodate|dirty|lru|active|mappedtodisk", "slab|compound|swapcache"]


def test_a_file_with_another_name_is_reported(tmp_path: Path) -> None:
    snap = spo.snapshot(tmp_path / "a.spo", from_=FIELD / "09-sprd")
    assert "sprd_page_owner" in str(snap.meta.files["page_owner"].note)


def test_the_name_of_an_offlined_memcg(tmp_path: Path) -> None:
    pages = spo.snapshot(tmp_path / "a.spo", from_=FIELD / "32-offlined/page_owner").pages
    assert pages["memcg"].str.startswith("libpod-conmon-").tolist() == [True]
    assert pages["memcg_offline"].tolist() == [True]


def test_handles_and_their_stacks(tmp_path: Path) -> None:
    files = [FIELD / "36-handle-mode" / name for name in ("handles.txt", "map.txt")]
    snap = spo.snapshot(tmp_path / "a.spo", from_=files)
    assert snap.stacks["frames"].map(len).tolist() == [2, 2]
