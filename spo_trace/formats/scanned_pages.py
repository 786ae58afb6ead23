# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the compiled scanner found, as the columns of `schema.PAGES`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.body import Tail, parse_tail
from spo_trace.formats.escape import escape
from spo_trace.formats.page_owner import flag_fields
from spo_trace.formats.page_scanner import COMM, FLAGS, GFP, MIGRATETYPE, STACK, TAIL

__all__ = ["Names", "ScannedStrings", "new_names", "page_batch"]

Rows = dict[str, npt.NDArray[np.int64]]

MISSING = -1


class ScannedStrings:
    """Hold what each string of one scanner's table means, by its number; all scanners share `names`."""

    def __init__(self, names: Mapping[str, "Names"]) -> None:
        self.numbers = {name: _Lookup() for name in ("gfp_mask", "page_flags", "node", "zone")}
        self.names = {name: _NameLookup(shared) for name, shared in names.items()}
        self.flags = {name: _Lookup() for name in ("memcg_offline", "memcg_objcg", "slab")}
        # Whether a tail says something that only the reference parser can tell.
        self.odd = _Lookup()
        self.stacks: dict[int, bytes] = {}
        self._count = 0

    def add(self, kind: int, text: bytes) -> None:
        """Note the next string."""
        number, self._count = self._count, self._count + 1
        if kind == STACK:
            self.stacks[number] = text
        elif kind == COMM:
            self.names["comm"].put(number, escape(text))
        elif kind == MIGRATETYPE:
            self.names["migratetype"].put(number, escape(text))
        elif kind == GFP:
            mask, _, names = text.partition(b"(")
            self.numbers["gfp_mask"].put(number, int(mask, 16))
            self.names["gfp_flags"].put(number, escape(names))
        elif kind == FLAGS:
            self._add_flags(number, text)
        elif kind == TAIL:
            self._add_tail(number, parse_tail(text))

    def _add_flags(self, number: int, text: bytes) -> None:
        flags, _, items = text.partition(b"(")
        names, node, zone = flag_fields(items)
        self.numbers["page_flags"].put(number, int(flags, 16))
        self.names["page_flag_names"].put(number, names)
        self.numbers["node"].put(number, MISSING if node is None else node)
        self.numbers["zone"].put(number, MISSING if zone is None else zone)

    def _add_tail(self, number: int, tail: Tail) -> None:
        said = Tail(
            last_migrate_reason=tail.last_migrate_reason,
            memcg=tail.memcg,
            memcg_offline=tail.memcg_offline,
            memcg_objcg=tail.memcg_objcg,
            slab=tail.slab,
            terminated=True,
        )
        self.odd.put(number, int(tail != said))
        self.names["last_migrate_reason"].put(number, tail.last_migrate_reason)
        self.names["memcg"].put(number, tail.memcg)
        for name, lookup in self.flags.items():
            value = getattr(tail, name)
            lookup.put(number, MISSING if value is None else int(value))


_NAMES = ("gfp_flags", "comm", "migratetype", "page_flag_names", "last_migrate_reason", "memcg")


class _Lookup:
    """Hold a number for each string's number."""

    def __init__(self) -> None:
        self._values = np.full(1 << 10, MISSING, np.int64)

    def put(self, number: int, value: int) -> None:
        while number >= len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, MISSING)])
        self._values[number] = value

    def of(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return self._values[numbers]


class Names:
    """Hold the distinct names of a column in order of first appearance, whichever scanner met them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._array = pa.array([], pa.string())

    def number(self, name: str | None) -> int:
        """Return a name's number, MISSING for None."""
        return MISSING if name is None else self._numbers.setdefault(name, len(self._numbers))

    def array(self) -> pa.Array:
        """Return the names in the order of their numbers."""
        if len(self._array) != len(self._numbers):
            self._array = pa.array(list(self._numbers), pa.string())
        return self._array


def new_names() -> dict[str, Names]:
    """Return a place for the names of each column that has names."""
    return {name: Names() for name in _NAMES}


class _NameLookup:
    """Hold a name for each string's number."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._index = _Lookup()

    def put(self, number: int, name: str | None) -> None:
        self._index.put(number, self._names.number(name))

    def of(self, numbers: npt.NDArray[np.int64]) -> pa.Array:
        indices = self._index.of(numbers).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(indices, mask=indices == MISSING), self._names.array())


def page_batch(rows: Rows, strings: ScannedStrings, stack_ids: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Return the scanner's `rows` as a record batch of `schema.PAGES`."""
    columns: dict[str, Any] = {name: rows[name] for name in ("pfn", "order", "pid", "tgid", "ts_nsec", "free_ts_nsec")}
    columns |= {name: lookup.of(rows[_STRING_OF[name]]) for name, lookup in strings.numbers.items()}
    columns |= {name: lookup.of(rows["tail"]) for name, lookup in strings.flags.items()}
    columns |= {name: names.of(rows[_STRING_OF[name]]) for name, names in strings.names.items()}
    columns["pageblock_migratetype"] = strings.names["migratetype"].of(rows["pageblock_migratetype"])
    columns["stack_id"], columns["swapped"] = stack_ids, rows["swapped"]
    columns["module_name"] = pa.nulls(len(stack_ids), schema.PAGES.field("module_name").type)
    return pa.record_batch([_array(columns[field.name], field) for field in schema.PAGES], schema.PAGES)


_STRING_OF = {
    "gfp_mask": "gfp",
    "gfp_flags": "gfp",
    "comm": "comm",
    "migratetype": "migratetype",
    "page_flags": "flags",
    "page_flag_names": "flags",
    "node": "flags",
    "zone": "flags",
    "last_migrate_reason": "tail",
    "memcg": "tail",
}

# Numbers that a record may leave out, and the scanner then gives as MISSING; a pid may be -1.
_OPTIONAL = ("free_ts_nsec", "node", "zone", "memcg_offline", "memcg_objcg")


def _array(values: Any, field: pa.Field) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    mask = values == MISSING if field.name in _OPTIONAL else None
    return pa.array(values.astype(field.type.to_pandas_dtype()), field.type, mask=mask)
