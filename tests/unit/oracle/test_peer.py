# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner_sort: a clear message if it is missing, and correct results on known records if it is built."""

from pathlib import Path

import pytest

from tests.oracle import peer
from tests.unit.oracle.test_framed import page

needs_peer = pytest.mark.skipif(peer.available() is not None, reason=str(peer.available()))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "page_owner"
    memcg = b"Charged to memcg /\n"
    path.write_bytes(page(b"dd", 2) + page(b"na\xc3\xafve \xff") + page(b"dd", last=memcg) + page(b"new\nline", 3))
    return path


def test_a_missing_tool_is_reported_with_a_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "BINARY", tmp_path / "page_owner_sort")
    assert peer.available() == f"no {tmp_path}/page_owner_sort: build it with `python -m tests.oracle.peer build`"


@needs_peer
def test_comms_with_a_newline_are_in_one_unnamed_group(text: Path) -> None:
    assert peer.comm_totals(text) == {b"dd": 5, b"na\xc3\xafve \xff": 1, b"": 8}


@needs_peer
def test_stacks_are_merged_over_memcg_lines(text: Path) -> None:
    assert peer.stack_totals(text) == {"a+0x1/0x2": 14}
