# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner's rows of page_owner, as the columns of `schema.PAGES`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from spo_trace import schema
from spo_trace.formats.arrays import numbers, record_batch
from spo_trace.formats.body import Tail, parse_tail
from spo_trace.formats.escape import escape
from spo_trace.formats.fast.names import Lookup, NameLookup, Names, Numbers
from spo_trace.formats.fast.scanner import COMM, FLAGS, GFP, MIGRATETYPE, TAIL, Rows
from spo_trace.formats.page_owner import flag_fields

__all__ = ["PAGE_NAMES", "ScannedPages"]

PAGE_NAMES = ("gfp_flags", "comm", "migratetype", "page_flag_names", "last_migrate_reason", "memcg", "memcg_path")

# Column → the row's string that contains its value.
_STRING_OF = {
    "gfp_mask": "gfp",
    "gfp_flags": "gfp",
    "comm": "comm",
    "migratetype": "migratetype",
    "pageblock_migratetype": "pageblock_migratetype",
    "page_flags": "flags",
    "page_flag_names": "flags",
    "node": "flags",
    "zone": "flags",
    "last_migrate_reason": "tail",
    "memcg": "tail",
    "memcg_offline": "tail",
    "memcg_objcg": "tail",
    "memcg_path": "tail",
    "slab": "tail",
}

# Columns that use the names of another column.
_SHARED = {"pageblock_migratetype": "migratetype"}

_NUMBERS_OF_ROWS = ("pfn", "order", "pid", "tgid", "ts_nsec", "swapped")

# Columns with a number that is parsed from a string, and their types.
_NUMBERS = {
    "gfp_mask": np.uint32,
    "page_flags": np.uint64,
    "node": np.int16,
    "zone": np.int16,
    "memcg_offline": np.bool_,
    "memcg_objcg": np.bool_,
    "slab": np.bool_,
}


class ScannedPages:
    """Hold the values of one scanner's strings; all scanners share `names`."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        self._lookups: dict[str, Lookup | NameLookup] = {name: Lookup(kind) for name, kind in _NUMBERS.items()}
        self._lookups |= {name: NameLookup(shared) for name, shared in names.items()}
        self.odd: list[int] = []

    def add(self, number: int, kind: int, text: bytes) -> None:
        """Store the values of string `number`."""
        if kind == GFP:
            mask, _, names = text.partition(b"(")
            self._put(number, gfp_mask=int(mask, 16), gfp_flags=escape(names))
        elif kind == COMM:
            self._put(number, comm=escape(text))
        elif kind == MIGRATETYPE:
            self._put(number, migratetype=escape(text))
        elif kind == FLAGS:
            flags, _, items = text.partition(b"(")
            flag_names, node, zone = flag_fields(items)
            self._put(number, page_flags=int(flags, 16), page_flag_names=flag_names, node=node, zone=zone)
        elif kind == TAIL:
            self._add_tail(number, parse_tail(text))

    def batch(self, rows: Rows, stack_ids: Numbers, kept: pa.Schema) -> pa.RecordBatch:
        """Return `rows` as a record batch of these columns of `schema.PAGES`."""
        of_strings = {_STRING_OF[name] for name in kept.names if name in _STRING_OF}
        strings = {name: rows[name].astype(np.intp) for name in of_strings}
        columns: dict[str, Any] = {name: rows[name].copy() for name in _NUMBERS_OF_ROWS if name in kept.names}
        for name in filter(_STRING_OF.get, kept.names):
            columns[name] = self._lookups[_SHARED.get(name, name)].of(strings[_STRING_OF[name]])
        free = rows["free_ts_nsec"]
        columns["free_ts_nsec"] = numbers(free.copy(), free < 0)
        columns["stack_id"] = stack_ids
        columns["module_name"] = pa.nulls(len(rows), schema.PAGES.field("module_name").type)
        return record_batch(columns, kept)

    def _put(self, number: int, **values: Any) -> None:
        for name, value in values.items():
            self._lookups[name].put(number, value)

    def _add_tail(self, number: int, tail: Tail) -> None:
        values = {name: getattr(tail, name) for name in _TAIL}
        # A line that only the reference parser can read.
        if tail != Tail(**values, terminated=True):
            self.odd.append(number)
        self._put(number, **values)


_TAIL = ("last_migrate_reason", "memcg", "memcg_offline", "memcg_objcg", "memcg_path", "slab")
