# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read one sample of a recording, and check that a watch can have written it."""

import re
from functools import reduce
from math import isfinite
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from spo_trace.analysis.keys import owner_columns
from spo_trace.limits import MAX_MEMORY_BYTES, MAX_SECONDS
from spo_trace.sampling.samples import SERIES_AMOUNTS
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.damage import Damage, naming_damage
from spo_trace.snapshots.parquet_input import checked_footer, open_parquet, opened_again, validated
from spo_trace.snapshots.table_types import is_text

__all__ = ["is_sample", "read_sample", "sample_number"]

# /proc/uptime has two decimals.
_RESOLUTION = 0.001

_NAME = re.compile(r"(\d{6,})\.parquet", re.ASCII)


def is_sample(name: str) -> bool:
    """Return whether `name` is that of a sample's file."""
    return _NAME.fullmatch(name) is not None


def sample_number(path: Path) -> int:
    """Return the number of the sample in the file `path`, whose name `is_sample`."""
    return int(path.stem)


def read_sample(path: Path, keys: list[str], earlier: float | None) -> tuple[float, pa.Table]:
    """Return the seconds and the rows of a sample: sample, seconds, taken_at, `keys`, key_known and the amounts.

    `earlier`: the seconds of the sample before it. Raise SpoTraceError if the file is damaged. Names have dictionaries:
    plain stacks of a day would take gigabytes.
    """
    with naming_damage(path), open_parquet(path) as file:
        footer = checked_footer(file)
        wanted = ["sample", "seconds", "taken_at", *owner_columns(keys), *SERIES_AMOUNTS]
        columns = [name for name in wanted if name in footer.schema_arrow.names or name not in _LATER]
        _check_columns(footer.schema_arrow, columns, keys)
        names = [key for key in keys if is_text(footer.schema_arrow.field(key).type)]
        rows = validated(opened_again(file, footer.metadata, names).read(columns).select(columns))
        return _check(rows, sample_number(path), keys, earlier), _completed(rows, keys).select(wanted)


def _check_columns(found: pa.Schema, columns: list[str], keys: list[str]) -> None:
    for name in columns:
        if name not in found.names:
            raise Damage(f"there is no column {name}")
    for name in keys:
        kind = found.field(name).type
        if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
            raise Damage(f"column {name} is of type {kind}")


def _check(rows: pa.Table, number: int, keys: list[str], earlier: float | None) -> float:
    if _only_value(rows, "sample") != number:
        raise Damage(f"it is sample {_only_value(rows, 'sample')}, not {number}: is it a copy of another one?")
    seconds = _only_value(rows, "seconds")
    if not isinstance(seconds, int | float) or not isfinite(seconds) or not 0 <= seconds <= MAX_SECONDS:
        raise Damage(f"seconds is {seconds}, not a time since the first sample")
    if earlier is not None and seconds < earlier + _RESOLUTION:
        raise Damage(f"seconds is {seconds}: the sample before it was taken at {earlier}")
    if not is_text(rows["taken_at"].type):
        raise Damage(f"column taken_at is of type {rows['taken_at'].type}")
    if KEY_KNOWN in rows.column_names:
        _check_key_known(rows[KEY_KNOWN])
    for name in (name for name in SERIES_AMOUNTS if name in rows.column_names):
        _check_amounts(rows, name)
    _check_totals(rows)
    owners = [name for name in (*keys, KEY_KNOWN) if name in rows.column_names]
    if keys and len(rows.group_by(owners).aggregate([])) < len(rows):
        raise Damage("an owner has two rows")
    return float(seconds)


def _check_key_known(column: pa.ChunkedArray) -> None:
    if not pa.types.is_boolean(column.type):
        raise Damage(f"column {KEY_KNOWN} is of type {column.type}")
    if column.null_count:
        raise Damage(f"column {KEY_KNOWN} has gaps")


def _only_value(rows: pa.Table, name: str) -> object:
    found = pc.unique(rows[name])
    if len(found) != 1:
        raise Damage(f"column {name} has {len(found)} values, not one")
    value: object = found[0].as_py()
    return value


# An amount can be unknown for some owners only; totals are sums of what is known.
def _check_amounts(rows: pa.Table, name: str) -> None:
    amounts = rows[name]
    if name == "total_bytes" and amounts.null_count:
        raise Damage(f"column {name} has gaps")
    if amounts.null_count == len(amounts):
        return
    if not pa.types.is_integer(amounts.type):
        raise Damage(f"column {name} is of type {amounts.type}, not whole numbers")
    least, most = pc.min(amounts).as_py(), pc.max(amounts).as_py()
    if least < 0 or most > MAX_MEMORY_BYTES:
        raise Damage(f"column {name}: {least if least < 0 else most} is no amount of memory")
    if pc.sum(amounts.cast(pa.float64())).as_py() > MAX_MEMORY_BYTES:
        raise Damage(f"column {name} adds up to more memory than any machine has")


# The kernel's counts have totals only.
def _check_totals(rows: pa.Table) -> None:
    parts = [name for name in SERIES_AMOUNTS if name != "total_bytes" and name in rows.column_names]
    known = {name: pc.fill_null(rows[name].cast(pa.int64()), 0) for name in parts}
    total = pc.add(known["mem_bytes"], known["swap_bytes"])
    if "swap_cache_bytes" in known:
        total = pc.subtract(total, known["swap_cache_bytes"])
    only_total = pc.and_(pc.is_null(rows["mem_bytes"]), pc.is_null(rows["swap_bytes"]))
    if not pc.all(pc.or_(only_total, pc.equal(total, rows["total_bytes"]))).as_py():
        raise Damage("total_bytes is not the sum of its parts")


# Samples of older versions have neither column: their totals count the swap cache twice.
_LATER = (KEY_KNOWN, "swap_cache_bytes")


def _completed(rows: pa.Table, keys: list[str]) -> pa.Table:
    if keys and KEY_KNOWN not in rows.column_names:
        rows = rows.append_column(KEY_KNOWN, reduce(pc.and_, (pc.is_valid(rows[key]) for key in keys)))
    if "swap_cache_bytes" not in rows.column_names:
        rows = rows.append_column("swap_cache_bytes", pa.nulls(len(rows), pa.int64()))
    return rows
