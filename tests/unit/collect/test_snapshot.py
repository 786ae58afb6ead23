# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a source to a snapshot: every table, every count, every warning."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from spo_trace.analysis.shortcomings import shortcomings
from spo_trace.collect.snapshot import collect
from spo_trace.errors import MalformedRecord, SpoTraceError, UsageError, spelled
from spo_trace.formats.missing import Missing, Why
from spo_trace.native import library
from spo_trace.snapshots.meta import Origin, SourceFacts, SwapOwner
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.capture import CaptureSource
from spo_trace.stacks.meaning import deciding_rule, meaning
from tests.support import ANON, CARRIED, FS, MACHINE, SHMEM, FakeSource, entry, page

BLOCK = b"".join(b" %b\n" % frame for frame in ANON)
CUT = b"Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 7"


def collected(tmp_path: Path, files: dict[str, bytes], **options: Any) -> Snapshot:
    """Return the snapshot of a source with these files."""
    problems = options.pop("problems", None)
    source = FakeSource({**MACHINE, **files}, problems=problems, why=options.pop("why", None))
    return collect(source, tmp_path / "x.spo", **options)


def counts_of(snap: Snapshot, name: str) -> dict[str, Any]:
    """Return the counts of a file in snapshot.json, without times."""
    counts = json.loads((snap.path / "snapshot.json").read_bytes())["files"][name]
    return {key: value for key, value in counts.items() if key not in ("began", "seconds")}


def test_every_table_and_count(tmp_path: Path) -> None:
    pages = page(0x100, 0, ts=0) + page(0x104, 2, b"cat", ts=9, stack=FS) + page(0x108, 3, ts=7)
    snap = collected(tmp_path, {"page_owner": pages, "swap_page_owner": entry(1, ts=3) + entry(2, ts=8)})
    assert snap.pages[["pfn", "order", "comm", "stack_id"]].to_numpy().tolist() == [
        [0x100, 0, "dd", 0],
        [0x104, 2, "cat", 1],
        [0x108, 3, "dd", 0],
    ]
    assert snap.swap[["swp_entry", "comm", "stack_id", "origin"]].to_numpy().tolist() == [
        [1, "dd", 2, "debugfs"],
        [2, "dd", 2, "debugfs"],
    ]
    assert [list(frames) for frames in snap.stacks["frames"]] == [[f.decode() for f in s] for s in (ANON, FS, SHMEM)]
    assert snap.stacks["category"].tolist() == ["anon", "page cache", "tmpfs/shmem"]
    # Time 0 means unknown.
    assert counts_of(snap, "page_owner") == {"records": 3, "oldest_ts_nsec": 7, "newest_ts_nsec": 9}
    assert counts_of(snap, "swap_page_owner") == {"records": 2, "oldest_ts_nsec": 3, "newest_ts_nsec": 8}
    assert snap.meta.swap_owner == SwapOwner(Origin.DEBUGFS, kept_by_kernel=True)
    assert snap.meta.source == SourceFacts("capture", {"from": "memory"})
    assert (snap.meta.schema_version, snap.meta.warnings) == (7, [])
    assert (snap.meta.machine.host, snap.page_size) == ("box", 4096)


# Of a table that is written again without some rows, and of one that is not in every snapshot, too.
def test_each_file_says_of_which_snapshot_it_is(tmp_path: Path) -> None:
    files = {"page_owner": page(0x100) + page(0x100), "date": b"2026-11-29T12:00:00Z\n"}
    files["slabinfo"] = b"slabinfo - version: 2.1\n# name\nkmalloc-8 1 2 8 512 1 : tunables 0 0 0 : slabdata 1 1 0\n"
    snap = collected(tmp_path, files)
    paths = sorted(snap.path.glob("*.parquet"))
    assert [path.stem for path in paths] == ["pages", "slab_caches", "stacks", "swap"]
    assert snap.count("pages") == 1
    for path in paths:
        found = pq.read_metadata(path).metadata
        assert {key.decode(): value.decode() for key, value in found.items() if key.startswith(b"spo_trace.")} == {
            "spo_trace.schema_version": "7",
            "spo_trace.host": "box",
            "spo_trace.boot_id": "11111111-2222-3333-4444-555555555555",
            "spo_trace.taken_at": "2026-11-29T12:00:00Z",
            "spo_trace.kernel": "7.2.13",
            "spo_trace.page_size": "4096",
        }


