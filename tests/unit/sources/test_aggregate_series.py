# SPDX-License-Identifier: LGPL-2.1-or-later
"""Directories of aggregates: what is read of each file."""

from pathlib import Path
from typing import BinaryIO

import pytest

from spo_trace.formats.copied_text import HEAD
from spo_trace.sources import aggregate_series
from spo_trace.sources.aggregate_series import aggregates_in
from spo_trace.sources.input_file import open_regular

BLOCK = b"3 times, 3 pages:\nPage allocated via order 0, mask 0xcc0(GFP_KERNEL)\n f+0x1/0x2\n\n"


def test_only_the_beginning_of_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sorted"
    path.write_bytes(BLOCK * (2 * HEAD // len(BLOCK)))
    opened: list[BinaryIO] = []
    places = []

    class Opened:
        def __init__(self, path: Path) -> None:
            opened.append(open_regular(path))

        def __enter__(self) -> BinaryIO:
            return opened[-1]

        def __exit__(self, *_: object) -> None:
            places.append(opened[-1].tell())
            opened[-1].close()

    monkeypatch.setattr(aggregate_series, "open_regular", Opened)
    assert aggregates_in(tmp_path) == [[str(path)]]
    assert places == [HEAD]
