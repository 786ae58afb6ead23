# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows from the probes' maps: swap entries, and pages that came back from swap."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from spo_trace import schema
from spo_trace.formats.batch import to_batch
from spo_trace.formats.rows import PageRow
from spo_trace.formats.stack_table import StackTable
from spo_trace.probes.counters import COUNTERS, LOSSES, MISSED
from spo_trace.probes.probes import Probes
from spo_trace.probes.readings import MapReadings
from spo_trace.probes.swap_rows import OWNER, RESTORED, SwapRows
from spo_trace.probes.symbolizer import Symbolizer
from tests.unit.probes.fake_maps import FakeMaps, Owned

PROGRAM = (Path(__file__).parents[3] / "bpf/swap_owner.c").read_text()

SYMBOLS = Symbolizer(["1000 T alloc\n", "2000 T shmem_alloc_folio\n", "3000 T last\n"])
STACKS = {5: (0x1001, 0x2002), 6: (0x2010,)}
TYPE_1 = 1 << 58


def owned(**changes: Any) -> Owned:
    """Return an owner."""
    fields: dict[str, Any] = {"ts_nsec": 50, "pfn": 0x77, "handle": 5, "pid": 8, "tgid": 7, "comm": b"dd"} | changes
    return tuple(fields.values())


def rows_of(maps: FakeMaps, stacks: StackTable | None = None, later: FakeMaps | None = None) -> SwapRows:
    """Return the rows of maps that are read; `later`: what they contain when they are read again."""
    readings = MapReadings(cast(Probes, maps))
    if later:
        maps.entries, maps.came_back = later.entries, later.came_back
    readings.read_again()
    return SwapRows(readings, SYMBOLS, StackTable() if stacks is None else stacks)


def test_entries_are_in_order_and_have_all_columns() -> None:
    maps = FakeMaps(
        {TYPE_1 + 3: owned(comm=b"a\n", handle=6), 9: owned(), 2: owned(ts_nsec=(1 << 63) - 1)}, stacks=STACKS
    )
    stacks = StackTable()
    (batch,) = rows_of(maps, stacks).batches()
    assert batch.schema == schema.SWAP
    assert batch.to_pylist()[0] == {
        "swp_entry": 2, "swap_type": 0, "swap_offset": 2, "pid": 8, "tgid": 7, "comm": "dd", "ts_nsec": (1 << 63) - 1,
        "stack_id": batch["stack_id"][1].as_py(), "pfn": 0x77, "origin": "bpf",
    }  # fmt: skip
    assert [(row["swap_type"], row["swap_offset"], row["comm"]) for row in batch.to_pylist()] == [
        (0, 2, "dd"),
        (0, 9, "dd"),
        (1, 3, r"a\n"),
    ]
    frames = [stacks[number.as_py()].frames for number in batch["stack_id"]]
    assert frames[1:] == [("alloc+0x1/0x1000", "shmem_alloc_folio+0x2/0x1000"), ("shmem_alloc_folio+0x10/0x1000",)]


def test_numbers_beyond_int64_are_unknown() -> None:
    # GIVEN the 64 bits of 2**63 and of 2**64 - 1
    (batch,) = rows_of(FakeMaps({1: owned(ts_nsec=-(1 << 63), pfn=-1)}, stacks=STACKS)).batches()
    assert (batch["ts_nsec"].to_pylist(), batch["pfn"].to_pylist()) == ([None], [None])
    came_back = FakeMaps(restored={0x10: (100, owned(ts_nsec=-(1 << 63)))}, stacks=STACKS)
    (got,) = rows_of(came_back).restore([pages((0x10, 100, "cat"), (0x11, 7, "dd"))])
    assert (got["ts_nsec"].to_pylist(), got["kernel_ts_nsec"].to_pylist()) == ([None, 7], [100, None])


