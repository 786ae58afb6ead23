# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values (numbers or names) of the compiled scanner's strings, looked up by the number of the string."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.formats import arrays
from spo_trace.formats.arrays import strings
from spo_trace.formats.distinct import DistinctNames

__all__ = ["MOST_STRINGS", "Lookup", "NameLookup", "Names", "Numbers"]

Numbers = npt.NDArray[Any]

# A table with more strings is cleared, to bound memory. A machine has fewer, unless a user makes many on purpose.
MOST_STRINGS = 1 << 16

_NOT_YET, _MISSING = -1, -2


class Lookup:
    """Map string numbers to values."""

    def __init__(self, kind: npt.DTypeLike) -> None:
        self._values = np.zeros(1 << 10, kind)
        self._missing = np.zeros(1 << 10, np.bool_)
        self._any_missing = False

    def put(self, number: int, value: int | None) -> None:
        """Store the value of string `number`; None if it has none."""
        while number >= len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
            self._missing = np.concatenate([self._missing, np.zeros_like(self._missing)])
        if value is None:
            self._any_missing = self._missing[number] = True
        else:
            self._values[number] = value

    def of(self, numbers: Numbers) -> pa.Array:
        """Return the values of strings."""
        return arrays.numbers(self._values.take(numbers), self._missing.take(numbers) if self._any_missing else None)


class Names:
    """Hold the distinct names of a column in order of first appearance in the text, for all scanners."""

    def __init__(self, column: str) -> None:
        self._distinct = DistinctNames(column)
        self.generation = 0
        self._numbers: dict[str, int] = {}
        self._new: list[str] = []
        self._array = strings([])

    def number(self, name: str) -> int:
        """Return a name's number in this generation."""
        if name not in self._numbers:
            self._distinct.add(name)
            self._new.append(name)
            self._numbers[name] = len(self._numbers)
        return self._numbers[name]

    def array(self) -> pa.Array:
        """Return the names in the order of their numbers."""
        if self._new:
            self._array = pa.concat_arrays([self._array, strings(self._new)])
            self._new.clear()
        return self._array

    def forget_many(self) -> None:
        """Start a new generation if there are too many names: users can choose millions of process names."""
        if len(self._numbers) > MOST_STRINGS:
            self.generation += 1
            self._numbers.clear()
            self._array = strings([])


class NameLookup:
    """Map string numbers to names; a name is added to `names` when a row first has it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._generation = names.generation
        self._texts: dict[int, str] = {}
        self._index = np.full(1 << 10, _NOT_YET, np.int32)
        self._any_missing = False

    def put(self, number: int, name: str | None) -> None:
        """Store the name of string `number`; None if it has none."""
        while number >= len(self._index):
            self._index = np.concatenate([self._index, np.full_like(self._index, _NOT_YET)])
        if name is None:
            self._any_missing = True
            self._index[number] = _MISSING
        else:
            self._texts[number] = name

    def of(self, numbers: Numbers) -> pa.Array:
        """Return the names of strings."""
        if self._generation != self._names.generation:
            self._generation = self._names.generation
            self._index[self._index >= 0] = _NOT_YET
        index = self._index.take(numbers)
        new = numbers[index == _NOT_YET]
        if len(new):
            for number in dict.fromkeys(new.tolist()):
                self._index[number] = self._names.number(self._texts[number])
            index = self._index.take(numbers)
        missing = index == _MISSING if self._any_missing else None
        if missing is not None:
            index[missing] = 0
        # safe=False: all indices are valid, and checking them takes time.
        return pa.DictionaryArray.from_arrays(arrays.numbers(index, missing), self._names.array(), safe=False)
