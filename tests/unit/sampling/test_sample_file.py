# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample that a watch cannot have written is an error; samples that are missing are reported, and fail a gate."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spo_trace.analysis.question import Question
from spo_trace.analysis.trend import trend
from spo_trace.errors import SpoTraceError
from spo_trace.sampling.recording import Recording, read_recording
from spo_trace.sampling.samples import Sample
from spo_trace.snapshots.meta import MachineFacts, Meta
from spo_trace.snapshots.page_size import PageSizeFrom
from tests.support import in_process

META = Meta(3, MachineFacts(4096, PageSizeFrom.PAGESIZE))
SECOND = "000002.parquet"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Return a recording of six samples of two owners, one of which grows by 1 MiB a minute."""
    with Recording(tmp_path / "r", Question.of(["comm"])) as made:
        for number in range(1, 7):
            total = [number << 20, 8192]
            known = {"comm": ["dd", "cat"], "key_known": True, "swap_bytes": 0, "swap_cache_bytes": 0}
            table = pd.DataFrame({**known, "mem_bytes": total, "total_bytes": total})
            made.add(Sample(number, (number - 1) * 60.0, "2026-01-01T00:00:00+00:00", "text", 0.1, table, META))
    return tmp_path / "r"


def changed(column: str, values: list[Any], kind: pa.DataType | None = None) -> Callable[[Path], object]:
    """Return a function that replaces a column of the second sample."""

    def change(directory: Path) -> None:
        table = pq.read_table(directory / SECOND)
        array = pa.array(values, kind)
        place = table.column_names.index(column)
        pq.write_table(table.set_column(place, pa.field(column, array.type), array), directory / SECOND)

    return change


def rewritten(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], object]:
    """Return a function that replaces the second sample."""
    return lambda directory: pq.write_table(change(pq.read_table(directory / SECOND)), directory / SECOND)


def replaced(make: Callable[[Path], object], name: str = SECOND) -> Callable[[Path], object]:
    """Return a function that replaces a file by what `make` creates."""

    def replace(directory: Path) -> None:
        (directory / name).rename(directory.parent / "original")
        make(directory / name)

    return replace


def without_samples(directory: Path) -> None:
    """Remove all samples."""
    for path in directory.glob("*.parquet"):
        path.unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "seconds NaN": (changed("seconds", [float("nan")] * 2), "seconds is nan"),
    "seconds infinite": (changed("seconds", [float("inf")] * 2), "seconds is inf"),
    "seconds of 1e300": (changed("seconds", [1e300] * 2), "seconds is 1e+300"),
    "seconds negative": (changed("seconds", [-1.0] * 2), "seconds is -1.0"),
    "seconds null": (changed("seconds", [None] * 2, pa.float64()), "seconds is None"),
    "seconds of text": (changed("seconds", ["60"] * 2), "seconds is 60"),
    "seconds that differ": (changed("seconds", [60.0, 61.0]), "column seconds has 2 values"),
    "seconds almost equal": (changed("seconds", [1e-200] * 2), "the sample before it was taken at 0.0"),
    "seconds equal": (changed("seconds", [0.0, 0.0]), "the sample before it was taken at 0.0"),
    "a copy": (lambda r: shutil.copy(r / "000001.parquet", r / SECOND), "it is sample 1, not 2: is it a copy"),
    "a copy at the end": (lambda r: shutil.copy(r / SECOND, r / "000007.parquet"), "it is sample 2, not 7"),
    "a second spelling": (lambda r: shutil.copy(r / SECOND, r / "0000002.parquet"), "the sample before it was taken"),
    "another number": (changed("sample", [3, 3]), "it is sample 3, not 2"),
    "no number": (changed("sample", [None] * 2, pa.int64()), "it is sample None, not 2"),
    "an amount of floats": (changed("mem_bytes", [0.5, 1.0]), "column mem_bytes is of type double"),
    "an amount below 0": (changed("mem_bytes", [-1, 0]), "column mem_bytes: -1 is no amount of memory"),
    "an amount of 2**62": (changed("total_bytes", [1 << 62, 0]), "is no amount of memory"),
    "a sum above 2**52": (changed("total_bytes", [1 << 52, 1 << 52]), "adds up to more memory than any machine has"),
    "an amount missing": (changed("mem_bytes", [None, 5]), "total_bytes is not the sum of its parts"),
    "an amount too small": (changed("mem_bytes", [5, 8192]), "total_bytes is not the sum of its parts"),
    "no total": (changed("total_bytes", [None] * 2, pa.int64()), "column total_bytes has gaps"),
    "a total of text": (changed("total_bytes", ["x", "y"]), "column total_bytes is of type string"),
    "a key of lists": (changed("comm", [["dd"], ["cat"]]), "column comm is of type list"),
    "a key of floats": (changed("comm", [0.5, float("nan")]), "column comm is of type double"),
    "a key of another type": (changed("comm", [1, 2]), "a column is of different types in two samples"),
    "whether a key is known, missing": (changed("key_known", [None, True]), "column key_known has gaps"),
    "whether a key is known, as text": (changed("key_known", ["x", "y"]), "column key_known is of type string"),
    "an owner twice": (changed("comm", ["dd", "dd"]), "an owner has two rows"),
    "rows twice": (rewritten(lambda table: pa.concat_tables([table, table])), "an owner has two rows"),
    "no rows": (rewritten(lambda table: table.slice(0, 0)), "column sample has 0 values"),
    "a column twice": (rewritten(lambda table: table.append_column("comm", table["comm"])), "it has two columns comm"),
    "no column": (rewritten(lambda table: table.drop_columns(["swap_bytes"])), "swap_bytes"),
    "a time of numbers": (changed("taken_at", [7, 7]), "column taken_at is of type int64"),
    "a FIFO": (replaced(os.mkfifo), "not a regular file"),
    "a link": (replaced(lambda path: path.symlink_to(path.parent.parent / "original")), "a symbolic link"),
    "a link as series.json": (
        replaced(lambda path: path.symlink_to(path.parent.parent / "original"), "series.json"),
        "a symbolic link",
    ),
    "a key twice": (lambda r: (r / "series.json").write_text('{"series_version": 1, "by": ["comm", "comm"]}'), "by is"),
    "an amount as key": (
        lambda r: (r / "series.json").write_text('{"series_version": 1, "by": ["mem_bytes"]}'),
        "by is",
    ),
    "deep JSON": (lambda r: (r / "series.json").write_text("[" * 100_000), "nested"),
    "no samples": (without_samples, "it has no samples"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_an_error(recording: Path, name: str) -> None:
    damage, said = DAMAGES[name]
    damage(recording)
    with pytest.raises(SpoTraceError, match="r is damaged: ") as caught:
        read_recording(recording)
    assert said in caught.value.message


@pytest.mark.parametrize("column", ["key_known", "swap_cache_bytes"])
def test_one_sample_lacks_a_column_that_older_versions_had_not(recording: Path, column: str) -> None:
    rewritten(lambda table: table.drop_columns([column]))(recording)
    assert in_process("trend", "r", "--fail-above", "1K/s", cwd=recording.parent).returncode == 3


def test_amounts_may_be_unknown_in_all_rows(recording: Path) -> None:
    changed("swap_bytes", [None, None])(recording)
    _, table = read_recording(recording)
    assert table["swap_bytes"].isna().sum() == 2


@pytest.mark.parametrize("metadata", [b"{", b"[" * 100_000, b"\xff"])
def test_metadata_for_pandas_is_ignored(recording: Path, metadata: bytes) -> None:
    before = read_recording(recording)[1]
    # The metadata of the first sample would be that of all.
    path = recording / "000001.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata({"pandas": metadata}), path)
    pd.testing.assert_frame_equal(read_recording(recording)[1], before)


@pytest.mark.parametrize("lost", [1, 3, 5])
def test_missing_samples_are_reported_and_fail_a_gate(recording: Path, lost: int) -> None:
    # GIVEN a recording without growth above a limit
    whole = in_process("trend", "r", "--fail-above", "1G/s", cwd=recording.parent)
    assert (whole.returncode, b"missing" in whole.stderr) == (0, False)
    # WHEN a sample before the last one is lost
    (recording / f"{lost:06}.parquet").unlink()
    # THEN the trend is shown with a warning, and the gate does not pass
    plain = in_process("trend", "r", cwd=recording.parent)
    assert (plain.returncode, b"1 sample missing" in plain.stderr) == (0, True)
    gate = in_process("trend", "r", "--fail-above", "1G/s", cwd=recording.parent)
    assert gate.returncode == 4
    assert b"error: 1 sample missing: growth may be hidden\n" in gate.stderr
    # AND growth above the limit is found all the same.
    assert in_process("trend", "r", "--fail-above", "1K/s", cwd=recording.parent).returncode == 3


def test_a_rate_that_is_not_a_number_fails_a_gate(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a fit without a result
    def no_result(*given: Any, **options: Any) -> pd.DataFrame:
        return trend(*given, **options).assign(rate_low=float("nan"))

    monkeypatch.setattr("spo_trace.analysis.trend.trend", no_result)
    # THEN the gate does not pass
    gate = in_process("trend", "r", "--fail-above", "1K/s", cwd=recording.parent)
    assert (gate.returncode, b"some rates are not numbers" in gate.stderr) == (4, True)
