# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conversion of TOML tables to dataclasses, with checks of keys and types; sizes become pages."""

import re
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spo_trace.errors import SpoTraceError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["ALL", "PAGE_SIZE", "Table", "read_table"]

PAGE_SIZE = 4096
ALL = -1

_SIZE = re.compile(r"(\d+) ?(KiB|MiB|pages)")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "pages": PAGE_SIZE}
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")

_KINDS = {str(int): "an integer", str(str): "a string", str(bool): "true or false"}

Spec = TypeVar("Spec", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table and its position: the file, and the place in it (`step 3`)."""

    path: Path
    place: str
    values: dict[str, Any]

    def error(self, key: str, problem: str, hint: str) -> SpoTraceError:
        """Return the error to raise for `key`."""
        place = f"{self.place}: " if self.place else ""
        return SpoTraceError(f"{self.path}: {place}{key}: {problem}", hint=hint)


def read_table(spec: type[Spec], table: Table) -> Spec:
    """Return `table` as a `spec`; sizes become page counts, and bytes fields may contain `\\ooo` escapes."""
    known = {field.name: field for field in fields(spec)}
    if not isinstance(table.values, dict):
        raise SpoTraceError(f"{table.path}: {table.place}: not a table", hint=f"its keys are {', '.join(known)}")
    for key in table.values:
        if key not in known:
            raise table.error(key, "is unknown", f"the keys here are {', '.join(known)}")
    values = {}
    for key, field in known.items():
        if key in table.values:
            values[key] = _convert(table, field)
        elif field.default is MISSING:
            raise table.error(key, "is missing", f"the keys here are {', '.join(known)}")
    return spec(**values)


def _convert(table: Table, field: Field[Any]) -> object:
    value = table.values[field.name]
    if field.name == "size":
        return _pages(table, value)
    if field.name == "reserved":
        return _ranges(table, value)
    if field.type is bytes:
        return _comm(table, field.name, value)
    if type(value) is not field.type:
        kind = _KINDS[str(field.type)]
        raise table.error(field.name, f"{value!r} is not {kind}", f"{field.name} is {kind}")
    if type(value) is int and value < 0 and field.name != "priority":
        raise table.error(field.name, f"{value} is negative", f"{field.name} is an integer of at least 0")
    return value


def _pages(table: Table, value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise table.error("size", f"{value!r} is not a size", 'a size is "256 MiB", "60 KiB" or "513 pages"')
    nr_bytes = int(match[1]) * _UNITS[match[2]]
    if nr_bytes == 0 or nr_bytes % PAGE_SIZE:
        raise table.error("size", f"{value!r} is not whole pages", f"a multiple of {PAGE_SIZE} bytes, above 0")
    return nr_bytes // PAGE_SIZE


def _ranges(table: Table, value: object) -> list[tuple[int, int]]:
    hint = "a list of PFN ranges: [[0, 256], [4096, 10752]]"
    if not isinstance(value, list):
        raise table.error("reserved", f"{value!r} is not a list", hint)
    for pair in value:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(pfn) is int for pfn in pair)):
            raise table.error("reserved", f"{pair!r} is not a range", hint)
    return [(low, high) for low, high in value]


def _comm(table: Table, key: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise table.error(key, f"{value!r} is not a string", f"{key} is a string")
    return _ESCAPE.sub(lambda escape: bytes([int(escape[1], 8)]), value.encode())
