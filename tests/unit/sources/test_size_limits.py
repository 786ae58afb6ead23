# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of a capture that are larger than any kernel prints them, or that never end."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from spo_trace.formats.text import Chunks, Outcome, PlainFile
from spo_trace.formats.text_reader import chunks_in
from spo_trace.limits import (
    MAX_ERROR_BYTES,
    MAX_LINE_BYTES,
    MAX_PFN_FILE_BYTES,
    MAX_PROC_FILE_BYTES,
    MAX_STACKS_FILE_BYTES,
)
from spo_trace.sources import size_limits
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.captured_text import file_text
from spo_trace.sources.size_limits import bounded
from spo_trace.sources.source import PATHS, RECORD_FILES
from tests.support import capture, pack, page, tar_of

OTHERS = [name for name in PATHS if name not in RECORD_FILES]


@pytest.fixture(autouse=True)
def small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit files of numbers, which are as large as memory, to what a test can read."""
    assert size_limits._OF_FILE["kpagecgroup"] == MAX_PFN_FILE_BYTES
    monkeypatch.setitem(size_limits._OF_FILE, "kpagecgroup", 1 << 20)


@pytest.mark.parametrize("name", PATHS)
def test_a_file_without_end_ends(name: str) -> None:
    # GIVEN zeros without end
    outcome = Outcome()
    size = sum(map(len, bounded(name, repeat(bytes(1 << 14)), outcome)))
    # THEN they are read up to a limit, which is reported
    assert size <= max(MAX_STACKS_FILE_BYTES, MAX_LINE_BYTES)
    assert outcome.problem is not None
    assert outcome.problem.startswith("a line has more than 256 MiB" if name in RECORD_FILES else "it has more than ")


@pytest.mark.parametrize("name", RECORD_FILES)
def test_the_size_of_records_and_of_the_log_around_them_is_not_limited(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spo_trace.sources.size_limits.MAX_LINE_BYTES", 5000)

    def text() -> Iterator[bytes]:
        for _ in range(50):
            yield from [b"a message of the kernel\n" * 40] * 20
            yield page() * 20
            yield bytes(1000)

    outcome = Outcome()
    assert b"".join(bounded(name, text(), outcome)) == b"".join(text())
    assert outcome.problem is None


def sparse(path: Path, start: bytes, size: int = 1 << 40) -> Path:
    """Make a file with a hole."""
    path.write_bytes(start)
    with path.open("r+b") as file:
        file.truncate(size)
    return path


@pytest.mark.parametrize("name", [*OTHERS, *(f"{name}.err" for name in PATHS)])
def test_a_sparse_file_of_a_directory_is_not_read_whole(tmp_path: Path, name: str) -> None:
    # GIVEN a capture with a file of 1 TiB, nearly all of it a hole
    root = capture(tmp_path, {"page_owner": page()})
    sparse(tmp_path / name, b"a: 1\n")
    # WHEN it is read
    source = CaptureSource([root])
    of = name.removesuffix(".err")
    text = source.open(of)
    size = 0 if text is None else sum(map(len, chunks_in(text)))
    # THEN only its beginning is read
    assert size <= MAX_STACKS_FILE_BYTES
    if name.endswith(".err"):
        assert len(source.why_missing(of).text) < 5 * MAX_ERROR_BYTES
    else:
        assert text is not None
        assert text.outcome.problem is not None


def test_a_page_owner_with_a_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a text whose last block never reached the disk
    monkeypatch.setattr("spo_trace.sources.size_limits.MAX_LINE_BYTES", 1 << 22)
    path = sparse(tmp_path / "page_owner", page() * 3)
    # THEN it is read as a stream, whose limit ends it
    text = file_text("page_owner", path)
    assert isinstance(text.content, Chunks)
    assert b"".join(chunks_in(text)).rstrip(b"\0") == page() * 3
    assert text.outcome.problem == "a line has more than 4 MiB"
    # AND a text without holes is not
    path.write_bytes(page() * 3)
    plain = file_text("page_owner", path)
    assert isinstance(plain.content, PlainFile)
    plain.content.file.close()


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_a_compressed_file_in_an_archive_is_bounded_too(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "x.tar").write_bytes(tar_of({"page_owner": page(), f"meminfo.{suffix}": pack(bytes(1 << 24), suffix)}))
    text = CaptureSource([tmp_path / "x.tar"]).open("meminfo")
    assert text is not None
    assert sum(map(len, chunks_in(text))) <= MAX_PROC_FILE_BYTES
    assert text.outcome.problem == "it has more than 1 MiB"
