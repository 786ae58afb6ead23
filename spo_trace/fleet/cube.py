# SPDX-License-Identifier: LGPL-2.1-or-later
"""The cube of a snapshot: its memory and swap by all keys of a fleet, summed while the row groups pass."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spo_trace.analysis.known_keys import unknown_keys
from spo_trace.analysis.swap_cache import SwapCache
from spo_trace.errors import SpoTraceError
from spo_trace.fleet.tables import CUBE, CUBE_KEYS, STACKS
from spo_trace.formats.stack_table import named_frames
from spo_trace.snapshots.dataframes import to_frame
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Cube", "cube_of"]

_GROUPED = ["stack_id", "comm", "memcg", "memcg_path", "order", "node", "zone", "migratetype", "slab", "swapped"]
_OF_SWAP = ["stack_id", "comm"]

# In the swap cache and in swap: these pages count twice.
_CACHED = "cached"

# Parts of which the groups are merged, so that a large snapshot takes as little memory as a small one.
_PARTS = 32


class Cube(NamedTuple):
    """Hold a snapshot's cube (without its id), its stacks and what both say about the snapshot.

    `digest`: a hash of the tables, the same however they are stored. `unknown_in_pages`, `unknown_in_swap`: the keys
    that no record has. `swap_cache_known`: whether the kernel prints the flags that tell it.
    """

    rows: pa.Table
    stacks: pa.Table
    digest: str
    unknown_in_pages: list[str]
    unknown_in_swap: list[str]
    swap_cache_known: bool


def cube_of(snap: Snapshot) -> Cube:
    """Return the cube of a snapshot; raise SpoTraceError for an aggregate, which has no records."""
    if snap.meta.aggregate is not None:
        raise SpoTraceError(
            f"{snap.path.name} has no records of pages, only sums of some keys",
            hint="add a snapshot or a capture with page_owner",
        )
    unknown_pages, unknown_swap = (unknown_keys(snap, table, CUBE_KEYS) for table in ("pages", "swap"))
    content, cache = hashlib.blake2b(digest_size=16), SwapCache(snap)
    pages = _summed(_pages(snap, cache, content))
    swap = _summed(_swap(snap, content))
    hashes = snap.arrow("stacks", ["stack_hash"])["stack_hash"].combine_chunks()
    rows = pa.concat_tables([_memory_rows(pages, hashes, unknown_pages), _swap_rows(swap, hashes)])
    rows = _by_all_keys(rows, cache_known=not cache.is_unknown)
    for batch in rows.to_batches():
        content.update(repr(batch.to_pydict()).encode("utf-8", "surrogatepass"))
    return Cube(rows, _stacks(snap), content.hexdigest(), unknown_pages, unknown_swap, not cache.is_unknown)


def _pages(snap: Snapshot, cache: SwapCache, content: "hashlib.blake2b") -> Iterator[pa.Table]:
    for group in snap.row_groups("pages", list(dict.fromkeys([*_GROUPED, "pfn", *cache.columns]))):
        _add_numbers(content, group["pfn"])
        kept = group.select(_GROUPED)
        cached = cache.holds(to_frame(group.select(cache.columns))) if cache.columns else _none(group.num_rows)
        yield _counted(kept.append_column(_CACHED, pa.array(cached)), [*_GROUPED, _CACHED])


def _swap(snap: Snapshot, content: "hashlib.blake2b") -> Iterator[pa.Table]:
    for group in snap.row_groups("swap", [*_OF_SWAP, "swp_entry", "swap_type", "swap_offset", "origin"]):
        _add_numbers(content, group["swp_entry"])
        yield _counted(group.select(_OF_SWAP), _OF_SWAP)


def _none(rows: int) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    return np.zeros(rows, np.bool_)


def _add_numbers(content: "hashlib.blake2b", column: pa.ChunkedArray) -> None:
    content.update(np.ascontiguousarray(pc.fill_null(column, 0).to_numpy()).tobytes())


def _counted(rows: pa.Table, keys: list[str]) -> pa.Table:
    counted = rows.combine_chunks().group_by(keys).aggregate([([], "count_all")]).rename_columns([*keys, "records"])
    # Each row group has its own dictionaries; plain text can be concatenated.
    return pa.table({name: _plain(counted[name]) for name in counted.column_names})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _summed(parts: Iterator[pa.Table]) -> pa.Table:
    found: list[pa.Table] = []
    for part in parts:
        found.append(part)
        if len(found) == _PARTS:
            found = [_merged(found)]
    return _merged(found)


def _merged(parts: list[pa.Table]) -> pa.Table:
    rows = pa.concat_tables(parts)
    keys = [name for name in rows.column_names if name != "records"]
    return rows.group_by(keys).aggregate([("records", "sum")]).rename_columns([*keys, "records"])


def _memory_rows(pages: pa.Table, hashes: pa.Array, unknown: list[str]) -> pa.Table:
    mem = pc.shift_left(pages["records"], pages["order"].cast(pa.int64()))
    slab = pa.nulls(pages.num_rows, pa.bool_()) if "slab" in unknown else pages["slab"]
    return _of_cube(
        pages.num_rows,
        stack=hashes.take(pages["stack_id"].combine_chunks()),
        comm=pages["comm"],
        memcg=pc.coalesce(pages["memcg_path"], pages["memcg"]),
        memcg_known=pa.repeat("memcg" not in unknown, pages.num_rows),
        order=pages["order"].cast(pa.int16()),
        node=pages["node"],
        zone=pages["zone"],
        migratetype=pages["migratetype"],
        slab=slab,
        swapped=pages["swapped"],
        records=pages["records"],
        mem_pages=mem,
        swap_cache_pages=pc.if_else(pages[_CACHED], mem, 0),
    )


# Slab pages are never swapped out, and an entry is no page that was swapped in.
def _swap_rows(swap: pa.Table, hashes: pa.Array) -> pa.Table:
    no = pa.repeat(False, swap.num_rows)
    return _of_cube(
        swap.num_rows,
        stack=hashes.take(swap["stack_id"].combine_chunks()),
        comm=swap["comm"],
        memcg_known=no,
        slab=no,
        swapped=no,
        records=swap["records"],
        swap_pages=swap["records"],
    )


_WITHOUT_ID = pa.schema([field for field in CUBE if field.name != "snapshot"])


def _of_cube(rows: int, **columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    return pa.table(
        [columns.get(field.name, pa.nulls(rows, field.type)) for field in _WITHOUT_ID], names=_WITHOUT_ID.names
    ).cast(_WITHOUT_ID)


_AMOUNTS = ["records", "mem_pages", "swap_pages", "swap_cache_pages"]


# Two stacks of a snapshot may have one hash, and two cgroups one path. Sorted, equal snapshots have equal cubes.
def _by_all_keys(rows: pa.Table, *, cache_known: bool) -> pa.Table:
    keys = [name for name in _WITHOUT_ID.names if name not in _AMOUNTS]
    is_swap = pc.is_valid(rows["swap_pages"])
    grouped = rows.append_column("is_swap", is_swap).group_by([*keys, "is_swap"])
    # A sum of nulls alone is null.
    options = pc.ScalarAggregateOptions(min_count=1)
    summed = grouped.aggregate([(name, "sum", options) for name in _AMOUNTS])
    summed = summed.rename_columns([*keys, "is_swap", *_AMOUNTS])
    if not cache_known:
        place = summed.column_names.index("swap_cache_pages")
        summed = summed.set_column(place, "swap_cache_pages", pa.nulls(summed.num_rows, pa.int64()))
    summed = summed.sort_by([(name, "ascending") for name in [*keys, "is_swap"]])
    return summed.select(_WITHOUT_ID.names).cast(_WITHOUT_ID).combine_chunks()


def _stacks(snap: Snapshot) -> pa.Table:
    found = snap.arrow("stacks", ["stack_hash", "frames", "handle"]).to_pydict()
    # Only those of records are needed, but a stack that is counted elsewhere costs little.
    named = {
        name: list(named_frames(frames, handle))
        for name, frames, handle in zip(found["stack_hash"], found["frames"], found["handle"], strict=True)
    }
    return pa.table([list(named), list(named.values())], schema=STACKS)
