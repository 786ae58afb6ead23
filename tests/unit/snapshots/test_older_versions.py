# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots in older versions of the format, written by the code of that time, are read as those of today."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

import spo_trace as spo
from spo_trace import schema
from spo_trace.snapshots.reader import Snapshot
from tests.support import ANON, CARRIED, FS, MACHINE, entry, page, snapshot_of

VERSION_6 = CARRIED.parent / "snapshots" / "version-6"

LATE = (1 << 53) + 1

# The text from which VERSION_6 was made.
FILES = {
    **MACHINE,
    "page_owner": page(0x100, ts=5, stack=ANON) + page(0x200, 3, b"cat", stack=FS, ts=LATE),
    "swap_page_owner": entry(0x400000000000001, ts=3) + entry(0x400000000000002, ts=LATE),
}


def test_version_6_has_unsigned_numbers_and_is_read_as_signed_ones() -> None:
    # GIVEN a snapshot of version 6, in which PFNs and times are uint64
    assert [str(pq.read_schema(VERSION_6 / "pages.parquet").field(name).type) for name in ("pfn", "ts_nsec")] == [
        "uint64",
        "uint64",
    ]
    # THEN it is read with the types of today
    old = Snapshot(VERSION_6)
    for table in ("pages", "swap"):
        types = old.arrow(table).schema
        assert [(field.name, field.type) for field in types] == [(f.name, f.type) for f in schema.TABLES[table]]
    assert old.pages["pfn"].tolist() == [0x100, 0x200]
    assert old.pages["ts_nsec"].tolist() == [5, LATE]
    assert old.swap["swap_offset"].tolist() == [1, 2]
    assert old.swap["swp_entry"].tolist() == [0x400000000000001, 0x400000000000002]


def test_version_6_equals_the_same_text_today(tmp_path: Path) -> None:
    old, new = Snapshot(VERSION_6), snapshot_of(tmp_path, FILES)
    for table in schema.TABLES:
        pd.testing.assert_frame_equal(old.read(table), new.read(table))
    # THEN nothing has changed between the two, in either order
    for first, second in ((old, new), (new, old)):
        changes = spo.diff(spo.open(first.path), spo.open(second.path), "comm")
        assert changes["total_bytes_delta"].tolist() == [0, 0]
    assert spo.attribute(spo.open(old.path), "pfn").equals(spo.attribute(spo.open(new.path), "pfn"))
