# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line on dumps of memory."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dumps import FIXTURE, Dump, changed, kdump, physical, small_dump, small_kernel, variable, without
from tests.support import in_process

RECORDS, ENTRIES = 35_180, 8_535


def dumped(directory: Path, dump: Dump) -> Path:
    path = directory / "vmcore"
    path.write_bytes(kdump(dump))
    return path


def rows(*arguments: object, cwd: Path) -> list[dict[str, Any]]:
    run = in_process(*arguments, "--format", "json", cwd=cwd)
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dump")
    run = in_process("snapshot", "--from", dumped(directory, small_dump()), "-o", "then.spo", cwd=directory)
    assert run.returncode == 0, run.stderr
    assert b"35,180 page_owner records, 8,535 swap_page_owner records, 415 stacks" in run.stderr
    return directory / "then.spo"


def test_a_snapshot_of_a_dump_has_the_facts_of_the_machine(snapshot: Path) -> None:
    facts = json.loads((snapshot / "snapshot.json").read_bytes())
    assert facts["source"]["kind"] == "dump"
    assert facts["files"]["page_owner"]["records"] == RECORDS
    machine = json.dumps(facts)
    for text in ("7.2.13-spo-full", "2026-11-28T20:50:48Z", "8e88d5d9-2ea9-4058-b520-ee501a71d554"):
        assert text in machine


def test_verify_accounts_for_all_memory_and_swap(snapshot: Path) -> None:
    found = rows("verify", snapshot, cwd=snapshot.parent)
    assert {row["part"]: row["verdict"] for row in found if row["verdict"]} == dict.fromkeys(
        ("memory", "swap", "stacks"), "balanced"
    )
    used = {row["section"]: row["pages"] for row in found if row["kind"] == "machine"}
    kernel = {line.split()[0]: int(line.split()[3]) // 4 for line in (FIXTURE / "swaps").read_text().splitlines()[1:]}
    assert {name.split()[-1]: pages for name, pages in used.items() if name.startswith("swap type")} == kernel
    rest = {row["section"]: row["pages"] for row in found if row["kind"] == "rest"}
    assert {name for name, pages in rest.items() if pages} <= {"memory"}
    assert abs(rest["memory"]) < 64


def test_a_dump_is_read_wherever_a_snapshot_is(snapshot: Path) -> None:
    path = snapshot.with_name("vmcore")
    by_comm = rows("report", path, "--by", "comm", "--top", 0, cwd=snapshot.parent)
    assert by_comm == rows("report", snapshot, "--by", "comm", "--top", 0, cwd=snapshot.parent)
    assert sum(row["swap_pages"] for row in by_comm) == ENTRIES
    assert {row["total_bytes_delta"] for row in rows("diff", path, snapshot, cwd=snapshot.parent)} <= {0}


def test_filtered_owners_of_swap_are_counted(tmp_path: Path) -> None:
    kernel = small_kernel()
    at = kernel.symbols.address("swap_page_owners") + kernel.types.offset("xarray", "xa_head")
    path = dumped(tmp_path, without(small_dump(), physical(kernel.image.u64(at))))
    run = in_process("verify", path, cwd=tmp_path)
    assert run.returncode == 4
    said = run.stderr.decode() + run.stdout.decode()
    assert "0 of 8,535 owners of swap; the rest was filtered out of the dump" in said
    assert "at least 8,535 records of swap_page_owner were skipped" in said


def test_unknown_owners_of_swap_are_unknown(tmp_path: Path) -> None:
    path = dumped(tmp_path, changed(small_dump(), variable("swap_page_owner_inited"), bytes(4)))
    run = in_process("report", path, cwd=tmp_path)
    assert run.returncode == 0
    assert "the owners of swap are unknown" in run.stderr.decode()
    assert "0 B in swap" not in run.stderr.decode()


def test_errors_name_the_alternative(tmp_path: Path) -> None:
    (tmp_path / "elf").write_bytes(b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\4".ljust(4080, b"\0"))
    (tmp_path / "cut").write_bytes(kdump(small_dump())[:100_000])
    path = dumped(tmp_path, Dump(small_dump().pages, b""))
    for name, message in (
        ("elf", "the program headers of the ELF file are damaged"),
        ("cut", "the dump was cut off"),
        ("vmcore", "it has no VMCOREINFO"),
    ):
        run = in_process("report", name, cwd=tmp_path)
        first, second, *rest = run.stderr.decode().splitlines()
        assert (run.returncode, rest) == (1, [])
        assert first.startswith(f"spo-trace: error: {name}: ") and message in first
        assert second.startswith("  hint: ")
    assert path.exists()


def test_two_dumps_are_no_snapshot(tmp_path: Path) -> None:
    path = dumped(tmp_path, Dump(small_dump().pages, b""))
    run = in_process("snapshot", "--from", path, "--from", path, "-o", "x.spo", cwd=tmp_path)
    assert run.returncode == 2
    assert "name one dump" in run.stderr.decode()
