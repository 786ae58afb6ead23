# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot uses the running trace: owners of swap, restored pages, and how many are unknown."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from spo_trace.analysis.balance import balance
from spo_trace.analysis.records import record_tables
from spo_trace.analysis.snapshot_notes import swap_note
from spo_trace.api.analyses import attribute
from spo_trace.collect import reading
from spo_trace.collect.snapshot import collect
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.formats.missing import Missing, Why
from spo_trace.probes import readings
from spo_trace.probes import running_trace as running
from spo_trace.probes.symbolizer import Symbolizer
from spo_trace.snapshots.meta import SwapOwner
from spo_trace.snapshots.reader import Snapshot
from tests.collectors import this_machine, tree
from tests.support import MACHINE, FakeSource, Files, entry, meminfo, page, swaps
from tests.unit.probes.fake_maps import FakeMaps, Owned

STACKS: dict[int, tuple[int, ...]] = {5: (0x1001, 0x2002)}


def owner(ts_nsec: int, comm: bytes) -> Owned:
    return (ts_nsec, 0x77, 5, 8, 7, comm)


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> FakeMaps:
    """Return the maps of a running trace: two entries in swap, and one page that came back."""
    found = FakeMaps(
        {1: owner(40, b"dd"), 2: owner(41, b"dd")}, restored={0x100: (900, owner(30, b"first"))}, stacks=STACKS
    )
    monkeypatch.setattr(readings, "connect", lambda: found)
    monkeypatch.setattr(reading, "_has_trace", lambda: True)
    monkeypatch.setattr(running, "live_symbolizer", lambda: Symbolizer(["1000 T alloc\n", "2000 T b\n", "3000 T c\n"]))
    monkeypatch.setattr(running, "pages_used", lambda _: 12)
    # Of this module only: the files of the snapshot belong to the user who runs the test.
    monkeypatch.setattr(readings, "os", SimpleNamespace(geteuid=lambda: 0))
    return found


PAGES: Files = {**MACHINE, "page_owner": page(0x100, comm=b"cat", ts=900) + page(0x101, comm=b"cat", ts=901)}


def taken(tmp_path: Path, files: Files = PAGES, **options: Any) -> Snapshot:
    """Return a snapshot of a machine with these files."""
    return collect(this_machine(tree(tmp_path / "root", files)), tmp_path / "x.spo", **options)


@pytest.mark.parametrize("swap", ["auto", "bpf"])
def test_owners_and_restored_pages_are_in_the_snapshot(tmp_path: Path, maps: FakeMaps, swap: str) -> None:
    maps.facts |= {"used_at_attach": 100}
    snap = taken(tmp_path, swap=swap)
    assert snap.swap[["swp_entry", "comm", "ts_nsec", "origin"]].to_numpy().tolist() == [
        [1, "dd", 40, "bpf"],
        [2, "dd", 41, "bpf"],
    ]
    assert snap.pages[["comm", "ts_nsec", "swapped", "kernel_comm"]].iloc[0].tolist() == ["first", 30, True, "cat"]
    assert snap.pages["swapped"].tolist() == [True, False]
    assert snap.pages["kernel_comm"].isna().tolist() == [False, True]
    assert snap.meta.swap_owner.unknown_pages == 10
    assert snap.meta.swap_owner.origin == "bpf"
    assert snap.meta.files["bpf"].records == 2
    assert snap.meta.warnings == []
    assert maps.closed
    table = attribute(snap, by="comm", where='kernel_comm == "cat"')
    assert table[["comm", "mem_pages", "swap_pages"]].to_numpy().tolist() == [["first", 1, 0]]
    columns = ["where", "comm", "ts_nsec", "stack", "kernel_comm", "kernel_ts_nsec", "kernel_stack"]
    exported = pa.concat_tables(record_tables(snap)).select(columns).to_pylist()
    came_back, other, *_ = (list(record.values()) for record in exported)
    own = ["first", 30, "alloc+0x1/0x1000;b+0x2/0x1000"]
    assert came_back == ["memory", *own, "cat", 900, ";".join(snap.stacks["frames"][0])]
    assert other[-3:] == [None, None, None]
    assert swap_note(snap) == (
        "Not included: 40.00 KiB of swap with unknown owners (swapped out before the probes were attached)"
    )


