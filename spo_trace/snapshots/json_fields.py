# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checked access to JSON that comes from outside: errors name the value that has a wrong type or range."""

import json
import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, Self

from spo_trace.errors import SpoTraceError
from spo_trace.files.regular import read_regular
from spo_trace.limits import MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_JSON_NUMBER
from spo_trace.printable import printable

__all__ = ["DamagedJson", "JsonFields"]

_LONGEST_NAME = 80


class DamagedJson(SpoTraceError):
    """Name the value that is missing or wrong; callers add the file."""


class JsonFields:
    """Read the values of one JSON object by key; raise DamagedJson for one that is missing or wrong.

    A method whose name ends in `_or_none` returns None for an absent key and for null.
    """

    def __init__(self, value: object, name: str = "") -> None:
        """Hold the object `value`, called `name` in errors; raise DamagedJson if it is something else."""
        if not isinstance(value, dict):
            raise DamagedJson(f"{_shown(name) or 'it'} is not an object")
        self._values: dict[str, Any] = value
        self._name = name

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the object in the file `path`; raise DamagedJson if it has none, OSError if it can't be read."""
        return cls.parse(read_regular(path, MAX_JSON_BYTES))

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the object that is the JSON text `content`; raise DamagedJson if it is something else."""
        _check_depth(content)
        try:
            return cls(json.loads(content, object_pairs_hook=_object))
        except ValueError as error:
            raise DamagedJson("it is not JSON") from error

    def text(self, key: str) -> str:
        """Return a string."""
        return self._checked_text(key, self._value(key))

    def text_or_none(self, key: str) -> str | None:
        """Return a string."""
        return None if self._values.get(key) is None else self.text(key)

    def number(self, key: str, *, least: int = 0, most: int = MAX_JSON_NUMBER) -> int:
        """Return a whole number from `least` to `most`, a power of ten."""
        value = self._value(key)
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least} to 10**{len(str(most)) - 1}")
        return value

    def number_or_none(self, key: str) -> int | None:
        """Return a whole number that is not negative."""
        return None if self._values.get(key) is None else self.number(key)

    def real(self, key: str) -> float:
        """Return a finite number that is not negative."""
        value = self._value(key)
        if type(value) not in (int, float) or not 0 <= value <= MAX_JSON_NUMBER or not isfinite(value):
            raise self.wrong(key, "a finite number")
        return float(value)

    def real_or_none(self, key: str) -> float | None:
        """Return a finite number that is not negative."""
        return None if self._values.get(key) is None else self.real(key)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false, `default` for an absent key."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def nested(self, key: str) -> "JsonFields":
        """Return an object."""
        return JsonFields(self._value(key), self._path(key))

    def nested_or_none(self, key: str) -> "JsonFields | None":
        """Return an object."""
        return None if self._values.get(key) is None else self.nested(key)

    def nested_list(self, key: str) -> "list[JsonFields]":
        """Return a list of objects."""
        return [JsonFields(item, f"{self._path(key)}[{number}]") for number, item in enumerate(self._list(key))]

    def numbers(self, key: str, *, most: int = MAX_JSON_NUMBER) -> list[int]:
        """Return a list of whole numbers from 0 to `most`, a power of ten."""
        return [JsonFields({key: item}, self._name).number(key, most=most) for item in self._list(key)]

    def texts(self, key: str) -> list[str]:
        """Return a list of strings."""
        return [self._checked_text(key, item) for item in self._list(key)]

    def __iter__(self) -> Iterator[str]:
        """Yield the object's keys."""
        return (self._checked_text(key, key) for key in self._values)

    def has(self, key: str) -> bool:
        """Return whether the key exists and is not null."""
        return self._values.get(key) is not None

    def wrong(self, key: str, expected: str) -> DamagedJson:
        """Return the error that the value of `key` is not what is expected."""
        return DamagedJson(f"{_shown(self._path(key))} is not {expected}")

    def _value(self, key: str) -> Any:
        if key not in self._values:
            raise DamagedJson(f"{_shown(self._path(key))} is missing")
        return self._values[key]

    def _list(self, key: str) -> list[Any]:
        value = self._value(key)
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value

    def _checked_text(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not _is_unicode(value):
            raise self.wrong(key, "text")
        return value

    def _path(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key


_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"|([\[{])|([\]}])', re.DOTALL)


def _check_depth(content: bytes) -> None:
    depth = 0
    for match in _BRACKET.finditer(content):
        depth += (match[1] is not None) - (match[2] is not None)
        if depth > MAX_JSON_DEPTH:
            raise DamagedJson(f"it is nested more than {MAX_JSON_DEPTH} deep")


# Parsers differ in which one of two equal keys they take.
def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise DamagedJson(f"{_shown(key)} is there twice")
        values[key] = value
    return values


# JSON can escape a lone surrogate, which cannot be written to a file or a terminal.
def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return printable(name[:_LONGEST_NAME])
