# SPDX-License-Identifier: LGPL-2.1-or-later
"""Notes on rows that may stand for several owners."""

from pathlib import Path

import pandas as pd
import pytest

from spo_trace.analysis.notes import NoteCode
from spo_trace.analysis.shared_names import shared_name_notes
from spo_trace.snapshots.reader import Snapshot
from tests.support import MACHINE, entry, page, snapshot_of

SECOND = 1_000_000_000
LEAVES = "Memory cgroups with the same leaf name are one row: the kernel does not print their parents"


def snapshot(tmp_path: Path, *pages: bytes, swap: bytes = b"") -> Snapshot:
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": b"".join(pages), "swap_page_owner": swap})


def charged(name: bytes, pfn: int = 0x100, *, offline: bool = False) -> bytes:
    return page(pfn, tail=b"Charged to %bmemcg %b\n" % (b"offline " if offline else b"", name))


def texts(snap: Snapshot, *keys: str, side: str = "") -> list[str]:
    return [note.text for note in shared_name_notes(snap, keys, side)]


def test_leaf_names_of_memory_cgroups(tmp_path: Path) -> None:
    # GIVEN two cgroups with one name, which is certain for a: one of the two was removed
    snap = snapshot(tmp_path, charged(b"a"), charged(b"a", 0x101, offline=True), charged(b"b", 0x102), page(0x103))
    assert texts(snap, "memcg") == [f"{LEAVES}; both a live and a removed cgroup: a"]
    assert texts(snap, "comm") == []
    assert texts(snapshot(tmp_path / "x", charged(b"b")), "comm", "memcg", side="A") == [f"A: {LEAVES}"]
    # AND without memory cgroups there is nothing to say
    assert texts(snapshot(tmp_path / "y", page()), "memcg") == []


def test_a_path_stands_for_one_cgroup(tmp_path: Path) -> None:
    path = b"Memory cgroup path: /x/a\n"
    known = page(tail=b"Charged to memcg a\n" + path), page(0x101, tail=b"Charged to offline memcg a\n" + path)
    assert texts(snapshot(tmp_path, *known), "memcg") == []
    # AND a name without one may still be of several
    assert texts(snapshot(tmp_path / "x", *known, charged(b"b", 0x102)), "memcg") == [LEAVES]


@pytest.mark.parametrize(
    ("name", "cut"), [(b"n" * 78, False), (b"n" * 79, True), (b"\\" * 79, True), (b"\\" * 40, False)]
)
def test_names_that_the_kernel_cut(tmp_path: Path, name: bytes, cut: bool) -> None:
    # The length is that of the kernel's bytes; a stored backslash is escaped
    found = texts(snapshot(tmp_path, charged(name)), "memcg")
    stored = name.decode().replace("\\", "\\\\")
    assert found[1:] == ([f"Names cut off by the kernel at 79 bytes: {stored}"] if cut else [])


def test_a_snapshot_with_names_that_are_not_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a table that somebody else wrote
    name = "n" * 78 + "\\"
    rows = pd.DataFrame({"memcg": [name], "memcg_offline": [False], "memcg_path": [None]})
    monkeypatch.setattr(Snapshot, "dataframes", lambda *_: iter([rows]))
    assert len(texts(snapshot(tmp_path, page()), "memcg")) == 2


def test_a_reused_pid_is_a_warning_with_its_names(tmp_path: Path) -> None:
    # GIVEN pid 7, first of dd, and two seconds later of cat; its only page is in swap
    snap = snapshot(tmp_path, page(ts=5), page(0x101, pid=8), swap=entry(1, b"cat", ts=2 * SECOND))
    for key in ("pid", "tgid"):
        (note,) = shared_name_notes(snap, [key])
        assert (note.code, note.warning) == (NoteCode.PID_REUSED, True)
        assert note.text == f"A {key} with several names may be two processes, one after the other: 7 (dd, cat)"
    # AND by name, too, the two have their own rows
    assert texts(snap, "pid", "comm") == texts(snap, "comm") == []


def test_a_new_process_has_the_name_of_its_parent_until_it_executes_a_program(tmp_path: Path) -> None:
    snap = snapshot(tmp_path, page(ts=SECOND, comm=b"bash"), page(0x101, ts=SECOND + 5), page(0x102, ts=9 * SECOND))
    assert texts(snap, "pid", "tgid") == []


def test_names_of_other_threads_do_not_matter_to_the_process(tmp_path: Path) -> None:
    thread = page(0x101, comm=b"worker", ts=9 * SECOND).replace(b"pid 7, tgid 7", b"pid 9, tgid 7")
    snap = snapshot(tmp_path, page(), thread)
    assert texts(snap, "tgid") == []


def test_only_the_first_are_named(tmp_path: Path) -> None:
    pages = [
        page(0x100 + 2 * n + at, pid=n + 1, comm=b"ab"[at : at + 1], ts=at * 9 * SECOND)
        for n in range(5)
        for at in (0, 1)
    ]
    (text,) = texts(snapshot(tmp_path, *pages), "pid")
    assert text.endswith(": 1 (a, b), 2 (a, b), 3 (a, b) and 2 more")


def test_a_kernel_without_names_or_without_pids(tmp_path: Path) -> None:
    # Linux 5.11 to 5.17, and older
    records = [b"Page allocated via order 0, mask 0x0(), pid 7, ts 5 ns\n", b"Page allocated via order 0, mask 0x0()\n"]
    place = b"PFN 256 type Movable Block 0 type Movable Flags 0x8(lru)\n a+0x1/0x2\n\n"
    for number, record in enumerate(records):
        snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": record + place}, name=str(number))
        assert texts(snap, "pid", "tgid", "memcg") == []