def test_what_is_unknown_is_not_in_the_identity(tmp_path: Path) -> None:
    snap = collect(FakeSource({"page_owner": page(), "uname": b"Linux b\xffx 6.1 #1 x86_64\n"}), tmp_path / "y.spo")
    found = pq.read_metadata(snap.path / "pages.parquet").metadata
    assert {key for key in found if key.startswith(b"spo_trace.")} >= {b"spo_trace.page_size", b"spo_trace.kernel"}
    assert b"spo_trace.boot_id" not in found


def test_the_largest_times_do_not_overflow(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page(0x100, ts=(1 << 63) - 1) + page(0x101, ts=1 << 62)})
    assert counts_of(snap, "page_owner")["newest_ts_nsec"] == (1 << 63) - 1


def test_text_without_times(tmp_path: Path) -> None:
    old = b"Page allocated via order 0, mask 0x0()\n" + page().split(b"\n", 1)[1]
    assert counts_of(collected(tmp_path, {"page_owner": old}), "page_owner") == {"records": 1}


def test_rejects_are_counted_and_stored_with_their_position(tmp_path: Path) -> None:
    garbage, odd = b"what is this\n\n", page(0x102, tail=b"huh\n")
    snap = collected(tmp_path, {"page_owner": garbage + page() + odd + page(0x104, 40) + CUT})
    assert snap.pages["pfn"].tolist() == [0x100, 0x102]
    line = 3 + page().count(b"\n") + odd[: odd.index(b"huh")].count(b"\n")
    assert counts_of(snap, "page_owner") == {
        "records": 2,
        "malformed": 2,
        "notes": 2,
        "reasons": {
            "before_first": {"text": "text before the first record", "number": 1},
            "line": {"text": "line not understood", "number": 1},
            "order_range": {"text": "order is out of range", "number": 1},
            "cut_off": {"text": "the record is cut off: it has no empty line at its end", "number": 1},
        },
        "first_reject": "page_owner line 1 byte 0: text before the first record",
        "oldest_ts_nsec": 5,
        "newest_ts_nsec": 5,
    }
    rejects = (snap.path / "rejects.txt").read_text()
    where = f"byte {len(garbage + page()) + odd.index(b'huh')}"
    assert f"# page_owner line {line} {where}: line not understood (record kept without this)\nhuh\n" in rejects
    assert rejects.count("(record lost)\n") == 2


def test_strict_stops_at_the_first_reject_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(MalformedRecord, match=r"^page_owner line 7 byte \d+: order is out of range$"):
        collected(tmp_path, {"page_owner": page() + page(0x104, 40)}, strict=True)
    assert list(tmp_path.iterdir()) == []


def test_incomplete_input_is_reported(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page()}, problems={"page_owner": "reading the input failed: x"})
    assert counts_of(snap, "page_owner")["problem"] == "reading the input failed: x"
    with pytest.raises(MalformedRecord, match=r"^page_owner: reading the input failed: x$"):
        collected(
            tmp_path,
            {"page_owner": page()},
            problems={"page_owner": "reading the input failed: x"},
            strict=True,
            force=True,
        )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no page_owner to read: not there"),
        ({"page_owner": b""}, "page_owner contains no valid record: it is empty"),
        (
            {"page_owner": b"\x7fELF\1\2\0\xff" * 50},
            "page_owner contains no valid record: page_owner line 1 byte 0: text before the first record",
        ),
        (
            {"page_owner": CUT},
            "page_owner contains no valid record: page_owner line 1 byte 0: the record is cut off: "
            "it has no empty line at its end",
        ),
    ],
    ids=["nothing", "empty", "garbage", "cut"],
)
def test_without_a_record_there_is_no_snapshot(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(SpoTraceError) as caught:
        collected(tmp_path, files)
    assert caught.value.message == message
    assert list(tmp_path.iterdir()) == []


def test_without_swap_owners_there_is_a_reason(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page()})
    assert snap.meta.swap_owner == SwapOwner(why=Why(Missing.NOT_IN_CAPTURE, "not there"))
    assert (len(snap.swap), snap.meta.warnings) == (0, [])
    with pytest.raises(SpoTraceError) as caught:
        collected(tmp_path, {"page_owner": page()}, swap="debugfs", force=True)
    assert (caught.value.message, caught.value.hint) == (
        "no swap_page_owner: not there",
        "swap='auto' continues without it",
    )