def test_a_name_ends_at_its_first_nul() -> None:
    # strscpy() leaves the old bytes after the NUL.
    maps = FakeMaps(
        {1: owned(comm=b"dd\0old rest"), 2: owned(comm=b"\0gone"), 3: owned(comm=b"\xff" * 15)}, stacks=STACKS
    )
    (batch,) = rows_of(maps).batches()
    assert batch["comm"].to_pylist() == ["dd", "", r"\377" * 15]


def test_a_lost_stack_has_only_a_handle() -> None:
    stacks = StackTable()
    (batch,) = rows_of(FakeMaps({1: owned(handle=4242)}), stacks).batches()
    stack = stacks[batch["stack_id"][0].as_py()]
    assert (stack.handle, stack.frames) == (4242, ())


def test_no_rows_if_swap_is_empty() -> None:
    assert list(rows_of(FakeMaps()).batches()) == []


def pages(*rows: tuple[int | None, int | None, str]) -> pa.RecordBatch:
    """Return rows of page_owner: (pfn, ts_nsec, comm), stack 0."""
    values = [
        {"pfn": pfn, "ts_nsec": ts, "comm": comm, "pid": 3, "tgid": 3, "order": 0, "stack_id": 0, "slab": False}
        | {"swapped": False}
        for pfn, ts, comm in rows
    ]
    found = [PageRow(**(dict.fromkeys(PageRow._fields) | row)) for row in values]  # type: ignore[arg-type]
    return to_batch(schema.PAGES, found)


def test_a_page_that_came_back_has_its_first_owner() -> None:
    maps = FakeMaps(restored={0x30: (900, owned(comm=b"first")), 0x10: (100, owned())}, stacks=STACKS)
    stacks = StackTable()
    stacks.intern(b" do_swap_page+0x1/0x2\n")
    batch = pages((0x10, 101, "other"), (0x20, 900, "cat"), (0x30, 900, "cat"), (None, None, "old"))
    (got,) = rows_of(maps, stacks).restore([batch])
    assert got.schema.names == schema.TABLES["pages"].names
    assert got.slice(0, 2).select(schema.PAGES.names).to_pylist() == batch.slice(0, 2).to_pylist()
    row = got.to_pylist()[2]
    assert {name: row[name] for name in ("pid", "tgid", "comm", "ts_nsec", "swapped")} == {
        "pid": 8, "tgid": 7, "comm": "first", "ts_nsec": 50, "swapped": True,
    }  # fmt: skip
    assert {name: row[name] for name in schema.KERNEL_OWNER.names} == {
        "kernel_pid": 3, "kernel_tgid": 3, "kernel_comm": "cat", "kernel_ts_nsec": 900, "kernel_stack_id": 0,
    }  # fmt: skip
    assert stacks[row["stack_id"]].frames[0] == "alloc+0x1/0x1000"
    assert [got["kernel_comm"][number].as_py() for number in (0, 1, 3)] == [None] * 3


def test_names_of_first_owners_that_the_batch_has_or_lacks() -> None:
    # GIVEN pages that came back; the batch has the first owner's name, lacks it, or has it for another page
    names = {0x10: b"cat", 0x20: b"new", 0x30: b"dd"}
    maps = FakeMaps(restored={pfn: (pfn, owned(comm=name)) for pfn, name in names.items()}, stacks=STACKS)
    batch = pages((0x10, 0x10, "cat"), (0x20, 0x20, "cat"), (0x30, 0x30, "cat"), (0x40, 0x40, "dd"))
    # Also for a slice of a batch.
    for start in (0, 1):
        (got,) = rows_of(maps).restore([batch[start:]])
        got.validate(full=True)
        assert got["comm"].to_pylist() == ["cat", "new", "dd", "dd"][start:]
        assert got["kernel_comm"].to_pylist() == ["cat", "cat", "cat", None][start:]
        assert got["swapped"].to_pylist() == [True, True, True, False][start:]