@pytest.mark.parametrize("patched", [False, True])
def test_nr_base_pages_is_compared_with_the_kernels_owners(tmp_path: Path, maps: FakeMaps, patched: bool) -> None:
    # GIVEN two pages that the kernel attributes to cat; it counts pages in swap only if it keeps their owners
    frames = b"".join(line + b"\n" for line in PAGES["page_owner"].split(b"\n") if line.startswith(b" "))
    stack = frames[: len(frames) // 2]
    files = {
        **PAGES,
        "show_stacks": stack + b"nr_base_pages: 2\n\n",
        **({"swap_page_owner": entry(9)} if patched else {}),
    }
    table = balance(taken(tmp_path, files, swap="bpf"))
    lines = table[table["section"] == "page_owner_stacks"].set_index("item")["pages"]
    assert lines["difference"] == (-2 if patched else 0)
    assert lines["unexplained"] == 0
    assert lines["sum of absolute differences"] == 0


def test_unknown_pages_are_at_most_those_before_the_attach(tmp_path: Path, maps: FakeMaps) -> None:
    maps.facts |= {"used_at_attach": 3}
    files = {**PAGES, "swaps": swaps(vda=12), "meminfo": meminfo(swap_total=1000, swap_free=988)}
    table = balance(taken(tmp_path, files))
    lines = table[table["section"].str.startswith("swap")][["kind", "item", "pages"]].to_numpy().tolist()
    assert lines == [
        ["machine", "Used in /proc/swaps", 12],
        ["listed", "swap entries of the probes", 2],
        ["difference", "difference", 10],
        ["explains", "unknown (before attach)", 3],
        ["bound", "changed during the read", 0],
        ["rest", "unexplained", 7],
    ]


def test_slots_reserved_by_old_kernels_are_reported(
    tmp_path: Path, maps: FakeMaps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    symbols = ["1000 T alloc\n", "2000 T disable_swap_slots_cache_lock\n", "3000 T c\n"]
    monkeypatch.setattr(running, "live_symbolizer", lambda: Symbolizer(symbols))
    files = {**PAGES, "swaps": swaps(vda=132), "meminfo": meminfo(swap_total=1000, swap_free=868)}
    table = balance(taken(tmp_path, files)).set_index("item")["pages"]
    assert (table["swap slot cache"], table["unexplained"].iloc[-1]) == (128, 2)


def test_without_the_slot_cache_no_slots_are_reserved(tmp_path: Path, maps: FakeMaps) -> None:
    # GIVEN Linux 6.15, which has swap_writepage() but no slot cache, and 130 slots in use without an owner
    maps.facts["hooks"] = {"out": "swap_writepage"}
    files = {**PAGES, "swaps": swaps(vda=132), "meminfo": meminfo(swap_total=1000, swap_free=868)}
    table = balance(taken(tmp_path, files)).set_index("item")["pages"]
    # THEN no slot cache explains them
    assert "swap slot cache" not in table
    assert table["unexplained"].iloc[-1] == 130


def test_losses_to_a_full_map_are_reported(tmp_path: Path, maps: FakeMaps) -> None:
    maps.counted |= {"entries_full": 100}
    files = {**PAGES, "swaps": swaps(vda=9, vdb=5), "meminfo": meminfo(swap_total=2000, swap_free=1986)}
    table = balance(taken(tmp_path, files))
    lines = table[table["section"].str.startswith("swap")][["item", "pages"]].to_numpy().tolist()
    assert [pages for item, pages in lines if item == "lost"] == [7, 5]
    assert [pages for item, pages in lines if item == "unexplained"] == [0, 0]


@pytest.mark.parametrize(
    ("at_attach", "freed", "lost", "unknown"),
    [
        # 10 are missing:
        (100, 0, 0, 10),
        (3, 0, 0, 3),
        # All from before the attach may have been freed.
        (100, 100, 50, 0),
        (100, 95, 50, 5),
        (100, 1000, 0, 10),
        # At most 4 are lost.
        (100, 1000, 4, 6),
        (3, 0, 50, 3),
        (0, 0, 50, 0),
    ],
)
def test_losses_to_a_full_map_do_not_count_as_before_the_attach(
    tmp_path: Path, maps: FakeMaps, at_attach: int, freed: int, lost: int, unknown: int
) -> None:
    maps.facts["used_at_attach"] = at_attach
    maps.counted |= {"entries_full": lost, "free_unknown": freed}
    assert taken(tmp_path).meta.swap_owner.unknown_pages == unknown


def test_losses_give_warnings(tmp_path: Path, maps: FakeMaps) -> None:
    maps.counted |= {"entries_full": 1234, "out_pages": 5}
    assert taken(tmp_path).meta.warnings == ["probes: 1,234 owners lost: the map of swap entries was full"]


def test_a_trace_that_ends_during_the_snapshot_is_reported(tmp_path: Path, maps: FakeMaps) -> None:
    # pid_max is at most 2**22.
    maps.facts["pid"] = 1 << 22
    (said,) = taken(tmp_path).meta.warnings
    assert said.startswith("probes: the trace ended during the snapshot")


def test_the_kernels_own_swap_owners_are_preferred(tmp_path: Path, maps: FakeMaps) -> None:
    snap = taken(tmp_path, {**PAGES, "swap_page_owner": entry(9)})
    assert (snap.meta.swap_owner.origin, snap.swap["swp_entry"].tolist()) == ("debugfs", [9])
    assert maps.closed


def test_the_probes_can_be_selected(tmp_path: Path, maps: FakeMaps) -> None:
    snap = taken(tmp_path, {**PAGES, "swap_page_owner": entry(9)}, swap="bpf")
    assert (snap.meta.swap_owner.origin, snap.swap["swp_entry"].tolist()) == ("bpf", [1, 2])


def test_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "connect", lambda: None)
    snap = taken(tmp_path)
    why = "the kernel has no swap_page_owner file"
    assert snap.meta.swap_owner == SwapOwner(why=Why(Missing.NO_FILE, why))
    with pytest.raises(SpoTraceError) as caught:
        taken(tmp_path, swap="bpf", force=True)
    assert caught.value.message == "no owners of swap from probes: no trace is running"
    assert caught.value.hint == "start one: sudo spo-trace trace, and leave it running"


def test_a_trace_without_owners(tmp_path: Path, maps: FakeMaps) -> None:
    maps.facts["owners"] = False
    assert taken(tmp_path).meta.swap_owner.origin is None
    with pytest.raises(SpoTraceError, match="the running trace has no owners: page_owner is not on") as caught:
        taken(tmp_path, swap="bpf", force=True)
    # A second trace would be refused while this one runs, and would have no owners either.
    assert (caught.value.hint or "").startswith("boot with page_owner=on")


@pytest.mark.parametrize("swap", ["auto", "bpf"])
def test_a_capture_has_no_probes(tmp_path: Path, maps: FakeMaps, swap: str) -> None:
    if swap == "bpf":
        with pytest.raises(UsageError, match="swap='bpf' needs this machine as its source, not a capture"):
            collect(FakeSource(PAGES), tmp_path / "x.spo", swap=swap)
    else:
        assert collect(FakeSource(PAGES), tmp_path / "x.spo").meta.swap_owner.origin is None
    assert maps.reads == []