def test_swap_owners_that_are_not_requested(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page(), "swap_page_owner": entry(1)}, swap="none")
    assert snap.meta.swap_owner == SwapOwner(why=Why(Missing.NOT_ASKED_FOR, "not requested"), kept_by_kernel=True)
    assert len(snap.swap) == 0
    with pytest.raises(UsageError, match=r"^there is no swap mode 'bpf2'$"):
        collected(tmp_path, {"page_owner": page()}, swap="bpf2", force=True)


def test_a_kernel_without_the_patch_that_was_booted_with_swap(tmp_path: Path) -> None:
    files = {"page_owner": page(), "cmdline": b"page_owner=on,swap\n"}
    # The code decides, not the text.
    snap = collected(tmp_path, files, why=Why(Missing.NO_FILE, "Datei oder Verzeichnis nicht gefunden"))
    assert [text[:75] for text in snap.meta.warnings] == [
        "the kernel was booted with page_owner=on,swap but has no swap_page_owner: i"
    ]
    # If only the capture lacks the file, nothing is known about the kernel.
    assert collected(tmp_path, files, force=True).meta.warnings == []
    unknown = Why(Missing.UNKNOWN, "No such file or directory, it seems")
    assert collected(tmp_path, files, why=unknown, force=True).meta.warnings == []


def test_unreadable_stacks_are_left_out_with_a_warning(tmp_path: Path) -> None:
    why = Why(Missing.READ_ERROR, "cat: show_stacks: Input/output error")
    snap = collected(tmp_path, {"page_owner": page(), "swap_page_owner": entry(1), "show_handles": b""}, why=why)
    assert snap.meta.warnings == [f"{name} is left out: {why.text}" for name in ("show_stacks_handles", "show_stacks")]


def test_blocked_stacks_are_left_out_with_one_warning(tmp_path: Path) -> None:
    # GIVEN a source whose page_owner_stacks cannot be read completely
    why = Why(Missing.BLOCKED, "reading it returned no data for 10 s and was abandoned")
    # WHEN a snapshot is taken
    snap = collected(tmp_path, {"page_owner": page(), "swap_page_owner": entry(1)}, why=why)
    # THEN it has one warning, and a code for each file
    assert snap.count("pages") == 1
    assert snap.meta.warnings == [f"page_owner_stacks is left out: show_stacks_handles: {why.text}"]
    assert snap.meta.missing == dict.fromkeys(("show_stacks_handles", "show_stacks", "show_handles"), why)


def test_a_file_that_is_read_twice_has_one_warning(tmp_path: Path) -> None:
    files = {
        **MACHINE,
        "page_owner": page(),
        "processes": b"Pid:\t2\n",
        "kpagecgroup": b"\1" * 8,
        "cgroups": b"1 - /\n",
    }
    problems = dict.fromkeys(("processes", "cgroups"), "it is cut off")
    snap = collect(FakeSource(files, problems=problems), tmp_path / "x.spo")
    assert sorted(snap.meta.warnings) == [f"{name}: it is cut off; it is left out" for name in ("cgroups", "processes")]


def test_an_assumed_page_size_is_reported(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page(), "pagesize": b""})
    (text,) = map(spelled, shortcomings(snap.meta))
    assert text.startswith("the capture does not contain the page size: 4096 bytes assumed; give page_size")


