# SPDX-License-Identifier: LGPL-2.1-or-later
"""--html and the export formats, as a user runs them."""

import io
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

import spo_trace as spo
from tests.support import ANON, CARRIED, MACHINE, capture, in_process
from tests.support import page as page_record

SWAPPED = CARRIED / "7.2-spo" / "2-swapped"
BEFORE = CARRIED / "7.2-spo" / "1-dd256"
STOCK = CARRIED / "7.2-stock" / "2-swapped"


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_report_writes_a_page_and_the_table(tmp_path: Path) -> None:
    # WHEN a report also writes a page
    plain = in_process("report", SWAPPED, "--where", 'comm == "dd"', cwd=tmp_path)
    run = in_process("report", SWAPPED, "--where", 'comm == "dd"', "--html", "dd.html", cwd=tmp_path)
    # THEN the table is unchanged, and the page is private and has the same rows
    assert (run.returncode, run.stdout) == (0, plain.stdout)
    assert run.stderr == plain.stderr + b"Wrote dd.html\n"
    assert stat.S_IMODE((tmp_path / "dd.html").stat().st_mode) == 0o600
    page = (tmp_path / "dd.html").read_text()
    assert data_of(page)["comms"] == ["dd"]
    assert "<dt>only</dt><dd>comm == &quot;dd&quot;</dd>" in page
    # AND no other files are left
    assert {path.name for path in tmp_path.iterdir()} == {"dd.html", ".cache"}


def test_a_page_is_replaced_only_with_force(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("mine")
    for command in (["report", "missing"], ["diff", "missing", "missing"]):
        run = in_process(*command, "--html", "x.html", cwd=tmp_path)
        assert (run.returncode, run.stderr) == (
            1,
            b"spo-trace: error: x.html exists\n  hint: replace it with --force\n",
        )
    assert in_process("report", SWAPPED, "--html", "x.html", "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "x.html").read_text().startswith("<!doctype html>")
    (tmp_path / "link.html").symlink_to("x.html")
    run = in_process("report", SWAPPED, "--html", "link.html", "--force", cwd=tmp_path)
    assert (run.returncode, b"link.html is a symbolic link" in run.stderr) == (1, True)


def test_diff_writes_its_page_before_it_fails(tmp_path: Path) -> None:
    run = in_process("diff", BEFORE, SWAPPED, "--html", "d.html", "--fail-above", "1MiB", cwd=tmp_path)
    assert run.returncode == 3
    page = (tmp_path / "d.html").read_text()
    assert "<h1>Growth from 1-dd256 (A) to 2-swapped (B)</h1>" in page
    assert "Same boot, 102.7 s apart" in page
    assert data_of(page)["seconds"] == pytest.approx(102.7, abs=0.1)


def test_unknown_amounts_are_unknown_on_the_page(tmp_path: Path) -> None:
    page = in_process("export", STOCK, "-f", "html", cwd=tmp_path).stdout.decode()
    assert "Not included: 250.41 MiB of swap with unknown owners" in page
    assert "<b>unknown</b><span>in swap</span>" in page
    in_process("diff", STOCK, SWAPPED, "--html", "d.html", cwd=tmp_path)
    page = (tmp_path / "d.html").read_text()
    assert "have a stack that is in both, matched by function names" in page
    assert "Only one snapshot has the owners of swap: swap is left out" in page
    assert "with unknown owners" not in page and data_of(page)["seconds"] is None


def test_the_page_of_two_releases_joins_callers_that_were_renamed(tmp_path: Path) -> None:
    # GIVEN one allocation, whose caller has another name on the newer kernel
    older, newer = (ANON[0], b"old_helper+0x1/0x2", ANON[-1]), (ANON[0], b"new_helper+0x1/0x2", ANON[-1])
    capture(tmp_path / "a", {**MACHINE, "page_owner": page_record(order=2, stack=older)})
    files = {**MACHINE, "page_owner": page_record(order=2, stack=newer)}
    capture(tmp_path / "b", {**files, "uname": b"Linux box 7.3.0 #1 SMP x86_64\n"})
    for options in ([], ["--match", "common"]):
        in_process("diff", "a", "b", "--html", "d.html", "--force", *options, cwd=tmp_path)
        page = (tmp_path / "d.html").read_text()
        # THEN it is one row, which did not change
        assert "matched by the innermost functions that both kernels have" in page
        data = data_of(page)
        assert data["frames"] == data["stacks"]["caller"] == data["stacks"]["callsite"] == ["do_anonymous_page"]
        assert [row[2:] for row in data["rows"]] == [[4 * 4096, 0, 0, 4 * 4096, 0, 0]]
    in_process("diff", "a", "b", "--html", "d.html", "--force", "--match", "symbols", cwd=tmp_path)
    assert len(data_of((tmp_path / "d.html").read_text())["rows"]) == 2


def test_a_page_owner_file_alone_makes_a_page(tmp_path: Path) -> None:
    run = in_process("export", SWAPPED / "page_owner.xz", "-f", "html", cwd=tmp_path)
    assert run.returncode == 0
    page = run.stdout.decode()
    assert "<h1>Memory of page_owner.xz</h1>" in page and "<h2>Balance</h2>" not in page


@pytest.mark.parametrize("format", ["folded", "speedscope", "pprof", "html"])
def test_an_empty_snapshot_can_be_exported(format: str, tmp_path: Path) -> None:
    run = in_process("export", SWAPPED, "-f", format, "--where", 'comm == "nobody"', cwd=tmp_path)
    assert run.returncode == 0
    if format == "speedscope":
        assert [profile["weights"] for profile in json.loads(run.stdout)["profiles"]] == [[], [], []]
    if format == "html":
        assert data_of(run.stdout.decode())["rows"] == []


def test_a_page_of_standard_input_has_its_name(tmp_path: Path) -> None:
    run = in_process("export", "-", "-f", "html", cwd=tmp_path, stdin=page_record())
    assert run.returncode == 0 and b"<h1>Memory of stdin</h1>" in run.stdout


def test_an_unknown_format() -> None:
    with pytest.raises(spo.SpoTraceError, match="there is no format 'svg'"):
        spo.export(spo.open(SWAPPED), "svg", io.StringIO())


@pytest.mark.parametrize("format", ["speedscope", "pprof"])
def test_exports_apply_the_condition(format: str, tmp_path: Path) -> None:
    everything = in_process("export", SWAPPED, "-f", format, cwd=tmp_path).stdout
    some = in_process("export", SWAPPED, "-f", format, "--where", 'comm == "dd"', cwd=tmp_path).stdout
    assert 0 < len(some) < len(everything) / 5
    wrong = in_process("export", "missing", "-f", format, "--where", "com == 1", cwd=tmp_path)
    assert wrong.stderr.startswith(b"spo-trace: error: --where: there is no column 'com'")
