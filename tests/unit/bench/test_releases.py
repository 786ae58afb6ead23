# SPDX-License-Identifier: LGPL-2.1-or-later
"""The measure of how much memory seems to move between stacks when the kernel release changes."""

from pathlib import Path

import pytest

from tests.bench.releases import main
from tests.support import ANON, MACHINE, SHMEM, capture, page

OTHER = b"Linux box 6.12.0 #1 SMP x86_64\n"
RENAMED = (b"post_alloc_hook+0x1/0x2", b"vma_alloc_folio+0x3/0x4", ANON[-1])


def test_what_seems_to_move_between_two_releases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # GIVEN 4 + 4 pages of one allocation on two releases, and 2 more pages of another one on the second
    capture(tmp_path / "a", {**MACHINE, "page_owner": page(order=2)})
    pages = page(order=2, stack=RENAMED) + page(0x200, 1, stack=SHMEM)
    capture(tmp_path / "b", {**MACHINE, "uname": OTHER, "page_owner": pages})
    assert main([str(tmp_path / name) for name in "ab"]) == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    # THEN by function names all seems to move, by common functions only what is new
    assert rows[0] == ["kernels", "match", "shift", "keys", "sums"]
    assert [row[1:] for row in rows[2:]] == [
        ["category", "20.0%", "2", "exact"],
        ["exact", "100.0%", "3", "exact"],
        ["symbols", "100.0%", "3", "exact"],
        *(["common, " + functions, "20.0%", "2", "exact"] for functions in "1236"),
    ]
    assert {row[0] for row in rows[2:]} == {"7.2.13 → 6.12.0"}
