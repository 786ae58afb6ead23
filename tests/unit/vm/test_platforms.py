# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of platforms: its results have reasons, and the page is that of the file."""

import json
from pathlib import Path

import pytest

from tests.docs.platforms import RESULTS, platforms_page
from tests.vm.platforms import Cell, Row, _doctor, _trace, read_rows, write_rows

PAGE = RESULTS.with_suffix(".md")


def row(**results: Cell) -> Row:
    return Row("Debian 99", "9.9-stock", "9.9.1", "x86_64", {"python": "3.99"}, results, "2026-01-02")


def test_the_page_is_that_of_the_results() -> None:
    assert PAGE.read_text() == platforms_page(read_rows(RESULTS))


def test_no_failure_is_without_a_sentence() -> None:
    cells = [cell for row in read_rows(RESULTS) for cell in row.results.values()]
    assert len(cells) > 10
    assert [cell for cell in cells if cell.result != "ok" and len(cell.note) < 10] == []


def test_equal_notes_have_one_number() -> None:
    failed = Cell("failed", "trace: it broke")
    page = platforms_page([row(trace=failed, snapshot=Cell("ok", "")), row(trace=failed, doctor=Cell("ok", "is fine"))])
    first, second = [line.split(" | ")[7:11] for line in page.splitlines() if line.startswith("| Debian 99")]
    assert (first, second) == (["ok", "**fails** (1)", "–", "–"], ["–", "**fails** (1)", "ok (2)", "–"])
    assert page.endswith("## Notes\n\n1. trace: it broke\n2. is fine\n")


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [row(trace=Cell("ok", "")), row()]
    write_rows(tmp_path / "x.json", rows)
    assert read_rows(tmp_path / "x.json") == rows
    assert read_rows(tmp_path / "none.json") == []


@pytest.mark.parametrize(("trace", "result"), [("impossible", "refused"), ("possible", "failed")])
def test_what_doctor_has_said_is_a_refusal(tmp_path: Path, trace: str, result: str) -> None:
    check = {"message": "no BPF", "status": "missing", "required": True}
    (tmp_path / "doctor.json").write_text(json.dumps({"snapshot": "possible", "trace": trace, "checks": [check]}))
    (tmp_path / "doctor.log").write_text("status 0\n")
    (tmp_path / "trace.log").write_text("spo-trace: error: no BPF here\n  hint: use another\nstatus 1\n")
    assert _trace(tmp_path) == Cell(result, "trace: no BPF here; use another")
    said = "" if trace == "possible" else "doctor: snapshot possible, trace impossible; no BPF"
    assert _doctor(tmp_path) == Cell("ok", said)
