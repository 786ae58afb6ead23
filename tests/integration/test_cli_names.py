# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that the parser never writes, in a crafted snapshot, and names that spreadsheets run: in every output."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import spo_trace as spo
from tests.integration.test_cli_hostile import CONTROL
from tests.support import MACHINE, entry, in_process, page, snapshot_of

# C0, C1, text directions, characters of no width, separators of lines.
HOSTILE = "h\x1b[2J\r\n\t\x00\x9b\u202e\u2066\u200b\u2028x"
ESCAPED = "h\\033[2J\\015\\n\\011\\000\\302\\233\\342\\200\\256\\342\\201\\246\\342\\200\\213\\342\\200\\250x"
NAMES = ("comm", "memcg", "gfp_flags", "page_flag_names", "migratetype", "caller", "module", "frames")
FILES = {
    **MACHINE,
    "page_owner": page(1) + page(2, tail=b"Charged to memcg web\n"),
    "swap_page_owner": entry(0x1F),
}


def hostile(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of the same type, in which all texts are hostile."""
    if pa.types.is_list(column.type):
        return pa.array([[HOSTILE] * len(frames) for frames in column.to_pylist()], column.type)
    return pa.array([HOSTILE] * len(column), pa.string()).cast(column.type)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a crafted snapshot in day/."""
    directory = tmp_path_factory.mktemp("names")
    (directory / "day").mkdir()
    for number, name in enumerate("abc"):
        path = directory / "day" / f"{name}.spo"
        files = FILES | {"uptime": b"%d.00 1.00\n" % (100 + 60 * number)}
        snapshot_of(directory, files, name=name).path.rename(path)
        for table in path.glob("*.parquet"):
            found = pq.read_table(table)
            for at, field in enumerate(found.schema):
                if field.name in NAMES:
                    found = found.set_column(at, field, hostile(found.column(field.name)))
            pq.write_table(found, table)
        meta = json.loads((path / "snapshot.json").read_text())
        for fact in ("host", "kernel_release", "kernel_version"):
            meta[fact] = HOSTILE
        (path / "snapshot.json").write_text(json.dumps(meta))
    return directory


@pytest.mark.parametrize(
    "arguments",
    [
        *(f"report day/a.spo --by comm,memcg,gfp_flags,migratetype,module -f {name}" for name in ("table", "csv")),
        "report day/a.spo --by stack,caller -f markdown",
        "report day/a.spo --by comm -f csv --csv-safe",
        *(f"diff day/a.spo day/b.spo --by comm,memcg,caller -f {name}" for name in ("table", "csv", "markdown")),
        *(f"trend day --by comm,caller -f {name}" for name in ("table", "csv", "markdown")),
        "verify day/a.spo",
        *(f"export day/a.spo -f {name}" for name in ("folded", "speedscope", "html", "csv")),
    ],
)
def test_names_of_a_crafted_snapshot_are_escaped_as_the_parser_does(place: Path, arguments: str) -> None:
    run = in_process(*arguments.split(), cwd=place)
    text = run.stdout.decode()
    assert run.stdout, run.stderr
    assert not CONTROL.search(text) and "\u200b" not in text
    assert not CONTROL.search(run.stderr.decode())
    if not arguments.startswith("verify"):
        assert ESCAPED in text.replace("\\\\", "\\")


@pytest.mark.parametrize("arguments", ["report day/a.spo -f json", "report day/a.spo -f json --envelope"])
def test_json_has_the_exact_names_in_ascii(place: Path, arguments: str) -> None:
    run = in_process(*arguments.split(), cwd=place)
    found = json.loads(run.stdout)
    assert (found["rows"] if isinstance(found, dict) else found)[0]["comm"] == HOSTILE
    assert run.stdout.isascii() and not CONTROL.search(run.stdout.decode())


def test_binary_exports_have_escaped_names(place: Path) -> None:
    spo.export(place / "day/a.spo", "pprof", out := io.BytesIO())
    profile = gzip.decompress(out.getvalue())
    assert ESCAPED.encode() in profile
    assert HOSTILE.encode() not in profile
    spo.export(place / "day/a.spo", "parquet", out := io.BytesIO())
    rows = pq.read_table(io.BytesIO(out.getvalue())).to_pylist()
    assert {(row["comm"], row["caller"], row["stack"].split(";")[0]) for row in rows} == {(ESCAPED, ESCAPED, ESCAPED)}
    assert {row["memcg"] for row in rows if row["where"] == "memory"} == {ESCAPED}


def test_a_table_in_a_notebook_has_escaped_names(place: Path) -> None:
    shown = spo.attribute(place / "day/a.spo", ["comm", "stack"])._repr_html_()
    assert ESCAPED in shown
    assert not CONTROL.search(shown)


FORMULAS = ["=1+1|cmd", "+A1", "@SUM(A1)", "-cmd|x", " =1+1", '="a";b', "plain", "a=b"]


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a snapshot whose names are formulas."""
    directory = tmp_path_factory.mktemp("formulas")
    pages = b"".join(page(number, comm=name.encode()) for number, name in enumerate(FORMULAS, 1))
    snapshot_of(directory, {**MACHINE, "page_owner": pages})
    return directory


@pytest.mark.parametrize("arguments", ["report x.spo -f csv", "diff x.spo x.spo -f csv", "export x.spo -f csv"])
def test_csv_has_exact_names_unless_it_should_be_safe(formulas: Path, arguments: str) -> None:
    plain, safe = (in_process(*arguments.split(), *more, cwd=formulas) for more in ([], ["--csv-safe"]))
    exact = [row["comm"] for row in csv.DictReader(io.StringIO(plain.stdout.decode()))]
    rows = list(csv.DictReader(io.StringIO(safe.stdout.decode())))
    assert sorted(exact) == sorted(FORMULAS)
    formula = {name for name in FORMULAS if name.strip()[0] in "=+-@"}
    assert [row["comm"] for row in rows] == [f"'{name}" if name in formula else name for name in exact]
    # Every text is quoted, numbers are not.
    assert all(line.startswith('"') for line in safe.stdout.decode().splitlines())
    assert b",4096," in safe.stdout or b",4096\n" in safe.stdout
    assert not any(cell[:1] in "=+-@" and cell and not cell[1:].isdigit() for row in rows for cell in row.values())


def test_csv_safe_of_the_api_and_in_other_formats(formulas: Path) -> None:
    spo.export(formulas / "x.spo", "csv", out := io.StringIO(), csv_safe=True)
    assert '"\'=1+1|cmd"' in out.getvalue()
    for arguments in ("report x.spo", "export x.spo", "report x.spo -f json"):
        run = in_process(*arguments.split(), "--csv-safe", cwd=formulas)
        assert run.returncode == 2
        assert b"csv" in run.stderr
    with pytest.raises(spo.UsageError, match="csv_safe needs the format csv"):
        spo.export(formulas / "x.spo", "json", out, csv_safe=True)
