# SPDX-License-Identifier: LGPL-2.1-or-later
"""Merge the files of closed days, and drop old days. New files are complete before old ones are removed."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from spo_trace.fleet.catalog import Catalog, read_catalog
from spo_trace.fleet.check import unused_files, unused_raw
from spo_trace.fleet.choosing import machines_of
from spo_trace.fleet.identity import raw_name
from spo_trace.fleet.reading import rows_of
from spo_trace.fleet.root import Root
from spo_trace.fleet.tables import CUBE, SNAPSHOTS, STACKS
from spo_trace.limits import MAX_CUBE_ROWS

__all__ = ["Compacted", "compact"]

# Equal values next to each other take little space.
_ORDER = [(name, "ascending") for name in ("stack", "comm", "memcg", "order", "zone", "node", "snapshot")]


class Compacted(NamedTuple):
    """Count what `compact` did: days merged, snapshots dropped, files removed."""

    days: int
    dropped: int
    removed: int


def compact(root: Root, keep_days: int | None = None, today: date | None = None) -> Compacted:
    """Merge the files of each day before `today` (UTC); one process at a time may do this, while others add and read.

    `keep_days`: drop snapshots that are older. No stack is dropped: a process that adds a snapshot may rely on it.
    """
    today = today or datetime.now(UTC).date()
    catalog = read_catalog(root)
    oldest = date.min if keep_days is None else today - timedelta(days=keep_days)
    days: dict[date, list[str]] = {}
    for id, time in zip(catalog.rows["id"].to_pylist(), machines_of(catalog.rows)["time"], strict=True):
        days.setdefault(time.date(), []).append(id)
    kept = {_name(day, ids): ids for day, ids in sorted(days.items()) if oldest <= day < today}
    dropped = [id for day, ids in days.items() if day < oldest for id in ids]
    _merge_stacks(root, catalog)
    merged = [name for name in kept if name not in catalog.files]
    for name in merged:
        _merge_day(root, name, catalog.rows.filter(_is_in(catalog.rows["id"], kept[name])))
    replaced = {*dropped, *(id for ids in kept.values() for id in ids)}
    removed = _remove_replaced(root, catalog, replaced, set(kept))
    _remove_raw(root, dropped)
    return Compacted(len(merged), len(dropped), removed + _remove_unused(root))


# The name tells the content, so that an interrupted run that is started again writes the same files.
def _name(day: date, ids: Iterable[str]) -> str:
    return f"{day:%Y%m%d}-{_digest(ids)}.parquet"


def _digest(texts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(sorted(texts)).encode(), digest_size=16).hexdigest()


def _is_in(column: pa.ChunkedArray, values: Iterable[str]) -> pa.ChunkedArray:
    return pc.is_in(column, pa.array(list(values), pa.string()))


def _merge_day(root: Root, name: str, rows: pa.Table) -> None:
    day, parts = name.partition("-")[0], []
    for ids, cube in _chunks(root, rows):
        file = f"{day}-{_digest(ids)}.parquet"
        size = root.write("cube", file, cube.sort_by(_ORDER))
        parts.append(_renamed(rows.filter(_is_in(rows["id"], ids)), file, size))
    root.write("snapshots", name, pa.concat_tables(parts))


# The cubes of snapshots, together at most MAX_CUBE_ROWS rows unless one file has more.
def _chunks(root: Root, rows: pa.Table) -> Iterator[tuple[list[str], pa.Table]]:
    ids: list[str] = []
    parts: list[pa.Table] = [CUBE.empty_table()]
    number = 0
    files = sorted(set(rows["cube_file"].to_pylist()))
    root.expect("cube", files)
    for file in files:
        own = rows.filter(pc.equal(rows["cube_file"], file))["id"].to_pylist()
        cube = pa.concat_tables(rows_of(root, "cube", file)).cast(CUBE)
        cube = cube.filter(_is_in(cube["snapshot"], own))
        if ids and number + cube.num_rows > MAX_CUBE_ROWS:
            yield ids, pa.concat_tables(parts)
            ids, parts, number = [], [CUBE.empty_table()], 0
        ids, parts, number = [*ids, *own], [*parts, cube], number + cube.num_rows
    yield ids, pa.concat_tables(parts)


def _renamed(rows: pa.Table, file: str, size: int) -> pa.Table:
    values = {"cube_file": pa.repeat(file, rows.num_rows), "cube_bytes": pa.repeat(size, rows.num_rows)}
    return pa.table([values.get(name, rows[name]) for name in SNAPSHOTS.names], names=SNAPSHOTS.names).cast(SNAPSHOTS)


def _merge_stacks(root: Root, catalog: Catalog) -> None:
    if len(catalog.stacks) <= 1:
        return
    found: dict[str, list[str]] = {}
    root.expect("stacks", catalog.stacks)
    for name in catalog.stacks:
        for rows in rows_of(root, "stacks", name):
            found.update(zip(rows["stack"].to_pylist(), rows["frames"].to_pylist(), strict=True))
    merged = f"{_digest(found)}.parquet"
    table = pa.table([sorted(found), [found[one] for one in sorted(found)]], schema=STACKS)
    root.write("stacks", merged, table)
    for name in catalog.stacks:
        if name != merged:
            root.remove("stacks", name)


# A file of the catalog is replaced if each of its snapshots is in another one, or is dropped.
def _remove_replaced(root: Root, catalog: Catalog, replaced: set[str], new: set[str]) -> int:
    number = 0
    root.expect("snapshots", catalog.files)
    for name in catalog.files:
        ids = {id for rows in rows_of(root, "snapshots", name, ["id"]) for id in rows["id"].to_pylist()}
        if name not in new and ids <= replaced:
            root.remove("snapshots", name)
            number += 1
    return number


def _remove_raw(root: Root, dropped: Iterable[str]) -> None:
    for name in sorted({raw_name(id) for id in dropped} & set(root.raw.kept())):
        root.raw.remove(name)


def _remove_unused(root: Root) -> int:
    catalog = read_catalog(root)
    unused, raw = unused_files(root, catalog), unused_raw(root, catalog)
    for table, name in unused:
        root.remove(table, name)
    for name in raw:
        root.raw.remove(name)
    return len(unused) + len(raw)
