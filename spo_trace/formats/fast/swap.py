# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner's rows of swap_page_owner, as the columns of `schema.SWAP`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from spo_trace.formats.arrays import numbers, record_batch, strings
from spo_trace.formats.body import Tail, parse_tail
from spo_trace.formats.escape import escape
from spo_trace.formats.fast.names import NameLookup, Names, Numbers
from spo_trace.formats.fast.scanner import COMM, TAIL, Rows
from spo_trace.formats.swp_entry import TYPE_SHIFT_64

__all__ = ["SWAP_NAMES", "ScannedSwap"]

SWAP_NAMES = ("comm",)

_ORIGIN = strings(["debugfs"])


class ScannedSwap:
    """Hold the values of one scanner's strings; all scanners share `names`."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        self._comm = NameLookup(names["comm"])
        self.odd: list[int] = []

    def add(self, number: int, kind: int, text: bytes) -> None:
        """Store the values of string `number`."""
        if kind == COMM:
            self._comm.put(number, escape(text))
        elif kind == TAIL and parse_tail(text) != Tail(terminated=True):
            # A swap entry has no columns for other lines: they are left to the reference parser.
            self.odd.append(number)

    def batch(self, rows: Rows, stack_ids: Numbers, kept: pa.Schema) -> pa.RecordBatch:
        """Return `rows` as a record batch of these columns of `schema.SWAP`."""
        entries = rows["swp_entry"].copy()
        columns: dict[str, Any] = {
            "swp_entry": entries,
            "swap_type": (entries >> TYPE_SHIFT_64).astype(np.uint8),
            "swap_offset": (entries & ((1 << TYPE_SHIFT_64) - 1)).astype(np.int64),
            "comm": self._comm.of(rows["comm"]),
            "stack_id": stack_ids,
            "pfn": pa.nulls(len(rows), pa.int64()),
            "origin": pa.DictionaryArray.from_arrays(numbers(np.zeros(len(rows), np.int32)), _ORIGIN),
        }
        columns |= {name: rows[name].copy() for name in ("pid", "tgid", "ts_nsec")}
        return record_batch(columns, kept)