def test_counts_of_the_kernel_by_stack_or_by_handle(tmp_path: Path) -> None:
    known = BLOCK + b"handle: 7\n\n"
    by_stack = {"page_owner": page(), "show_stacks": BLOCK + b"nr_base_pages: 12\n\n", "show_stacks_handles": known}
    snap = collected(tmp_path, by_stack)
    assert snap.stacks[["handle", "nr_base_pages"]].to_numpy().tolist() == [[7, 12]]
    by_handle = {
        "page_owner": page(),
        "show_handles": b"handle: 7\nnr_base_pages: 13\n\n",
        "show_stacks_handles": known,
    }
    snap = collected(tmp_path, by_handle, force=True)
    assert snap.stacks[["handle", "nr_base_pages"]].to_numpy().tolist() == [[7, 13]]


def test_handles_in_place_of_stacks(tmp_path: Path) -> None:
    pages = page(0x100, stack=[], tail=b"handle: 7\n") + page(0x101, stack=[], tail=b"handle: 8\n")
    snap = collected(tmp_path, {"page_owner": pages, "show_stacks_handles": BLOCK + b"handle: 7\n\n"})
    assert [list(frames) for frames in snap.stacks["frames"]] == [[frame.decode() for frame in ANON], []]
    assert snap.stacks["handle"].tolist() == [7, 8]
    assert snap.stacks["stack_hash"].nunique() == 2


def test_counts_of_allocations_are_not_used_as_pages(tmp_path: Path) -> None:
    snap = collected(tmp_path, {"page_owner": page(), "show_stacks": BLOCK + b"stack_count: 12\n\n"})
    assert snap.stacks["nr_base_pages"].isna().all()
    assert snap.meta.warnings == [
        "show_stacks prints stack_count, which counts allocations and not pages (6.9-rc): not used"
    ]


@pytest.mark.parametrize("compiled", [True, False])
def test_some_columns_of_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, compiled: bool) -> None:
    # GIVEN text for the scanner, with a record for the reference parser
    pages = page(0x100, 0, ts=5) + page(0x104, 2, b"cat", ts=9, stack=FS, tail=b"PID 9\n") + page(0x108, 3, ts=7)
    if not compiled:
        monkeypatch.setattr(library, "load", lambda: None)
    # WHEN only some columns are requested
    snap = collected(tmp_path, {"page_owner": pages, "swap_page_owner": entry(1)}, page_columns=["stack_id", "order"])
    # THEN these columns and all counts are the same as with all columns
    assert snap.read("pages", ["order", "stack_id"]).to_numpy().tolist() == [[0, 0], [2, 1], [3, 0]]
    assert [frame["order"].tolist() for frame in snap.dataframes("pages", ["order"])] == [[0, 2, 3]]
    assert counts_of(snap, "page_owner")["newest_ts_nsec"] == 9
    assert snap.swap["comm"].tolist() == ["dd"]
    # AND reading another column is an error
    for read in (
        lambda: snap.pages,
        lambda: snap.read("pages", ["comm"]),
        lambda: list(snap.dataframes("pages", ["comm"])),
    ):
        with pytest.raises(SpoTraceError, match=r"comm.* was not requested"):
            read()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"do_anonymous_page.llvm.1111111+0x1bc/0x430", b"do_anonymous_page.llvm.2222222+0x1c4/0x438"),
        (b"do_anonymous_page$d41d8cd98f00b204e9800998ecf8427e+0x1bc/0x430", b"do_anonymous_page.cfi_jt+0x1c4/0x438"),
        (b".do_anonymous_page+0x1bc/0x430", b"do_anonymous_page+0x1c4/0x438"),
        (b"do_anonymous_page.isra.0+0x1bc/0x430", b"do_anonymous_page.constprop.0.isra.0+0x1bc/0x430"),
    ],
    ids=["llvm", "thinlto", "elfv1", "gcc"],
)
def test_builds_of_one_source_have_the_same_symbol_hash(tmp_path: Path, one: bytes, other: bytes) -> None:
    # GIVEN the same stack in two builds of one kernel, whose compilers named the function differently
    stacks = [[b"post_alloc_hook+0x23c/0x254", frame] for frame in (one, other)]
    for number in "01":
        (tmp_path / number).mkdir()
    snaps = [collected(tmp_path / str(n), {"page_owner": page(stack=stack)}) for n, stack in enumerate(stacks)]
    # THEN the values derived from names are equal, and the stack hashes differ
    rows = [snap.stacks[["symbol_hash", "category", "caller"]].to_numpy().tolist() for snap in snaps]
    assert rows[0] == rows[1]
    assert rows[0][0][1:] == ["anon", "do_anonymous_page"]
    assert snaps[0].stacks["stack_hash"][0] != snaps[1].stacks["stack_hash"][0]


