# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stages are found and read with any compression, and the bundled ones are complete."""

import gzip
import lzma
from pathlib import Path

import pytest

from tests.oracle.captures import CARRIED, read, stage_id, stages


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_file_is_read_with_any_compression(tmp_path: Path, suffix: str, pack: type[bytes]) -> None:
    stage = tmp_path / "kernel" / "0-initial"
    stage.mkdir(parents=True)
    (stage / f"page_owner{suffix}").write_bytes(pack(b"text"))
    assert stages(tmp_path) == [stage]
    assert stage_id(stage) == "kernel/0-initial"
    assert read(stage, "page_owner") == b"text"


def test_missing_and_refused_files_are_empty(tmp_path: Path) -> None:
    (tmp_path / "page_owner").write_bytes(b"")
    (tmp_path / "swap_page_owner.err").write_text("cat: swap_page_owner: Invalid argument\n")
    (tmp_path / "page_owner_stacks").mkdir()
    assert stages(tmp_path) == [tmp_path]
    assert read(tmp_path, "swap_page_owner") == b""


def test_the_bundled_captures_are_complete_and_small() -> None:
    found = [path for path in CARRIED.rglob("*") if path.is_file()]
    assert len(stages(CARRIED)) == 14
    assert len(found) == 14 * 12
    assert sum(path.stat().st_size for path in found) < 6_000_000
