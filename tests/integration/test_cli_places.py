# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where memory is, as a user asks: blockers, page, and export of the records that match."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spo_trace.schema import KEY_KNOWN
from tests.support import FS, MACHINE, capture, entry, in_process, page

FILES = {
    **MACHINE,
    "page_owner": page(0x200) + page(0x201, comm=b"cat", flags=b"") + page(0x400, 10, b"big", stack=FS),
    "swap_page_owner": entry(1) + entry(2, b"cat"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with the capture `a`."""
    capture(tmp_path / "a", FILES)
    return tmp_path


def test_blockers(place: Path) -> None:
    run = in_process("blockers", "a", "--by", "comm", cwd=place)
    assert run.stdout.decode().splitlines() == [
        "comm  pages  blocks   blocked  blocks alone     alone",
        "cat       1       1  2.00 MiB             1  2.00 MiB",
    ]
    assert "Total: 1 unmovable page in 1 pageblock of 2.00 MiB, which have 2.00 MiB besides" in run.stderr.decode()
    run = in_process("blockers", "a", "--format", "json", "--envelope", cwd=place)
    document = json.loads(run.stdout)
    assert document["total"] == {"unmovable_pages": 1, "blocks": 1, "blocked_bytes": 511 * 4096}
    assert list(document["rows"][0]) == [
        *("stack", KEY_KNOWN, "unmovable_pages", "blocks", "blocked_bytes", "alone_blocks", "alone_bytes"),
    ]
    assert [note["code"] for note in document["notes"]] == ["blocked"]
    run = in_process("blockers", "a", "--for", "cma", cwd=place)
    assert (run.returncode, "No CMA pageblock" in run.stderr.decode()) == (0, True)
    run = in_process("blockers", "a", "--for", "offline", "--by", "memory_block", "--format", "csv", cwd=place)
    assert run.stdout.decode().splitlines()[1] == f"0,True,1,1,{(1 << 27) - 4096},1,{(1 << 27) - 4096}"


def test_page(place: Path) -> None:
    run = in_process("page", "0x7ff", "a", cwd=place)
    assert "head_pfn               0x400 (1024), page 1,023 of the allocation\n" in run.stdout.decode()
    (record,) = json.loads(in_process("page", "2047", "a", "--format", "json", cwd=place).stdout)
    assert {name: record[name] for name in ("pfn", "head_pfn", "order", "comm", "pageblock", "bytes")} == {
        **{"pfn": 2047, "head_pfn": 1024, "order": 10, "comm": "big"},
        **{"pageblock": 3, "bytes": 4 << 20},
    }


def test_a_page_that_is_not_listed(place: Path) -> None:
    for options in ((), ("--format", "json")):
        run = in_process("page", "0x300", "a", *options, cwd=place)
        assert (run.returncode, run.stdout) == (1, b"")
        assert run.stderr.decode().startswith(
            "spo-trace: error: the page 0x300 (768) is not listed in a.spo: pageblock 1; memory_block 0; "
            "the allocation before it begins at 0x201; the one behind it at 0x400\n  hint: "
        )


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_export_of_the_records_that_match(place: Path, format: str) -> None:
    target = place / f"x.{format}"
    run = in_process("export", "a", "--where", 'comm == "cat"', "-o", target, cwd=place)
    assert run.returncode == 0, run.stderr
    if format == "parquet":
        assert pq.read_table(target).column("comm").to_pylist() == ["cat", "cat"]
    elif format == "json":
        assert [row["where"] for row in json.loads(target.read_text())] == ["memory", "swap"]
    else:
        assert [line.split(",")[0] for line in target.read_text().splitlines()] == ["where", "memory", "swap"]


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_export_of_nothing_says_so(place: Path, format: str) -> None:
    target = place / f"x.{format}"
    run = in_process("export", "a", "--where", 'comm == "nobody"', "-o", target, cwd=place)
    assert "no records match --where" in run.stderr.decode()
    if format == "parquet":
        assert pq.read_table(target).num_rows == 0
    else:
        assert len(target.read_text().splitlines()) == 1
