# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arrays built from buffers equal those of pyarrow, without importing pandas."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spo_trace import schema
from spo_trace.formats import arrays
from tests.support import CARRIED

_TYPES = sorted({str(field.type): field.type for table in schema.TABLES.values() for field in table}.items())
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "string": st.text(max_size=5),
    "dictionary": st.sampled_from(["a", "ä", ""]),
    "list": st.lists(st.text(max_size=3), max_size=3),
}


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    for name, values in _VALUES.items():
        if str(kind).startswith(name):
            return values
    limits = np.iinfo(kind.to_pandas_dtype())
    return st.integers(int(limits.min), int(limits.max))


@pytest.mark.parametrize("kind", [kind for _, kind in _TYPES], ids=[name for name, _ in _TYPES])
@given(data=st.data())
def test_python_values_of_every_type_that_a_snapshot_has(kind: pa.DataType, data: st.DataObject) -> None:
    some = values_of(kind) if pa.types.is_list(kind) else st.none() | values_of(kind)
    values = data.draw(st.lists(some, max_size=20))
    made = arrays.array_of(kind, values)
    made.validate(full=True)
    assert made.type == kind
    assert made.to_pylist() == values


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64, np.bool_])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_numbers_equal_those_of_pyarrow(dtype: type[Any], count: int) -> None:
    values = (np.arange(2 * count) % 3).astype(dtype)
    missing = np.arange(count) % 5 == 2
    # Strided, like a field of a structured array.
    for given_values in (values[:count], values[::2]):
        assert arrays.numbers(given_values).equals(pa.array(given_values))
        assert arrays.numbers(given_values, missing).equals(pa.array(given_values, mask=missing))


@given(st.lists(st.none() | st.integers(0, 2**64 - 1)), st.integers(0, 20))
def test_values_of_an_array(given_values: list[int | None], start: int) -> None:
    # GIVEN an array or a slice of one, WHEN its values are read, THEN nulls are 0
    array = pa.array(given_values, pa.uint64())[start:]
    assert arrays.values_of(array).tolist() == [value or 0 for value in given_values[start:]]
    assert arrays.missing_of(array).tolist() == [value is None for value in given_values[start:]]


@given(st.lists(st.none() | st.booleans()), st.integers(0, 20))
def test_booleans_of_an_array(given_values: list[bool | None], start: int) -> None:
    array = pa.array(given_values, pa.bool_())[start:]
    assert arrays.values_of(array).tolist() == [bool(value) for value in given_values[start:]]


def test_names_are_numbered() -> None:
    made = arrays.names(["a", "b"], np.array([1, 0, 1]), np.array([False, False, True]))
    made.validate(full=True)
    assert made.to_pylist() == ["b", "a", None]


def test_names_of_more_than_2_gib_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_LARGEST_OFFSET", 5)
    assert arrays.strings(["abc", None, "de"]).to_pylist() == ["abc", None, "de"]
    with pytest.raises(MemoryError):
        arrays.strings(["abc", "def"])


def test_a_snapshot_is_taken_without_pandas(tmp_path: Path) -> None:
    # GIVEN a capture of a real kernel
    program = (
        "import sys, spo_trace as spo\n"
        f"snap = spo.snapshot({str(tmp_path / 'a.spo')!r}, from_={str(CARRIED / '7.2-spo-varied/2-swapped')!r})\n"
        "assert snap.count('swap') > 1000\n"
        "sys.exit('pandas' in sys.modules)"
    )
    # WHEN a snapshot is taken, THEN nothing has imported pandas
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
