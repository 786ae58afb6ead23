# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command and format shows unknown amounts as unknown, never as 0."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.support import CARRIED, MACHINE, capture, entry, in_process, page, swaps

STOCK = CARRIED / "7.2-stock"
SWAP_ALONE = CARRIED / "7.2-spo" / "2-swapped" / "swap_page_owner.xz"


def printed(*arguments: object, cwd: Path) -> tuple[str, str]:
    run = in_process(*arguments, cwd=cwd)
    assert run.returncode == 0, run.stderr
    return run.stdout.decode(), run.stderr.decode()


@pytest.mark.parametrize(
    ("source", "of", "unknown"), [(STOCK / "2-swapped", "mem", "swap"), (SWAP_ALONE, "swap", "mem")]
)
def test_a_report_shows_unknown_amounts(tmp_path: Path, source: Path, of: str, unknown: str) -> None:
    titles = {"mem": "memory", "swap": "swap"}
    # WHEN a report is a table
    table, notes = printed("report", source, cwd=tmp_path)
    # THEN its column and the last line show that it is unknown
    assert "0 B" not in table and table.splitlines()[0].split() == ["comm", "mem", "swap", "total", "share"]
    assert all(" ? " in line for line in table.splitlines()[1:])
    total = next(line for line in notes.splitlines() if line.startswith("Total: "))
    assert total.endswith(f" MiB in {titles[of]}; the owners of {titles[unknown]} are unknown")
    # AND it is missing in csv and json
    rows = json.loads(printed("report", source, "-f", "json", "--top", 0, cwd=tmp_path)[0])
    assert {(row[f"{unknown}_bytes"], row[f"{unknown}_pages"]) for row in rows} == {(None, None)}
    assert all(row["total_bytes"] == row[f"{of}_bytes"] for row in rows)
    lines = list(csv.DictReader(io.StringIO(printed("report", source, "-f", "csv", "--top", 0, cwd=tmp_path)[0])))
    assert {(row[f"{unknown}_bytes"], row[f"{unknown}_pages"]) for row in lines} == {("", "")}


def test_a_difference_shows_unknown_amounts(tmp_path: Path) -> None:
    pair = (STOCK / "1-dd256", STOCK / "2-swapped")
    table, notes = printed("diff", *pair, "--html", "d.html", cwd=tmp_path)
    assert all(line.split()[3] == "?" for line in table.splitlines()[1:])
    said = "Neither snapshot has the owners of swap: swap is left out; in use: 0 B in A, 250.41 MiB in B"
    assert said in notes.splitlines()
    html = (tmp_path / "d.html").read_text()
    assert "<b>unknown</b><span>change of swap</span>" in html and said in html
    assert "<span>together</span>" not in html and '"unknown":["swap"]' in html
    rows = json.loads(printed("diff", *pair, "-f", "json", cwd=tmp_path)[0])
    assert {(row["swap_bytes_a"], row["swap_bytes_b"], row["swap_bytes_delta"]) for row in rows} == {(None,) * 3}


def test_watch_and_trend_show_unknown_amounts(tmp_path: Path) -> None:
    lines, notes = printed("watch", "--from", STOCK, "--top", 1, "--record", "r", cwd=tmp_path)
    # mem and swap are two columns: an amount with its unit, and an unknown one.
    assert [line.split()[3] for line in lines.splitlines()[1:]] == ["?"] * 8
    assert notes.count("the owners of swap are unknown") == 1
    _, notes = printed("trend", "r", "--plot", "r.svg", cwd=tmp_path)
    assert "Swap is left out: its owners are unknown in the samples\n" in notes
    assert "Steady growth by comm: memory<" in (tmp_path / "r.svg").read_text()
    run = in_process("trend", "r", "--weight", "swap", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, b"")
    hint = b"--weight total uses the sum of the known amounts"
    assert b"error: the owners of swap are unknown in these samples\n  hint: %s\n" % hint in run.stderr


def test_exports_leave_it_out(tmp_path: Path) -> None:
    source = STOCK / "2-swapped"
    for arguments in (("-f", "folded"), ("-f", "speedscope"), ("-f", "csv"), ("-f", "html")):
        assert (
            "Not included: 250.41 MiB of swap with unknown owners"
            in printed("export", source, *arguments, cwd=tmp_path)[1]
        )
    run = in_process("export", source, "--weight", "swap", "-o", "x", cwd=tmp_path)
    assert (run.returncode, (tmp_path / "x").exists()) == (1, False)
    assert run.stderr.decode().endswith(
        "error: the owners of swap are unknown in 2-swapped\n  hint: --weight total leaves out swap\n"
    )
    profiles = json.loads(printed("export", source, "-f", "speedscope", cwd=tmp_path)[0])["profiles"]
    assert [profile["name"] for profile in profiles] == ["memory"]
    profiles = json.loads(printed("export", SWAP_ALONE, "-f", "speedscope", cwd=tmp_path)[0])["profiles"]
    assert [profile["name"] for profile in profiles] == ["swap"]


def test_a_note_on_pages_that_are_counted_twice(tmp_path: Path) -> None:
    # GIVEN a machine with a page in the swap cache, which is in memory and in swap
    cached = {
        "page_owner": page(flags=b"owner_priv_1|swapbacked"),
        "swap_page_owner": entry(1),
        "meminfo": b"MemTotal: 4000 kB\nMemFree: 3600 kB\nSwapCached: 12 kB\nSwapTotal: 4000 kB\nSwapFree: 3996 kB\n",
        "swaps": swaps(vda=1),
    }
    capture(tmp_path / "cached", {**MACHINE, **cached})
    line = "In the swap cache (both in memory and in swap), counted once in the total: 4.00 KiB"
    # THEN report, diff and the pages have a note
    assert line in printed("report", "cached", "--html", "r.html", cwd=tmp_path)[1].splitlines()
    assert line in (tmp_path / "r.html").read_text()
    assert f"{line} in A, 4.00 KiB in B" in printed("diff", "cached", "cached", cwd=tmp_path)[1].splitlines()
    # AND without page flags, the number of these pages has an upper bound
    (tmp_path / "cached" / "page_owner").write_bytes(re.sub(rb"PFN .*\n", b"", page()))
    line = "Without page flags, pages in the swap cache count twice, in memory and in swap: at most 12.00 KiB"
    assert line in printed("report", "cached", cwd=tmp_path)[1].splitlines()
    assert f"{line} in A, 12.00 KiB in B" in printed("diff", "cached", "cached", cwd=tmp_path)[1].splitlines()
    # AND if swap is unknown, nothing is counted twice
    (tmp_path / "cached" / "swap_page_owner").unlink()
    assert "swap cache" not in printed("report", "cached", cwd=tmp_path)[1]


def test_stacks_are_not_balanced_without_page_owner(tmp_path: Path) -> None:
    files = {"swap_page_owner": entry(1), "swaps": swaps(vda=1), "show_stacks": b" a+0x1/0x2\nnr_base_pages: 99\n\n"}
    capture(tmp_path / "swap", {**MACHINE, **files})
    run = in_process("verify", "swap", "--only", "stacks", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (4, b"page_owner_stacks\n    not checked: there is no page_owner\n")