def test_pandas_is_not_imported() -> None:
    program = (
        "import sys\n"
        "from tests.unit.probes.test_swap_rows import *\n"
        "assert 'pandas' not in sys.modules\n"
        "rows = rows_of(FakeMaps({1: owned()}, {0x10: (7, owned())}, STACKS))\n"
        "assert len(list(rows.batches()))\n"
        "assert list(rows.restore([pages((0x10, 7, 'cat'))]))[0]['swapped'][0].as_py()\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_pages_do_not_change_if_none_came_back() -> None:
    batch = pages((0x10, 101, "dd"))
    for maps in (FakeMaps(), FakeMaps(restored={0x10: (1, owned())}), FakeMaps(restored={1 << 60: (101, owned())})):
        assert next(rows_of(maps).restore([batch])) is batch


def test_pages_that_come_back_during_the_read_are_included() -> None:
    # GIVEN a page that came back before page_owner was read, and another one during the read
    first, second = (0x20, (900, owned(comm=b"one"))), (0x30, (950, owned(comm=b"two")))
    rows = rows_of(FakeMaps(restored=dict([first]), stacks=STACKS), later=FakeMaps(restored=dict([first, second])))
    # WHEN its text is parsed later, THEN both have their first owners
    (batch,) = rows.restore([pages((0x10, 1, "dd"), (0x20, 900, "cat"), (0x30, 950, "cat"), (0x31, 951, "cat"))])
    assert batch["swapped"].to_pylist() == [False, True, True, False]
    assert batch["comm"].to_pylist() == ["dd", "one", "two", "cat"]


@pytest.mark.parametrize("seen", ["before", "after"])
def test_a_page_frame_that_another_page_takes_during_the_read(seen: str) -> None:
    # GIVEN a page that came back, was freed, and whose page frame was given to another page that came back
    one, two = (0x20, (900, owned(comm=b"one"))), (0x20, (950, owned(comm=b"two")))
    rows = rows_of(FakeMaps(restored=dict([one]), stacks=STACKS), later=FakeMaps(restored=dict([two])))
    # WHEN page_owner listed the first or the second page, THEN the row has the owner of that page
    (batch,) = rows.restore([pages((0x20, 900 if seen == "before" else 950, "cat"))])
    assert batch["comm"].to_pylist() == ["one" if seen == "before" else "two"]
    # AND a page that did not come back from swap keeps its own
    (batch,) = rows.restore([pages((0x20, 970, "cat"))])
    assert batch["comm"].to_pylist() == ["cat"]


def test_swap_entries_are_those_after_the_read() -> None:
    rows = rows_of(FakeMaps({1: owned()}, stacks=STACKS), later=FakeMaps({2: owned(), 3: owned()}))
    (batch,) = rows.batches()
    assert batch["swp_entry"].to_pylist() == [2, 3]


@pytest.mark.parametrize(("name", "kind", "size"), [("owner", OWNER, 48), ("restored", RESTORED, 56)])
def test_rows_are_the_c_structs(name: str, kind: Any, size: int) -> None:
    body = re.search(rf"struct {name} \{{(.*?)\}};", PROGRAM, re.DOTALL)
    assert body is not None
    members = re.findall(r"(\w+)(?:\[\d+\])?;", body[1])
    assert [m.removeprefix("ts_nsec") or "ts_nsec" for m in members][1:] == list(kind.names)[1:]
    assert kind.itemsize == size


def test_counters_are_the_c_enum() -> None:
    body = re.search(r"enum \{\s*(OUT_CALLS.*?)NR_COUNTERS", PROGRAM, re.DOTALL)
    assert body is not None
    assert [name.lower() for name in re.findall(r"\w+", body[1])] == [name for name in COUNTERS if name != MISSED]


def test_every_counter_of_a_loss_gives_a_warning() -> None:
    ordinary = {"out_calls", "out_pages", "out_again", "out_continued", "in_calls", "in_pages", "free_calls", "freed"}
    # Unknown pages can be from before the attach.
    assert set(COUNTERS) - set(LOSSES) == ordinary | {"migrated", "in_unknown", "free_unknown"}
    assert set(LOSSES) <= set(COUNTERS)
