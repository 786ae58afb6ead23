# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damage to the files of a snapshot or a recording, chosen by a seeded random generator."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Damaged", "damage"]

_NUMBERS = (-1, 0, 1, 23, 52, 255, 1 << 31, (1 << 32) - 1, 1 << 53, (1 << 63) - 1, (1 << 64) - 1)
_REALS = (float("nan"), float("inf"), -1.0, 0.5, 1e300, 5e-324)
_TEXTS = ("", "x", "\x1b[2J", "a\nb", "\u202e", "x" * 5000)
_ODD: tuple[Any, ...] = (None, True, "\ud800", 10**21, 10**30, [], {}, [None], {"a": {}})
_VALUES = (*_ODD, *_NUMBERS, *_REALS, *_TEXTS)
_TYPES = (pa.int8(), pa.int64(), pa.uint64(), pa.float64(), pa.string(), pa.bool_(), pa.list_(pa.string()), pa.null())


class Damaged(NamedTuple):
    """Say what was damaged: the file, and how; `is_structured`: valid JSON or Parquet with other content."""

    file: str
    how: str
    is_structured: bool


def damage(directory: Path, choose: random.Random) -> Damaged:
    """Damage one file of `directory`."""
    path = choose.choice(sorted(path for path in directory.iterdir() if path.suffix in (".json", ".parquet")))
    if choose.random() < 0.4:
        path.write_bytes(_bytes(path.read_bytes(), choose))
        return Damaged(path.name, "bytes", is_structured=False)
    if path.suffix == ".json":
        return Damaged(path.name, _json(path, choose), is_structured=True)
    return Damaged(path.name, _parquet(path, choose), is_structured=True)


def _bytes(data: bytes, choose: random.Random) -> bytes:
    for _ in range(choose.choice((1, 1, 1, 4))):
        # Most of a Parquet file is data; its footer is at the end.
        start = choose.randrange(len(data)) if choose.random() < 0.5 else max(0, len(data) - choose.randint(1, 9000))
        size = choose.choice((1, 1, 1, 4, 64))
        put = choose.choice(
            (bytes([data[start] ^ 1 << choose.randrange(8)]), choose.randbytes(size), b"", b"\0" * size)
        )
        data = data[:start] + put + data[start + choose.choice((len(put), size)) :]
    return data if choose.random() < 0.9 else data[: choose.randrange(len(data) + 1)]


def _json(path: Path, choose: random.Random) -> str:
    values = json.loads(path.read_bytes())
    inner, place = values, ""
    while True:
        key = choose.choice(sorted(inner)) if isinstance(inner, dict) else choose.randrange(len(inner))
        place += f".{key}"
        if not isinstance(inner[key], dict | list) or not inner[key] or choose.random() < 0.2:
            break
        inner = inner[key]
    if choose.random() < 0.2:
        del inner[key]
        place += " deleted"
    else:
        inner[key] = choose.choice(_VALUES)
        place += f" = {str(inner[key])[:40]!r}"
    path.write_text(json.dumps(values))
    return place


def _parquet(path: Path, choose: random.Random) -> str:
    table = pq.read_table(path, partitioning=None)
    change = choose.choice((_rows, _one_value, _one_value, _column, _other_columns))
    changed, how = change(table, choose)
    pq.write_table(changed, path, compression=choose.choice(("zstd", "none")), use_dictionary=choose.random() < 0.5)
    return how


def _rows(table: pa.Table, choose: random.Random) -> tuple[pa.Table, str]:
    rows = list(range(len(table)))
    changes: dict[str, Callable[[], list[int]]] = {
        "rows reversed": lambda: rows[::-1],
        "rows lost": lambda: rows[1:],
        "no rows": lambda: [],
        "rows doubled": lambda: rows + rows,
        "a row doubled": lambda: [*rows, *rows[:1]],
    }
    how = choose.choice(sorted(changes))
    return table.take(pa.array(changes[how](), pa.int64())), how


def _one_value(table: pa.Table, choose: random.Random) -> tuple[pa.Table, str]:
    name = choose.choice(table.column_names)
    values: list[Any] = table[name].to_pylist()
    if not values:
        return table, "nothing"
    row, value = choose.randrange(len(values)), choose.choice((None, *_NUMBERS, *_REALS, *_TEXTS))
    kind = table[name].type
    values[row] = value
    try:
        array = pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        values[row] = None
        array = pa.array(values, kind)
    return _with(table, name, array), f"{name}[{row}] = {str(values[row])[:40]!r}"


def _column(table: pa.Table, choose: random.Random) -> tuple[pa.Table, str]:
    name, kind = choose.choice(table.column_names), choose.choice(_TYPES)
    try:
        array = table[name].cast(kind)
    except (pa.ArrowException, NotImplementedError):
        array = pa.nulls(len(table), kind)
    return _with(table, name, array), f"{name} of {kind}"


def _other_columns(table: pa.Table, choose: random.Random) -> tuple[pa.Table, str]:
    name, other = choose.choice(table.column_names), choose.choice(table.column_names)
    if choose.random() < 0.4:
        return table.drop_columns([name]), f"no {name}"
    if choose.random() < 0.4:
        return table.append_column(name, table[name]), f"{name} twice"
    return _with(table, name, table[other]), f"{name} is {other}"


def _with(table: pa.Table, name: str, array: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), pa.field(name, array.type), array)
