# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API: accepted arguments, and the errors for all others."""

import gzip
import io
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.cli.messages import for_command_line
from tests.support import MACHINE, entry, meminfo, pack, page, snapshot_of, swaps, tar_of

FILES = {
    **MACHINE,
    "page_owner": page(1, comm=b"dd") + page(2, 1, comm=b"cat"),
    "swap_page_owner": entry(0x1F),
    "meminfo": meminfo(swap_total=100, swap_free=99),
    "swaps": swaps(sda=1),
}
UPTIMES = {"a": b"100.00 1.00\n", "b": b"160.00 1.00\n", "c": b"220.00 1.00\n"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with three snapshots of one boot, as a.spo, b.spo and c.spo, and captures of the first."""
    directory = tmp_path_factory.mktemp("api")
    (directory / "day").mkdir()
    for name, uptime in UPTIMES.items():
        snapshot_of(directory, FILES | {"uptime": uptime}, name=name).path.rename(directory / "day" / f"{name}.spo")
    (directory / "a.tar.gz").write_bytes(pack(tar_of(FILES), "gz"))
    (directory / "page_owner").write_bytes(FILES["page_owner"])
    return directory


@pytest.fixture
def snap(place: Path) -> spo.Snapshot:
    return spo.open(place / "day" / "a.spo")


class TestPaths:
    @pytest.mark.parametrize("given", ["day/a.spo", "a.files", "a.tar.gz", "page_owner"])
    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_path_is_accepted_as_a_snapshot(self, place: Path, given: str, kind: Callable[[Path], Any]) -> None:
        path = kind(place / given)
        assert list(spo.attribute(path)["comm"]) == ["cat", "dd"]
        assert list(spo.ages(path)["comm"]) == ["cat", "dd"]
        assert not spo.diff(path, path)["total_bytes_delta"].any()
        assert spo.relate(path, path).known[0] == "mem"
        spo.export(path, "folded", out := io.StringIO())
        assert "dd" in out.getvalue()
        spo.export_diff(path, path, out := io.StringIO())
        assert "<html" in out.getvalue()
        if given != "page_owner":
            assert "memory" in set(spo.balance(path)["section"])

    def test_samples_are_paths_snapshots_or_captures(self, place: Path, snap: spo.Snapshot) -> None:
        mixed: list[Any] = [snap, place / "day" / "b.spo", str(place / "c.files")]
        expected = spo.series(place / "day", by="comm")
        pd.testing.assert_frame_equal(spo.series(mixed, by="comm"), expected)
        assert list(spo.trend(mixed, by="comm")["comm"]) == list(spo.trend(str(place / "day"), by="comm")["comm"])

    def test_open_accepts_a_snapshot(self, snap: spo.Snapshot) -> None:
        assert spo.open(snap) is snap


class TestExport:
    @pytest.mark.parametrize("format", ["folded", "speedscope", "html", "csv", "json", "pprof", "parquet"])
    def test_a_path_and_every_kind_of_file_object_get_the_same_bytes(
        self, snap: spo.Snapshot, format: str, tmp_path: Path
    ) -> None:
        # GIVEN the bytes written to a path
        spo.export(snap, format, tmp_path / "path")
        expected = (tmp_path / "path").read_bytes()
        assert expected and (tmp_path / "path").stat().st_mode & 0o777 == 0o600
        # WHEN they are written to file objects
        with (tmp_path / "text").open("w", encoding="utf-8") as text, (tmp_path / "binary").open("wb") as binary:
            spo.export(snap, format, text)
            spo.export(snap, format, binary)
            assert not text.closed and not binary.closed
        with (tmp_path / "raw").open("wb", buffering=0) as raw, gzip.open(tmp_path / "gz", "wb") as packed:
            spo.export(snap, format, raw)
            spo.export(snap, format, packed)
        spo.export(snap, format, memory := io.BytesIO())
        with tempfile.NamedTemporaryFile(dir=tmp_path) as temporary:
            spo.export(snap, format, temporary)
            temporary.flush()
            assert Path(temporary.name).read_bytes() == expected
        # THEN each has the same bytes
        assert [(tmp_path / name).read_bytes() for name in ("text", "binary", "raw")] == [expected] * 3
        assert gzip.decompress((tmp_path / "gz").read_bytes()) == expected
        assert memory.getvalue() == expected

    @pytest.mark.parametrize("format", ["pprof", "parquet"])
    def test_a_binary_format_needs_a_binary_file_object(self, snap: spo.Snapshot, format: str) -> None:
        with pytest.raises(spo.UsageError, match="outfile is open for text, but this format is binary") as caught:
            spo.export(snap, format, io.StringIO())
        assert "BytesIO" in str(caught.value.hint)

    def test_a_file_is_replaced_only_on_request(self, snap: spo.Snapshot, tmp_path: Path) -> None:
        target = tmp_path / "x.csv"
        target.write_text("mine")
        with pytest.raises(spo.SpoTraceError, match="exists") as caught:
            spo.export(snap, "csv", target)
        assert (caught.value.hint, target.read_text()) == ("replace it with force=True", "mine")
        spo.export(snap, "csv", target, force=True)
        assert target.read_text().startswith("where,")

    @pytest.mark.parametrize("force", [False, True])
    def test_a_device_is_written_to_and_stays(self, snap: spo.Snapshot, force: bool) -> None:
        reading, terminal = os.openpty()
        name = os.ttyname(terminal)
        spo.export(snap, "folded", name, force=force)
        assert b"dd;" in os.read(reading, 4096)
        assert Path(name).is_char_device()
        os.close(reading)
        os.close(terminal)

    def test_a_failed_export_leaves_no_file(self, snap: spo.Snapshot, tmp_path: Path) -> None:
        with pytest.raises(spo.UsageError):
            spo.export(snap, "folded", tmp_path / "x", where="nosuch == 1")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_object_that_is_not_open_for_writing(self, snap: spo.Snapshot) -> None:
        refused = pytest.raises(spo.UsageError, match="outfile is not open for writing")
        with (snap.path / "snapshot.json").open() as file, refused:
            spo.export(snap, "csv", file)
        with pytest.raises(spo.UsageError, match="outfile is closed"):
            spo.export(snap, "csv", file)

    def test_an_encoding_that_lacks_a_character(self, tmp_path: Path) -> None:
        found = snapshot_of(tmp_path, {**MACHINE, "page_owner": page(comm="dé".encode())})
        with (tmp_path / "x").open("w", encoding="ascii") as file, pytest.raises(spo.UsageError, match="ascii"):
            spo.export(found.path, "folded", file)


# Calls with wrong arguments: {s} is a snapshot, {d} a directory of snapshots, {o} a new path.
WRONG = [
    "spo.attribute(None)",
    "spo.attribute(3)",
    "spo.attribute([])",
    "spo.attribute('')",
    "spo.attribute('a\\0b')",
    "spo.attribute('/nosuch')",
    "spo.attribute('x' * 300)",
    "spo.trend('x' * 300)",
    "spo.trend('')",
    "spo.attribute(b'{s}')",
    "spo.attribute(spo.attribute('{s}'))",
    "spo.attribute('{s}', by=3)",
    "spo.attribute('{s}', by=[3])",
    "spo.attribute('{s}', by='com')",
    "spo.attribute('{s}', by='comm,pid')",
    "spo.attribute('{s}', by=len)",
    "spo.attribute('{s}', by=['comm', 'comm'])",
    "spo.attribute('{s}', where=lambda rows: rows['order'] > 0)",
    "spo.attribute('{s}', where=spo.open('{s}').pages['order'] > 0)",
    "spo.attribute('{s}', where=True)",
    "spo.attribute('{s}', where=['order > 0'])",
    "spo.attribute('{s}', where='')",
    "spo.attribute('{s}', where='comm = \"dd\"')",
    "spo.attribute('{s}', where='nosuch == 1')",
    "spo.attribute('{s}', where='comm == 1')",
    "spo.attribute('{s}', where='order.str.contains(\"a\")')",
    "spo.ages(None)",
    "spo.ages('{s}', by=1)",
    "spo.ages('{s}', where=1)",
    "spo.balance(None)",
    "spo.balance(3)",
    "spo.verdicts(None)",
    "spo.changes(None)",
    "spo.changes('{s}')",
    "spo.changes(spo.attribute('{s}'))",
    "spo.verdicts('{s}', parts='nosuch')",
    "spo.verdicts('{s}', parts=3)",
    "spo.verdicts('{s}', tolerance='2')",
    "spo.verdicts('{s}', tolerance=-1)",
    "spo.diff(None, '{s}')",
    "spo.diff('{s}', 3)",
    "spo.diff('{s}', '{s}', by=0)",
    "spo.diff('{s}', '{s}', where=0)",
    "spo.relate('{s}', None)",
    "spo.open(None)",
    "spo.open(3)",
    "spo.open([])",
    "spo.open([None])",
    "spo.open('{s}/pages.parquet')",
    "spo.open('{s}/snapshot.json')",
    "spo.open('{d}')",
    "spo.open('{f}', page_columns=3)",
    "spo.open('{f}', page_size=3)",
    "spo.open('{f}', page_size='x')",
    "spo.open('{f}', page_size=[])",
    "spo.snapshot('{o}', from_='{f}', page_size=4096.5)",
    "spo.snapshot('{o}', from_='{f}', stacks_timeout='x')",
    "spo.diff('{s}', '{s}', sort=3)",
    "spo.diff('{s}', '{s}', sort='nosuch')",
    "spo.snapshot(None)",
    "spo.snapshot('{o}', from_=3)",
    "spo.snapshot('{o}', from_=[])",
    "spo.snapshot('{o}', from_='{s}')",
    "spo.snapshot('{s}', from_='{f}')",
    "spo.snapshot('{o}', from_='{f}', swap=3)",
    "spo.snapshot('{o}', from_='{f}', swap=None)",
    "spo.snapshot('{o}', from_='{f}', swap='bpf')",
    "spo.snapshot('{o}', from_='{f}', stage='x')",
    "spo.snapshot('{o}', from_='{f}', backend='live')",
    "spo.snapshot('{o}', from_='{f}', backend=3)",
    "spo.snapshot('{o}', from_='{f}', jobs=0)",
    "spo.snapshot('{o}', from_='{f}', jobs='2')",
    "spo.snapshot('{o}', from_='{f}', jobs=1.5)",
    "spo.snapshot('{o}', from_='{f}', jobs=True)",
    "spo.snapshot('{o}', from_='{f}', owner=3)",
    "spo.snapshot('{o}', from_='{f}', mode='0640')",
    "spo.snapshot('{o}', from_='{f}', mode=0o777)",
    "spo.snapshot('{o}', backend='simulator')",
    "spo.snapshot('{o}', backend='capture')",
    "spo.snapshot('{o}', backend='simulator', from_='quick', stage=3)",
    "spo.snapshot('{o}', backend='simulator', from_=['quick', 'leak'])",
    "spo.snapshot('{o}', backend='simulator', from_='nosuch')",
    "spo.watch(by=3)",
    "spo.watch(where=3)",
    "spo.watch(method=3)",
    "spo.watch(method='counts', by='pid')",
    "spo.watch(interval='1')",
    "spo.watch(interval=-1)",
    "spo.watch(interval=float('nan'))",
    "spo.watch(interval=float('inf'))",
    "spo.watch(count=0)",
    "spo.watch(count=1.5)",
    "spo.watch(count='3')",
    "spo.watch(jobs=0)",
    "spo.watch(from_=3)",
    "spo.watch(from_='-')",
    "spo.watch(from_='{d}')",
    "spo.watch(record=3)",
    "spo.watch(record='{s}')",
    "spo.series(None)",
    "spo.series([])",
    "spo.series([None])",
    "spo.series('{s}')",
    "spo.series(spo.open('{s}'))",
    "spo.series('{s}/pages.parquet')",
    "spo.series('{d}', by=3)",
    "spo.series('{d}', where=3)",
    "spo.trend(3)",
    "spo.trend('{f}')",
    "spo.trend('{d}', weight=3)",
    "spo.trend('{d}', weight=None)",
    "spo.trend('{d}', by=[])",
    "spo.trend(['{s}', '{s}', '{s}'])",
    "spo.trend(['{s}'])",
    "spo.export('{s}', 'csv', None)",
    "spo.export('{s}', 'csv', 3)",
    "spo.export('{s}', 'csv', '')",
    "spo.export('{s}', 'csv', '{d}')",
    "spo.export('{s}', 'csv', '/nosuch/x')",
    "spo.export('{s}', 'csv', '{s}/snapshot.json')",
    "spo.export('{s}', None, '{o}')",
    "spo.export('{s}', 'xlsx', '{o}')",
    "spo.export('{s}', 'csv', '{o}', where='nosuch')",
    "spo.export('{s}', 'pprof', '{o}', weight='mem')",
    "spo.export('{s}', 'folded', '{o}', weight=3)",
    "spo.export(None, 'folded', '{o}')",
    "spo.export_diff('{s}', None, '{o}')",
    "spo.export_diff('{s}', '{s}', 3)",
]
# Valid calls without keys: one row of totals.
ALLOWED = {"spo.trend('{d}', by=[])"}


class TestWrongArguments:
    @pytest.mark.parametrize("call", WRONG)
    def test_errors_name_the_arguments_of_the_api(self, place: Path, tmp_path: Path, call: str) -> None:
        names = {"s": place / "day" / "a.spo", "d": place / "day", "f": place / "a.files", "o": tmp_path / "o"}
        # WHEN a function is called with a wrong argument
        try:
            eval(call.format(**names), {"spo": spo})
        except spo.SpoTraceError as error:
            # THEN the error has a hint, and names no option of the command line
            assert error.message and "Errno" not in error.message
            assert error.hint, error.message
            assert "--" not in f"{error.message} {error.hint}" and " -o" not in f"{error.message} {error.hint}"
            # AND the error can be translated for the command line
            assert for_command_line(error.texts[0]) and for_command_line(error.texts[1] or "")
        else:
            assert call in ALLOWED
        assert list(tmp_path.iterdir()) == []


class TestNames:
    def test_a_star_import_leaves_the_builtin_open(self) -> None:
        names: dict[str, Any] = {}
        exec("from spo_trace import *", names)
        assert "open" not in names and names["attribute"] is spo.attribute
        assert callable(spo.open)

    def test_dir_lists_only_the_api(self) -> None:
        assert {*dir(spo)} == {*spo.__all__, "fleet", "open"}
        program = (
            "import spo_trace; print(*dir(spo_trace)); print([n for n in dir(spo_trace) if not hasattr(spo_trace, n)])"
        )
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        assert "import_module" not in said and "TYPE_CHECKING" not in said
        assert said.splitlines()[1] == "[]"

    def test_annotations_are_published(self) -> None:
        assert (Path(spo.__file__).parent / "py.typed").is_file()


class TestColumns:
    def test_pages_and_swap_have_the_columns_of_where(self, snap: spo.Snapshot) -> None:
        for rows in (snap.pages, snap.swap):
            for name in ("category", "caller", "callsite", "module", "stack", "symbols"):
                assert isinstance(rows[name].dtype, pd.CategoricalDtype)
                # The rows that where matches.
                for value in rows[name].dropna().unique():
                    table = "mem" if rows is snap.pages else "swap"
                    found = spo.attribute(snap, [], where=f'{name} == "{value}"')[f"{table}_bytes"].iloc[0]
                    assert rows.loc[rows[name] == value, "bytes"].sum() == found
        assert list(snap.pages["bytes"]) == [4096, 8192]
        assert list(snap.swap["bytes"]) == [4096]

    def test_a_64k_page_is_64k(self, tmp_path: Path) -> None:
        found = spo.open(snapshot_of(tmp_path, FILES | {"pagesize": b"65536\n"}))
        assert list(found.pages["bytes"]) == [65536, 131072] and list(found.swap["bytes"]) == [65536]

    def test_a_snapshot_without_rows(self, tmp_path: Path) -> None:
        found = spo.open(snapshot_of(tmp_path, {**MACHINE, "page_owner": page()}))
        assert found.swap.empty and {"bytes", "category"} <= set(found.swap.columns)


HOSTILE = b"<img src=x>"


class TestHtml:
    def test_a_snapshot_shows_its_machine_time_totals_and_owners(self, snap: spo.Snapshot) -> None:
        html = snap._repr_html_()
        for text in ("box", "7.2.13", "100 s", "12.00 KiB", "4.00 KiB", "known", "cat", "dd"):
            assert text in html, text

    def test_unknown_owners_of_swap_are_not_zero(self, tmp_path: Path) -> None:
        files = {name: text for name, text in FILES.items() if name != "swap_page_owner"}
        html = spo.open(snapshot_of(tmp_path, files))._repr_html_()
        assert "unknown (" in html and ">?<" in html

    def test_all_texts_are_escaped(self, tmp_path: Path) -> None:
        uname = b"Linux <script>alert(2)</script> 7.2.13 #1 SMP Mon x86_64 GNU/Linux\n"
        found = spo.open(snapshot_of(tmp_path, FILES | {"uname": uname, "page_owner": page(comm=HOSTILE)}))
        results = [spo.attribute(found), spo.diff(found, found), spo.attribute(found, "stack"), spo.balance(found)]
        for html in [found._repr_html_(), *(table._repr_html_() for table in results)]:
            assert "<img" not in html and "<script" not in html
        assert "&lt;img" in found._repr_html_()

    def test_a_damaged_table_leaves_the_facts(self, tmp_path: Path) -> None:
        found = snapshot_of(tmp_path, FILES)
        (found.path / "pages.parquet").write_bytes(b"x")
        html = spo.open(found.path)._repr_html_()
        assert "box" in html and "is damaged: pages.parquet" in html

    def test_a_result_shows_sizes_and_shares(self, snap: spo.Snapshot) -> None:
        html = spo.attribute(snap)._repr_html_()
        assert "8.00 KiB" in html and "50.0%" in html and "mem_pages" not in html

    def test_a_long_result_shows_its_first_rows(self, tmp_path: Path) -> None:
        text = b"".join(page(n, comm=b"p%d" % n) for n in range(30))
        table = spo.attribute(snapshot_of(tmp_path, {**MACHINE, "page_owner": text}).path)
        assert "… 10 more rows" in table._repr_html_() and table._repr_html_().count("<tr>") == 21
        assert "more row" not in table.head()._repr_html_() and table.head()._repr_html_().count("<tr>") == 6

    def test_a_result_is_a_dataframe(self, snap: spo.Snapshot, tmp_path: Path) -> None:
        table = spo.attribute(snap)
        assert isinstance(table, pd.DataFrame)
        # A computed table may have other units under the same names.
        assert type(table[["mem_bytes"]] / 1024) is pd.DataFrame and type(table.query("mem_bytes > 0")) is pd.DataFrame
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(table)), table)
        table.to_parquet(tmp_path / "x.parquet")
        assert list(pd.read_parquet(tmp_path / "x.parquet").columns) == list(table.columns)
        assert type(pd.concat([table, table])) is pd.DataFrame and len(table.merge(table, on="comm")) == 2
