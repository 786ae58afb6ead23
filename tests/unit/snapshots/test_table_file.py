# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sizes that a table claims are bounded; other forms of text are accepted; changed bytes are found."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.snapshots import parquet_input, table_checks, table_file, table_types
from spo_trace.snapshots.reader import Snapshot
from tests.damage import change_table
from tests.support import MACHINE, entry, page, snapshot_of


@pytest.fixture
def snap(tmp_path: Path) -> Snapshot:
    """Return a snapshot with three pages and two swap entries."""
    pages = page(0x100, 2) + page(0x108, 0, b"cat") + page(0x200, 1)
    return snapshot_of(tmp_path, {**MACHINE, "page_owner": pages, "swap_page_owner": entry(1) + entry(1 << 58)})


def test_totals_beyond_any_machine_are_damage(snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a limit of as many bytes as the snapshot has, THEN it is read
    monkeypatch.setattr(table_checks, "MAX_MEMORY_BYTES", 7 * 4096)
    assert len(snap.read("pages", ["order"])) == 3
    # AND with one byte less it is not.
    monkeypatch.setattr(table_checks, "MAX_MEMORY_BYTES", 7 * 4096 - 1)
    with pytest.raises(
        SpoTraceError, match=r"x\.spo is damaged: pages\.parquet: the rows add up to more memory than any"
    ):
        list(snap.dataframes("pages", ["order"]))
    monkeypatch.setattr(table_checks, "MAX_MEMORY_BYTES", 2 * 4096 - 1)
    with pytest.raises(SpoTraceError, match=r"swap\.parquet: the rows add up"):
        snap.read("swap", ["pid"])


@pytest.mark.parametrize(
    ("table", "column", "numbers", "said"),
    [
        ("pages", "pfn", pa.array([256, 264, -1]), "row 3: -1 is less than 0"),
        ("pages", "kernel_ts_nsec", pa.array([None, -(1 << 63), None]), "row 2: -9223372036854775808 is less than 0"),
        ("swap", "ts_nsec", pa.array([-1, 5]), "row 1: -1 is less than 0"),
        ("pages", "pfn", pa.array([256, None, 1 << 63], pa.uint64()), "Integer value 9223372036854775808 not in range"),
        (
            "swap",
            "ts_nsec",
            pa.array([5, (1 << 64) - 1], pa.uint64()),
            "Integer value 18446744073709551615 not in range",
        ),
    ],
)
def test_numbers_that_no_kernel_has_are_damage(
    snap: Snapshot, table: str, column: str, numbers: pa.Array, said: str
) -> None:
    change_table(snap.path, table, lambda rows: _with(rows, column, numbers))
    with pytest.raises(SpoTraceError, match=rf"x\.spo is damaged: {table}\.parquet: column {column}[,:] {said}"):
        snap.read(table, [column])


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [
        ("MAX_ROW_GROUP", 2, "it claims [23] rows in "),
        ("MAX_ROWS_PER_BYTE", 0, "it claims [23] rows in "),
        ("MAX_TABLE_BYTES", 10, "it claims more than 10 bytes for some rows"),
    ],
)
def test_sizes_of_the_footer_are_bounded(
    snap: Snapshot, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    monkeypatch.setattr(parquet_input, limit, value)
    with pytest.raises(SpoTraceError, match=f"x.spo is damaged: [a-z]+.parquet: {said}"):
        snap.read("pages", ["pid"])


def test_one_text_for_many_rows_is_not_expanded(snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a long text that is in the file once, and is the caller of every stack
    change_table(snap.path, "stacks", lambda table: _with(table, "caller", pa.array(["x" * 5000] * len(table))))
    # WHEN the texts of all rows exceed the limit, THEN they are not read
    monkeypatch.setattr(table_types, "MAX_TABLE_BYTES", 5000 * snap.count("stacks") - 1)
    with pytest.raises(SpoTraceError, match=r"stacks\.parquet: its texts take [0-9,]+ bytes"):
        snap.read("stacks")
    monkeypatch.setattr(table_types, "MAX_TABLE_BYTES", 5000 * snap.count("stacks"))
    assert snap.read("stacks")["caller"].str.len().tolist() == [5000] * snap.count("stacks")


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


def _cast(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    return lambda table: _with(table, name, table[name].cast(pa.string() if "comm" in name else kind).cast(kind))


@pytest.mark.parametrize(
    ("table", "name", "kind"),
    [
        ("pages", "comm", pa.string()),
        ("pages", "comm", pa.large_string()),
        ("stacks", "caller", pa.large_string()),
        ("stacks", "caller", pa.dictionary(pa.int32(), pa.string())),
        ("stacks", "frames", pa.large_list(pa.large_string())),
    ],
)
def test_other_forms_of_text_are_read_the_same(snap: Snapshot, table: str, name: str, kind: pa.DataType) -> None:
    before = snap.arrow(table)
    change_table(snap.path, table, _cast(name, kind))
    assert pq.read_schema(snap.path / f"{table}.parquet").field(name).type == kind
    assert Snapshot(snap.path).arrow(table).equals(before)


def test_a_changed_byte_is_found_by_the_crc(snap: Snapshot) -> None:
    path = snap.path / "pages.parquet"
    footer = pq.read_metadata(path)
    columns = {footer.row_group(0).column(number).path_in_schema: number for number in range(footer.num_columns)}
    column = footer.row_group(0).column(columns["order"])
    content = bytearray(path.read_bytes())
    # The last bytes of a column's last page are its values.
    start = column.dictionary_page_offset or column.data_page_offset
    content[start + column.total_compressed_size - 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SpoTraceError, match=r"x\.spo is damaged: pages\.parquet: .*(CRC|crc)"):
        snap.read("pages", ["order"])
    assert len(snap.read("pages", ["pid"])) == 3


def test_entries_of_a_32_bit_machine(tmp_path: Path) -> None:
    files = {**MACHINE, "uname": b"Linux box 7.2 #1 SMP i686 GNU/Linux\n", "swap_page_owner": entry(1 << 26 | 5)}
    snap = snapshot_of(tmp_path, {**files, "page_owner": page()})
    assert snap.swap[["swap_type", "swap_offset"]].to_numpy().tolist() == [[1, 5]]


@pytest.mark.parametrize("metadata", [b"{", b"[" * 100_000, b"\xff", b'{"columns": 7}'])
def test_metadata_for_pandas_is_ignored(snap: Snapshot, metadata: bytes) -> None:
    before = snap.read("pages")
    change_table(snap.path, "pages", lambda table: table.replace_schema_metadata({"pandas": metadata}))
    pd.testing.assert_frame_equal(Snapshot(snap.path).read("pages"), before)


def test_more_memory_than_the_zones_have_is_damage(tmp_path: Path) -> None:
    # GIVEN a machine with 16 pages, of which eight are listed twice, as happens while pages move
    zone = b"Node 0, zone Normal\n  pages free 3\n        spanned  16\n        present  16\n        managed  16\n"
    files = {**MACHINE, "zoneinfo": zone, "page_owner": page(0x100, 3) + page(0x200, 3) + page(0x300, 3)}
    snap = snapshot_of(tmp_path, files)
    assert len(snap.read("pages", ["order"])) == 3
    # WHEN a row has an order that the kernel may have, but not this machine
    orders = pa.array([3, 3, 18], pa.uint8())
    change_table(snap.path, "pages", lambda table: _with(table, "order", orders))
    with pytest.raises(SpoTraceError, match=r"pages\.parquet: the rows add up to more memory than the zones of the"):
        Snapshot(snap.path).read("pages", ["order"])


@pytest.mark.parametrize(("table", "column"), [("pages", "comm"), ("swap", "comm"), ("stacks", "caller")])
def test_a_text_that_no_kernel_prints_is_damage(snap: Snapshot, table: str, column: str) -> None:
    # GIVEN the longest text
    texts = pa.array(["x" * 8192] * len(snap.read(table)))
    change_table(snap.path, table, lambda rows: _with(rows, column, texts))
    assert len(Snapshot(snap.path).read(table, [column]))
    # WHEN it is one byte longer
    longer = pa.array(["x" * 8193] * len(texts))
    change_table(snap.path, table, lambda rows: _with(rows, column, longer))
    with pytest.raises(SpoTraceError, match=rf"{table}\.parquet: column {column}: a text has more than 8,192"):
        Snapshot(snap.path).read(table, [column])


def test_more_stacks_than_any_machine_has_is_damage(snap: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = len(snap.read("stacks"))
    monkeypatch.setattr(table_file, "MAX_STACK_ROWS", stacks - 1)
    with pytest.raises(SpoTraceError, match=rf"stacks\.parquet: it has {stacks} rows; at most {stacks - 1}"):
        Snapshot(snap.path).read("stacks")


def test_a_zoneinfo_that_is_cut_off_does_not_limit_memory(tmp_path: Path) -> None:
    zone = b"Node 0, zone DMA\n  pages free 3\n        spanned  2\n        present  2\n        managed  2\n"
    meminfo = b"MemTotal: 64 kB\nMemFree: 8 kB\n"
    snap = snapshot_of(tmp_path, {**MACHINE, "zoneinfo": zone, "meminfo": meminfo, "page_owner": page(0x100, 4)})
    assert len(snap.read("pages", ["order"])) == 1


def test_a_system_without_dev_fd_or_proc(snap: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = parquet_input._DESCRIPTORS[0]
    for directories in ((tmp_path / "none", real), (real, tmp_path / "none")):
        monkeypatch.setattr(parquet_input, "_DESCRIPTORS", directories)
        assert len(snap.read("pages", ["order"])) == 3
    monkeypatch.setattr(parquet_input, "_DESCRIPTORS", (tmp_path / "none", tmp_path / "neither"))
    with pytest.raises(SpoTraceError, match="there is neither") as caught:
        snap.read("pages", ["order"])
    assert "damaged" not in caught.value.message


@pytest.mark.parametrize(
    ("table", "column", "value", "said"),
    [
        ("processes", "swap_bytes", -1, "-1 is less than 0"),
        ("processes", "swap_share_bytes", 1 << 53, "exceeds"),
        ("processes", "swap_bytes", 1 << 52, "the rows add up to more memory than any machine has"),
        ("cgroups", "swap_bytes", 1 << 52, "the rows add up to more memory than any machine has"),
        ("slab_caches", "slabs", 1 << 39, "the rows add up to more memory than any machine has"),
        ("slab_caches", "pages_per_slab", 1 << 40, "the rows add up to more memory than any machine has"),
        ("slab_caches", "objects", -5, "-5 is less than 0"),
        ("slab_caches", "slab_cache", "x" * 9000, "a text has more than"),
    ],
)
def test_amounts_that_no_machine_has_are_damage(
    tmp_path: Path, table: str, column: str, value: object, said: str
) -> None:
    # GIVEN a snapshot with two rows in each table of the machine, and one wrong value in both
    listed = b"".join(b"Pid:\t%d\nName:\tkthreadd\nVmSwap:\t4 kB\nSwapPss: 4 kB\n\n" % pid for pid in (2, 3))
    slabs = b"slabinfo - version: 2.1\n" + 2 * b"x 1 1 8 512 8 : tunables 0 0 0 : slabdata 1 1 0\n"
    files = {"processes": listed, "cgroups": b"1 4 /a\n2 4 /b\n", "slabinfo": slabs}
    snap = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(), **files})
    assert len(snap.read(table)) == 2

    def wrong(found: pa.Table) -> pa.Table:
        at, kind = found.schema.get_field_index(column), found.schema.field(column).type
        return found.set_column(at, column, pa.array([value, value], kind))

    change_table(snap.path, table, wrong)
    with pytest.raises(SpoTraceError, match=rf"{table}\.parquet: .*{said}"):
        Snapshot(snap.path).read(table, [column])