# Callers in fixtures/captures for which there is no rule: the use of their memory fits no category.
NO_RULE = {
    *("alloc_cpu_data", "allocate_cmdlines_buffer", "ftrace_process_locs"),  # ring buffers and tables of ftrace
    "anon_pipe_write",  # pipe buffers
    *("futex_init", "mnt_init", "posixtimer_init"),  # hash tables
    "vdso_setup_data_pages",  # pages that every process maps
}


@pytest.mark.parametrize("stage", ["7.2-spo/2-swapped", "7.2-stock/3-back", "7.2-spo-varied/2-swapped"])
def test_only_known_callers_have_no_rule(stage: str, tmp_path: Path) -> None:
    snap = collect(CaptureSource([str(CARRIED / stage)]), tmp_path / "x.spo")
    stacks = [list(frames) for frames in snap.stacks["frames"]]
    assert len(stacks) > 400
    assert {meaning(frames).caller for frames in stacks if frames and deciding_rule(frames) is None} <= NO_RULE


def test_more_memory_than_a_machine_can_have(tmp_path: Path) -> None:
    # GIVEN records of the largest order, without a PFN that could show which of them overlap
    record = b"Page allocated via order 22, mask 0x0()\n\n"
    files = {"page_owner": record * 4097}
    # WHEN they are 4 PiB and more
    with pytest.raises(SpoTraceError) as caught:
        collected(tmp_path, files, page_size=1 << 18)
    # THEN there is no total that could be wrong
    assert caught.value.message.endswith(" pages of 262,144 bytes: no machine has as much")
    assert (
        collected(tmp_path, {"page_owner": record * 4096}, page_size=1 << 18).meta.files["page_owner"].records == 4096
    )


def test_totals_that_no_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN records of seven pages in memory and two in swap, and a limit of as many bytes
    files = {"page_owner": page(0x100, 2) + page(0x108, 1) + page(0x200), "swap_page_owner": entry(1) + entry(2)}
    monkeypatch.setattr("spo_trace.collect.rows.MAX_MEMORY_BYTES", 7 * 4096)
    assert len(collected(tmp_path, files).pages) == 3
    # AND records that are listed twice count once
    twice = {name: text * 2 for name, text in files.items()}
    assert len(collected(tmp_path, twice, force=True).pages) == 3
    # WHEN the records add up to more, THEN there is no snapshot
    for limit, table in ((7 * 4096 - 1, "pages"), (2 * 4096 - 1, "swap")):
        monkeypatch.setattr("spo_trace.collect.rows.MAX_MEMORY_BYTES", limit)
        less = files if table == "pages" else {**files, "page_owner": page()}
        with pytest.raises(
            SpoTraceError, match=f"the records of {table} add up to [27] pages of 4,096 bytes: no machine"
        ):
            collected(tmp_path, less, force=True)


@pytest.mark.parametrize(("kind", "method"), [("capture", "text"), ("simulator", "text"), ("dump", "dump")])
def test_the_method_is_that_of_the_source(tmp_path: Path, kind: str, method: str) -> None:
    source = FakeSource({**MACHINE, "page_owner": page()})
    source.kind = kind
    assert collect(source, tmp_path / "x.spo").meta.method == method
