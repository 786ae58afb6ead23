# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recordings: private, complete at any time, and never replacing anything but recordings."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError
from spo_trace.files.descriptors import hidden_name
from spo_trace.sampling.recording import Recording, is_recording, read_recording
from spo_trace.sampling.samples import Sample
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.page_size import PageSizeFrom
from tests.unit.files.hooks import state

META = Meta(3, MachineFacts(4096, PageSizeFrom.PAGESIZE, host="box", kernel_release="7.2", boot_id="1-2"))


def sample(number: int, comm: object = "dd", total: int = 8192) -> Sample:
    """Return a sample with one owner."""
    table = pd.DataFrame({"comm": [comm], "mem_bytes": [total], "swap_bytes": [0], "total_bytes": [total]})
    return Sample(number, (number - 1) * 5.0, "2026-01-01T00:00:00+00:00", "text", 0.1, table, META)


def made(directory: Path, *samples: Sample, force: bool = False) -> Path:
    """Record samples."""
    with Recording(directory, Question.of(["comm"]), force=force) as recording:
        for each in samples:
            recording.add(each)
    return directory


def test_a_recording_is_private_and_readable_by_any_parquet_reader(tmp_path: Path) -> None:
    os.umask(old := os.umask(0))
    directory = made(tmp_path / "r", sample(1), sample(2, None))
    assert directory.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert files == dict.fromkeys(["series.json", "000001.parquet", "000002.parquet"], 0o600)
    row = {"taken_at": "2026-01-01T00:00:00+00:00", "comm": "dd", "mem_bytes": 8192, "swap_bytes": 0}
    assert pq.read_table(directory / "000001.parquet").to_pylist() == [
        {"sample": 1, "seconds": 0.0, **row, "total_bytes": 8192}
    ]
    meta = json.loads((directory / "series.json").read_bytes())
    assert (meta["by"], meta["method"], meta["host"], meta["page_size"]) == (["comm"], "text", "box", 4096)
    os.umask(old)


