# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of platforms: its results have reasons, and the page is that of the file."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.docs.platforms import RESULTS, platforms_page
from tests.vm import platforms
from tests.vm.guest import GuestError
from tests.vm.platform_cells import judge_guest, judge_tests
from tests.vm.platform_rows import Cell, Row, read_rows, update_rows

PAGE = RESULTS.with_suffix(".md")


def row(kernel: str = "9.9-stock", **results: Cell) -> Row:
    return Row("Debian 99", kernel, "9.9.1", "x86_64", {"python": "3.99.1"}, results, "2026-01-02")


def test_the_page_is_that_of_the_results() -> None:
    assert PAGE.read_text() == platforms_page(read_rows(RESULTS))


def test_no_failure_is_without_a_sentence() -> None:
    cells = [cell for row in read_rows(RESULTS) for cell in row.results.values()]
    assert len(cells) > 10
    assert [cell for cell in cells if cell.result != "ok" and len(cell.note) < 10] == []


def test_equal_notes_have_one_number() -> None:
    failed = Cell("failed", "tests: it broke")
    page = platforms_page([row(tests=failed, snapshot=Cell("ok", "")), row(tests=failed, doctor=Cell("ok", "is fine"))])
    first, second = [line.split(" | ")[7:12] for line in page.splitlines() if line.startswith("| Debian 99")]
    assert (first, second) == (["ok", "–", "–", "–", "**fails** (1)"], ["–", "–", "–", "ok (2)", "**fails** (1)"])
    assert page.endswith("## Notes\n\n1. tests: it broke\n2. is fine\n")


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [row("a", trace=Cell("ok", "")), row("b")]
    update_rows(tmp_path / "x.json", lambda before: [*before, *rows])
    assert read_rows(tmp_path / "x.json") == rows
    assert read_rows(tmp_path / "none.json") == []


def results_of_a_guest(out: Path, *, trace: str, traced: str) -> None:
    """Write what a guest leaves in which doctor says `trace`, and a trace with libbpf printed `traced`."""
    checks = [
        {"needed_for": "snapshot", "message": "no debugfs", "status": "missing", "required": False},
        {"needed_for": "trace", "message": "no types", "status": "missing", "required": False},
        {"needed_for": "trace", "message": "no BPF", "status": "missing", "required": True},
        {"needed_for": "trace", "message": "no kprobes", "status": "missing", "required": True},
    ]
    (out / "doctor.json").write_text(json.dumps({"snapshot": "possible", "trace": trace, "checks": checks}))
    (out / "doctor.log").write_text("status 0\n")
    (out / "trace-libbpf").mkdir()
    (out / "trace-libbpf" / "traced.log").write_text(traced)


def test_processes_that_store_rows_at_the_same_time_keep_all(tmp_path: Path) -> None:
    names = [f"kernel-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        for name in names:
            pool.submit(update_rows, tmp_path / "x.json", partial(slowly_with, row(name)))
    assert [found.kernel for found in read_rows(tmp_path / "x.json")] == names


def slowly_with(new: Row, rows: list[Row]) -> list[Row]:
    time.sleep(0.05)
    return [*rows, new]


@pytest.mark.parametrize(
    ("trace", "traced", "result", "note"),
    [
        ("impossible", "spo-trace: error: no BPF here\n  hint: use another\nstatus 1\n", "refused", "doctor"),
        ("possible", "spo-trace: error: no BPF here\n  hint: use another\nstatus 1\n", "failed", "no BPF here"),
        ("impossible", "Traceback\nspo-trace: error: x\nstatus 1\n", "failed", "x"),
        ("impossible", "spo-trace: error: x\n", "failed", "the guest was not done"),
        ("possible", "a\nb\nc\nd\nstatus 139\n", "failed", "b c d"),
    ],
)
def test_a_refusal_is_what_doctor_has_said(tmp_path: Path, trace: str, traced: str, result: str, note: str) -> None:
    results_of_a_guest(tmp_path, trace=trace, traced=traced)
    found = judge_guest(tmp_path, "the guest was not done")
    says = "doctor: a trace is impossible, because no BPF" if trace == "impossible" else ""
    assert found["doctor"] == Cell("ok", says)
    assert found["trace (libbpf)"] == Cell(result, says if note == "doctor" else f"trace (libbpf): {note}")


def test_what_a_guest_that_hangs_has_not_done_has_failed(tmp_path: Path) -> None:
    results_of_a_guest(tmp_path, trace="possible", traced="status 0\n")
    (tmp_path / "trace-libbpf" / "traced.log").unlink()
    found = judge_guest(tmp_path, "the guest was not done after 9 s")
    assert found == {
        "doctor": Cell("ok", ""),
        "snapshot": Cell("failed", "snapshot: the guest was not done after 9 s"),
        "trace (libbpf)": Cell("failed", "trace (libbpf): the guest was not done after 9 s"),
        "trace (bcc)": Cell("failed", "trace (bcc): the guest was not done after 9 s"),
    }


def test_a_snapshot_that_cannot_be_read_has_failed(tmp_path: Path) -> None:
    results_of_a_guest(tmp_path, trace="possible", traced="status 139\n")
    for name in ("snapshot", "verify"):
        (tmp_path / f"{name}.log").write_text("status 0\n")
    cell = judge_guest(tmp_path, "")["snapshot"]
    assert cell.result == "failed" and "now.spo" in cell.note


@pytest.mark.parametrize(
    ("status", "output", "cell"),
    [
        (0, "....\n1,234 passed, 5 skipped in 67.89s (0:01:07)\n", Cell("ok", "tests: 1,234 passed, 5 skipped")),
        (
            1,
            "FAILED tests/a.py::b - assert 1\nERROR tests/c.py::d\n1 failed, 1 error in 1.00s\n",
            Cell("failed", "tests: 1 failed, 1 error: tests/a.py::b, tests/c.py::d"),
        ),
        (127, "", Cell("failed", "tests: it printed nothing")),
    ],
)
def test_the_summary_of_pytest_is_the_note(status: int, output: str, cell: Cell) -> None:
    assert judge_tests(status, output) == cell


def test_a_guest_that_dies_is_a_row_and_the_next_ones_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a fresh machine, guests that die while they boot, and results of the unit tests
    tree, file = tmp_path / "tree", tmp_path / "x.json"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "usr/bin").mkdir()
    (tree / "usr/lib/os-release").write_text('PRETTY_NAME="Debian 99"\n')
    (tree / "usr/bin/python3").symlink_to("python3.99")
    update_rows(file, lambda _: [row("a", tests=Cell("ok", "tests: 9 passed"))])

    def die(*_: object) -> None:
        raise GuestError("the guest was not done after 9 s\nconsole")

    monkeypatch.setattr(platforms, "_tree", lambda _: tree)
    monkeypatch.setattr(platforms, "_boot", die)
    monkeypatch.setattr("sys.argv", ["platforms", str(file), "trixie", "--kernels", "a,b", "--only", "guests"])
    # WHEN two of them are run
    assert platforms.main() == 0
    # THEN both have a row, with the tests of before
    first, second = read_rows(file)
    assert [first.key, second.key] == [("Debian 99", "a", "3.99"), ("Debian 99", "b", "3.99")]
    assert second.release == "?"
    assert second.results.pop("tests") == first.results.pop("tests") == Cell("ok", "tests: 9 passed")
    assert {cell.result for cell in second.results.values()} == {"failed"}
    assert first.results == second.results
