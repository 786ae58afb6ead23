# SPDX-License-Identifier: LGPL-2.1-or-later
"""The notebooks run from top to bottom, and print their stored output."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.xdist_group("notebooks")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_shows(path: Path, tmp_path: Path) -> None:
    # GIVEN a new home directory without files of Jupyter, IPython or matplotlib
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    command = [sys.executable, "-m", "tests.docs.notebooks", "--check", str(path)]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]


def test_there_are_notebooks() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_can_be_read_without_jupyter(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    # The plots are stored in it, and it is small enough to display.
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert path.stat().st_size < 200_000
    # It begins with prose and ends with links.
    assert book.cells[0].cell_type == "markdown" and book.cells[0].source.startswith("# ")
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    assert sum(cell.cell_type == "markdown" for cell in book.cells) >= len(code) / 2
    assert max(len(source.splitlines()) for source in code) <= 40


def outputs_of(path: Path) -> list[Any]:
    book = nbformat.read(path, as_version=4)
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_columns_named_bytes_hold_bytes(path: Path) -> None:
    tables = [output["data"]["text/plain"] for output in outputs_of(path) if "text/plain" in output.get("data", {})]
    for table in tables:
        for block in table.split("\n\n"):
            heading, *rows = block.splitlines()
            for column in re.finditer(r"\w*bytes\w*", heading):
                # pandas aligns values with the end of the column name. An amount in MiB would be a fraction.
                values = [row[: column.end()].split()[-1] for row in rows if row[: column.end()].split()]
                assert values and all(re.fullmatch(r"-?\d+|<NA>", value) for value in values), (column[0], values)


def test_a_column_in_other_units_would_be_noticed() -> None:
    assert not re.fullmatch(r"-?\d+|<NA>", "256.7")
    assert any("_bytes" in str(output) for path in NOTEBOOKS for output in outputs_of(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_legend_has_a_chosen_place(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    calls = [call for cell in book.cells for call in re.findall(r"\.legend\(.*\)", cell.source)]
    # The default of matplotlib ("best") may cover a bar.
    assert all("loc=" in call for call in calls), calls


def test_results_are_shown_with_sizes() -> None:
    for path in NOTEBOOKS:
        html = [output["data"]["text/html"] for output in outputs_of(path) if "text/html" in output.get("data", {})]
        assert any(re.search(r"\d [KM]iB<", text) for text in html), path.stem


def test_the_fleet_shows_what_was_put_in() -> None:
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs_of(NOTEBOOKS[3])]
    count, report, swap, growth, by_stack, _, odd, host = texts
    assert count == "28 snapshots of 14 hosts\n" and "ksoftirqd/0" in report
    # The first is what grew on all hosts; the second grew on one, which is the only one that differs.
    first, second = growth.splitlines()[1:3]
    assert first.split()[1:3] == ["net_rx_poll", "14"] and second.split()[1:3] == ["sample_ring_alloc", "1"]
    assert re.fullmatch(r" +\+[56][0-9]{2} KiB per host: net_rx_poll", by_stack.splitlines()[0])
    assert [line.split()[2:4] for line in odd.splitlines()[1:]] == [["db5", "sample_ring_alloc"]]
    assert "sample_ring_alloc" in host
    # Two of six databases do not tell who owns their swap.
    database = swap.splitlines()[1].split()
    assert database[1:4] == ["db", "6", "4"] and int(database[5]) > 0
