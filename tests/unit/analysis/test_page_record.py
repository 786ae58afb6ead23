# SPDX-License-Identifier: LGPL-2.1-or-later
"""The record of one page, whichever page of an allocation it is, and what is known of one that is not listed."""

import io
from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.page_record import parse_pfn
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.reporters.record import render_record
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, FS, MACHINE, entry, page, snapshot_of

COUNTS = b"  pages free     9\n        spanned  40000\n        present  40000\n        managed  40000\n"
ZONE = b"Node 0, zone   Normal\n" + COUNTS
HUGE = (1 << 63) - 1


@pytest.fixture(scope="module")
def snap(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    records = [
        page(0x1F8, 1),
        page(0x200, 10, b"cat", stack=FS, tail=b"Charged to memcg m\n"),
        page(0x8000),
        page(HUGE),
    ]
    files = {**MACHINE, "page_owner": b"".join(records), "swap_page_owner": entry(1)}
    return snapshot_of(tmp_path_factory.mktemp("snap"), {**files, "zoneinfo": ZONE + b"  start_pfn:           1\n"})


@pytest.mark.parametrize(
    ("pfn", "head", "order", "comm", "pageblock", "memory_block"),
    [
        ("0x200", 0x200, 10, "cat", 1, 0),
        (0x5FF, 0x200, 10, "cat", 2, 0),
        ("1025", 0x200, 10, "cat", 2, 0),
        (0x1F9, 0x1F8, 1, "dd", 0, 0),
        (0x8000, 0x8000, 0, "dd", 64, 1),
    ],
)
def test_any_page_of_an_allocation(
    snap: Snapshot, pfn: str | int, head: int, order: int, comm: str, pageblock: int, memory_block: int
) -> None:
    names = ["pfn", "head_pfn", "pages", "order", "comm", "pageblock", "memory_block"]
    assert spo.page(snap, pfn)[names].to_numpy().tolist() == [
        [int(str(pfn), 0), head, 1 << order, order, comm, pageblock, memory_block]
    ]


def test_the_record_has_every_column(snap: Snapshot) -> None:
    record = spo.page(snap, 0x201)
    assert record["stack"].tolist() == [b";".join(FS).decode()]
    assert record[["memcg", "category", "bytes", "page_flags"]].to_numpy().tolist() == [
        ["m", "page cache", 4 << 20, "0x8"]
    ]
    columns = {*spo.open(snap).read("pages").columns} - {"stack_id", "kernel_stack_id"}
    assert columns <= set(record.columns)
    assert "swp_entry" not in record


def test_text(snap: Snapshot) -> None:
    out = io.StringIO()
    render_record(spo.page(snap, 0x201), out)
    lines = out.getvalue().splitlines()
    assert lines[:2] == [
        "pfn                    0x201 (513)",
        "head_pfn               0x200 (512), page 1 of the allocation",
    ]
    assert "bytes                  4.00 MiB" in lines
    assert lines[-4:] == ["stack", *(f"    {frame.decode()}" for frame in FS)]
    assert not any(line.startswith("kernel_") for line in lines)


@pytest.mark.parametrize(
    ("pfn", "known"),
    [
        (
            0x1FA,
            "zone Normal of node 0; pageblock 0; memory_block 0; the allocation before it begins at 0x1f8; the one ",
        ),
        (0x600, "zone Normal of node 0; pageblock 3; memory_block 0; the allocation before it begins at 0x200; "),
        (0x100, "zone Normal of node 0; pageblock 0; memory_block 0; the one behind it at 0x1f8"),
        (0x20000, "no zone of the machine contains it; pageblock 256; memory_block 4; "),
        (HUGE - 1, "no machine has so much memory"),
    ],
)
def test_a_page_that_is_not_listed(snap: Snapshot, pfn: int, known: str) -> None:
    with pytest.raises(SpoTraceError) as caught:
        spo.page(snap, pfn)
    assert caught.value.message.startswith(f"the page {pfn:#x} ({pfn}) is not listed in x.spo: ")
    assert known in caught.value.message
    assert caught.value.exit_code == 1


def test_the_largest_pfn_does_not_overflow(snap: Snapshot) -> None:
    assert spo.page(snap, HUGE)["comm"].tolist() == ["dd"]


def test_a_record_without_a_pfn_contains_no_page(tmp_path: Path) -> None:
    record = b"Page allocated via order 10, mask 0x0()\n" + b"".join(b" %b\n" % frame for frame in ANON) + b"\n"
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": record})
    with pytest.raises(SpoTraceError, match="is not listed"):
        spo.page(snap, 0)


@pytest.mark.parametrize("given", ["", "x", "0x", "-1", "1.5", "12K", str(1 << 63), "0b", True, "٣x"])
def test_what_is_no_pfn(given: str | bool) -> None:
    with pytest.raises(UsageError, match="is not a PFN"):
        parse_pfn(given)


def test_a_missing_value_is_na(snap: Snapshot) -> None:
    assert pd.isna(spo.page(snap, 0x8000)["memcg"].iloc[0])
