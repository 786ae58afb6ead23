# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways to damage a snapshot that spo-trace never writes; tests and the fuzzer use them."""

import json
import lzma
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.support import CARRIED, snapshot_of

__all__ = ["DAMAGES", "Damage", "change_json", "change_table", "small_real_snapshot"]

Damage = Callable[[Path], object]

_KEPT = 150


def small_real_snapshot(directory: Path) -> Path:
    """Return a snapshot of the first records of a capture of a real kernel with memory in swap."""
    capture = CARRIED / "7.2-spo" / "2-swapped"
    files = {path.name.removesuffix(".xz"): _content(path) for path in capture.iterdir() if path.is_file()}
    for name in ("page_owner", "swap_page_owner"):
        files[name] = b"\n\n".join(files[name].split(b"\n\n")[:_KEPT]) + b"\n\n"
    return snapshot_of(directory, files, name="real").path


def _content(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def change_table(snap: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Replace a table of a snapshot by the result of `change`."""
    path = snap / f"{name}.parquet"
    pq.write_table(change(pq.read_table(path, partitioning=None)), path)


def change_json(snap: Path, place: str, value: Any) -> None:
    """Set the value at a dotted place of snapshot.json."""
    path = snap / "snapshot.json"
    values = json.loads(path.read_bytes())
    *parents, last = place.split(".")
    inner = values
    for key in parents:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    inner[last] = value
    path.write_text(json.dumps(values))


def _table(name: str, change: Callable[[pa.Table], pa.Table]) -> Damage:
    return lambda snap: change_table(snap, name, change)


def _json(place: str, value: Any) -> Damage:
    return lambda snap: change_json(snap, place, value)


# Set `column`, or only its third value if `values` is a single value.
def _set(name: str, column: str, values: Any, kind: pa.DataType | None = None) -> Damage:
    def change(table: pa.Table) -> pa.Table:
        old = table.column(column)
        new = values if isinstance(values, list) else old.to_pylist()
        if not isinstance(values, list):
            new[2] = values
        place = table.column_names.index(column)
        array = pa.array(new * (len(table) if len(new) == 1 else 1), kind or old.type)
        return table.set_column(place, pa.field(column, array.type), array)

    return _table(name, change)


def _without(name: str, column: str) -> Damage:
    return _table(name, lambda table: table.drop_columns([column]))


def _twice(name: str, column: str) -> Damage:
    return _table(name, lambda table: table.append_column(column, table.column(column)))


def _broken_text(table: pa.Table) -> pa.Table:
    array = pa.array([b"\xff\xfe"] * len(table), pa.binary()).cast(pa.string(), safe=False)
    return table.set_column(table.column_names.index("comm"), "comm", array)


def _other_frames(table: pa.Table) -> pa.Table:
    frames = table.column("frames").to_pylist()
    frames[0], frames[1] = frames[1], frames[0]
    return table.set_column(table.column_names.index("frames"), "frames", pa.array(frames, pa.list_(pa.string())))


def _entry_of_another_type(table: pa.Table) -> pa.Table:
    other = pc.add(table.column("swap_type"), pa.scalar(1, pa.uint8()))
    return table.set_column(table.column_names.index("swap_type"), table.schema.field("swap_type"), other)


def _replaced(make: Callable[[Path], object], name: str = "pages.parquet") -> Damage:
    def damage(snap: Path) -> None:
        (snap / name).rename(snap.parent / f"{snap.name}.original")
        make(snap / name)

    return damage


# A socket's path is limited to 108 bytes.
def _socket(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)


def _cut(name: str, size: int) -> Damage:
    return lambda snap: (snap / name).write_bytes((snap / name).read_bytes()[:size])


DAMAGES: Mapping[str, Damage] = {
    "order 255": _set("pages", "order", 255),
    "order 23": _set("pages", "order", 23),
    "order 0.5": _set("pages", "order", [0.5], pa.float64()),
    "order of int64": _set("pages", "order", [52], pa.int64()),
    "order -1": _set("pages", "order", [-1], pa.int8()),
    "swap_offset -1": _set("swap", "swap_offset", [-1], pa.int64()),
    "order null": _set("pages", "order", None),
    "no order": _without("pages", "order"),
    "two orders": _twice("pages", "order"),
    "stack_id too large": _set("pages", "stack_id", 1 << 31),
    "stack_id -1": _set("pages", "stack_id", [-1], pa.int64()),
    "stack_id null": _set("pages", "stack_id", None),
    "no stack_id": _without("pages", "stack_id"),
    "comm of lists": _set("pages", "comm", [["a"]], pa.list_(pa.string())),
    "comm of numbers": _set("pages", "comm", [7], pa.int64()),
    "comm of bytes": _set("pages", "comm", [b"x"], pa.binary()),
    "two comms": _twice("pages", "comm"),
    "pages lost": _table("pages", lambda table: table.slice(1)),
    "pages doubled": _table("pages", lambda table: pa.concat_tables([table, table])),
    "no pages at all": _table("pages", lambda table: table.slice(0, 0)),
    "swap lost": _table("swap", lambda table: table.slice(1)),
    "swap_type 200": _set("swap", "swap_type", 200),
    "swap_type of another entry": _table("swap", _entry_of_another_type),
    "swp_entry of floats": _set("swap", "swp_entry", [1.0], pa.float64()),
    "swap's stack_id too large": _set("swap", "stack_id", 1 << 20),
    "swap of an unknown origin": _set("swap", "origin", ["x"]),
    "origin of swap null": _set("swap", "origin", None),
    "swap without an origin": _json("swap_owner.origin", None),
    "no swap_type": _without("swap", "swap_type"),
    "stacks reordered": _table("stacks", lambda table: table.take(list(reversed(range(len(table)))))),
    "stacks lost": _table("stacks", lambda table: table.slice(0, 1)),
    "frames exchanged": _table("stacks", _other_frames),
    "a frame missing": _set("stacks", "frames", [["a+0x1/0x2", None]]),
    "frames null": _set("stacks", "frames", None),
    "frames of text": _set("stacks", "frames", ["a"], pa.string()),
    "stack_hash of another": _set("stacks", "stack_hash", "0123456789abcdef"),
    "nr_base_pages too large": _set("stacks", "nr_base_pages", 1 << 40),
    "caller null": _set("stacks", "caller", None),
    "caller of numbers": _set("stacks", "caller", [7], pa.int64()),
    "pages a FIFO": _replaced(os.mkfifo),
    "pages a link": _replaced(lambda path: path.symlink_to(path.parent.parent / f"{path.parent.name}.original")),
    "pages a directory": _replaced(Path.mkdir),
    "pages a socket": _replaced(_socket),
    "stacks a FIFO": _replaced(os.mkfifo, "stacks.parquet"),
    "pages missing": _replaced(lambda path: None),
    "pages empty": _cut("pages.parquet", 0),
    "pages cut": _cut("pages.parquet", -9),
    "swap cut": _cut("swap.parquet", 99),
    "stacks are pages": lambda snap: (snap / "stacks.parquet").write_bytes((snap / "pages.parquet").read_bytes()),
    "page_size 0": _json("page_size", 0),
    "page_size -4096": _json("page_size", -4096),
    "page_size true": _json("page_size", True),
    "page_size 4096.0": _json("page_size", 4096.0),
    "page_size 2**62": _json("page_size", 1 << 62),
    "page_size null": _json("page_size", None),
    "page_size not that of zoneinfo": _json("page_size", 65536),
    "uptime NaN": _json("uptime_start", float("nan")),
    "uptime negative": _json("uptime_start", -1.0),
    "more records than rows": _json("files.page_owner.records", 10**6),
    "unknown origin of swap": _json("swap_owner.origin", "x"),
    "deep JSON": lambda snap: (snap / "snapshot.json").write_bytes(b'{"a":' * 100_000),
    "keys twice": lambda snap: (snap / "snapshot.json").write_bytes(
        (snap / "snapshot.json").read_bytes().replace(b"{", b'{"page_size": 65536,', 1)
    ),
    "JSON of 17 MiB": lambda snap: (snap / "snapshot.json").write_bytes(b'{"a": "' + b"x" * (17 << 20) + b'"}'),
}