def test_a_recording_can_be_read(tmp_path: Path) -> None:
    meta, table = read_recording(made(tmp_path / "r", sample(1), sample(2, None), sample(3, "cat", 5)))
    assert meta.by == ["comm"]
    assert table[["sample", "seconds", "total_bytes"]].to_numpy().tolist() == [[1, 0, 8192], [2, 5, 8192], [3, 10, 5]]
    assert table["comm"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_recordings_of_all_pandas_versions_read_the_same(tmp_path: Path, dtype: Any) -> None:
    # GIVEN a recording whose Parquet files contain the pandas type of their names
    written = sample(1)
    written.table["comm"] = written.table["comm"].astype(dtype)
    # WHEN it is read, THEN they are categories
    _, table = read_recording(made(tmp_path / "r", written))
    assert isinstance(table["comm"].dtype, pd.CategoricalDtype)


def test_a_recording_of_an_older_version_can_be_read(tmp_path: Path) -> None:
    # GIVEN samples without swap_cache_bytes and key_known, and an owner without a name
    _, table = read_recording(made(tmp_path / "r", sample(1), sample(2, None)))
    # THEN the swap cache is unknown, and so is the name
    assert table["swap_cache_bytes"].isna().all()
    assert table["key_known"].tolist() == [True, False]


def test_a_recording_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    directory = made(tmp_path / "r", sample(1))
    (directory / hidden_name()).write_bytes(b"half a sample")
    assert len(read_recording(directory)[1]) == 1
    # The unfinished file of a killed watch is ignored.
    made(directory, sample(1), force=True)
    assert sorted(path.name for path in directory.iterdir()) == ["000001.parquet", "series.json"]


def test_a_missing_parent_directory(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match="nosuch is not a directory"):
        made(tmp_path / "nosuch" / "r")


def test_before_the_first_sample_nothing_is_created(tmp_path: Path) -> None:
    made(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AttributeError):
        made(tmp_path / "r", Sample(1, 0.0, "", "text", 0.0, pd.DataFrame(), None))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_only_a_recording_is_replaced_and_only_by_force(tmp_path: Path) -> None:
    directory = made(tmp_path / "r", sample(1), sample(2))
    with pytest.raises(SpoTraceError, match=r"r exists$"):
        made(directory)
    made(directory, sample(1, "cat"), force=True)
    assert sorted(path.name for path in directory.iterdir()) == ["000001.parquet", "series.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    (directory / "mine.txt").write_text("dear to me")
    with pytest.raises(SpoTraceError, match="exists and is not a recording"):
        made(directory, sample(1), force=True)


ALIENS: dict[str, Callable[[Path], object]] = {
    "a directory with the name of a sample": lambda path: (path / "000009.parquet").mkdir(),
    "a link with the name of a sample": lambda path: (path / "000009.parquet").symlink_to("series.json"),
    "notes with the name of a sample": lambda path: (path / "000009.parquet").write_text("my notes"),
    "a hidden file": lambda path: (path / ".git").touch(),
    "another program's series.json": lambda path: (path / "series.json").write_text('{"episodes": 8}'),
    "no series.json": lambda path: (path / "series.json").unlink(),
}


@pytest.mark.parametrize("alien", ALIENS)
def test_a_directory_that_is_not_entirely_ours_is_kept_as_it_is(tmp_path: Path, alien: str) -> None:
    directory = made(tmp_path / "r", sample(1))
    ALIENS[alien](directory)
    before = state(directory)
    with pytest.raises(SpoTraceError, match=r"/r exists and is not a recording$"):
        made(directory, sample(1), force=True)
    assert state(directory) == before


def test_links_are_not_followed(tmp_path: Path) -> None:
    made(tmp_path / "r", sample(1))
    (tmp_path / "link").symlink_to("r")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(SpoTraceError, match="is a symbolic link"):
            made(tmp_path / name, sample(1), force=True)


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to, lambda new, old: old.rename(new)])
def test_a_sample_that_exists_is_neither_followed_nor_replaced(
    tmp_path: Path, plant: Callable[[Path, Path], object]
) -> None:
    directory, victim = tmp_path / "r", tmp_path / "victim"
    victim.write_text("untouched")
    with Recording(directory, Question.of(["comm"])) as recording:
        recording.add(sample(1))
        # WHEN something gets the name of the next sample
        plant(
            *(
                (victim, directory / "000002.parquet")
                if plant is Path.rename
                else (directory / "000002.parquet", victim)
            )
        )
        with pytest.raises(SpoTraceError, match=r"/r/000002.parquet exists$") as caught:
            recording.add(sample(2))
    # THEN it is kept, and the next step is known
    assert caught.value.hint == "another program created it; the files before it are kept"
    assert (directory / "000002.parquet").read_text() == "untouched"
    assert sorted(path.name for path in directory.iterdir()) == ["000001.parquet", "000002.parquet", "series.json"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("series.json", b"{"),
        ("series.json", b"[]"),
        ("series.json", b'{"series_version": 1}'),
        ("series.json", b'{"series_version": "1", "by": ["comm"]}'),
        ("series.json", b'{"series_version": 1, "by": "comm"}'),
        ("series.json", b'{"series_version": 1, "by": ["comm"], "page_size": -1}'),
        ("series.json", b'{"series_version": 1, "by": ["pid"]}'),
        ("000001.parquet", b""),
        ("000002.parquet", b"PAR1 and no more"),
    ],
)
def test_damage_is_reported(tmp_path: Path, name: str, content: bytes) -> None:
    directory = made(tmp_path / "r", sample(1))
    (directory / name).write_bytes(content)
    with pytest.raises(SpoTraceError, match="r is damaged"):
        read_recording(directory)


def test_a_removed_directory_is_reported(tmp_path: Path) -> None:
    with Recording(tmp_path / "r", Question.of(["comm"])) as recording:
        recording.add(sample(1))
        shutil.rmtree(tmp_path / "r")
        with pytest.raises(SpoTraceError, match=r"r/000002\.parquet can't be written: No such file or directory$"):
            recording.add(sample(2))


def test_a_recording_of_a_newer_version(tmp_path: Path) -> None:
    directory = made(tmp_path / "r", sample(1))
    (directory / "series.json").write_text('{"series_version": 99, "by": []}')
    assert is_recording(directory)
    with pytest.raises(SpoTraceError, match="is of a newer spo-trace"):
        read_recording(directory)
