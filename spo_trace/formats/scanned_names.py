# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the strings of the compiled scanner mean: a name or a number in place of each string's number."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace.formats import arrays
from spo_trace.formats.arrays import strings

__all__ = ["Lookup", "NameLookup", "Names", "Numbers"]

Numbers = npt.NDArray[Any]

_MISSING = -1


class Lookup:
    """Hold a value for each string's number."""

    def __init__(self, kind: npt.DTypeLike) -> None:
        self._values = np.zeros(1 << 10, kind)
        self._missing = np.zeros(1 << 10, np.bool_)
        self._any_missing = False

    def put(self, number: int, value: int | None) -> None:
        """Note the value of string `number`; None if it has none."""
        while number >= len(self._values):
            self._values = np.concatenate([self._values, np.zeros_like(self._values)])
            self._missing = np.concatenate([self._missing, np.zeros_like(self._missing)])
        if value is None:
            self._any_missing = self._missing[number] = True
        else:
            self._values[number] = value

    def of(self, numbers: Numbers) -> pa.Array:
        """Return the values of strings."""
        return arrays.numbers(self._values[numbers], self._missing[numbers] if self._any_missing else None)

    def numbers(self, numbers: Numbers) -> Numbers:
        """Return the values of strings that all have one."""
        return self._values[numbers]


class Names:
    """Hold the distinct names of a column in order of first appearance, whichever scanner met them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._new: list[str] = []
        self._array = strings([])

    def number(self, name: str | None) -> int | None:
        """Return a name's number, None for None."""
        if name is None or name in self._numbers:
            return self._numbers.get(name) if name is not None else None
        self._new.append(name)
        return self._numbers.setdefault(name, len(self._numbers))

    def array(self) -> pa.Array:
        """Return the names in the order of their numbers."""
        if self._new:
            self._array = pa.concat_arrays([self._array, strings(self._new)])
            self._new.clear()
        return self._array


class NameLookup:
    """Hold a name for each string's number."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._index = Lookup(np.int32)

    def put(self, number: int, name: str | None) -> None:
        """Note the name that string `number` means; None if it means none."""
        self._index.put(number, self._names.number(name))

    def of(self, numbers: Numbers) -> pa.Array:
        """Return the names of strings."""
        return pa.DictionaryArray.from_arrays(self._index.of(numbers), self._names.array())
