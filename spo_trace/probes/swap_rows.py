# SPDX-License-Identifier: LGPL-2.1-or-later
"""The probes' maps as rows of a snapshot: swap entries with their owners, and pages that came back from swap."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spo_trace import schema
from spo_trace.formats import swp_entry
from spo_trace.formats.arrays import missing_of, names, numbers, record_batch, strings, values_of
from spo_trace.formats.escape import escape
from spo_trace.formats.stack_table import StackTable
from spo_trace.probes.symbolizer import Symbolizer

__all__ = ["OWNER", "RESTORED", "Known", "SwapRows"]

_ROWS = 1 << 16

Array = npt.NDArray[Any]


# struct owner and struct restored of bpf/swap_owner.c.
OWNER = np.dtype(
    [("ts_nsec", "=i8"), ("pfn", "=i8"), ("handle", "=u4"), ("pid", "=i4"), ("tgid", "=i4"), ("comm", "V16"),
     ("since", "=u4")]
)  # fmt: skip
RESTORED = np.dtype([("new_ts_nsec", "=i8"), ("owner", OWNER)])


class Known(Protocol):
    """Describe the part of readings.MapReadings that rows need.

    All keys and all values of a map: `entries` (OWNER), and `restored` (RESTORED) as it was at several times.
    """

    @property
    def entries(self) -> tuple[bytes, bytes]: ...

    @property
    def restored(self) -> Sequence[tuple[bytes, bytes]]: ...

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the addresses of the stack of each stack depot handle."""
        ...


class _Restored(NamedTuple):
    pfns: Array
    values: Array


class SwapRows:
    """Make rows from the maps `known`; symbolize their stacks and intern them in `stacks`."""

    def __init__(self, known: Known, symbols: Symbolizer, stacks: StackTable) -> None:
        self._known = known
        self._symbols = symbols
        self._stacks = stacks
        self._addresses: dict[int, tuple[int, ...]] = {}
        self._stack_ids: dict[int, int] = {}

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `schema.SWAP`, in order of swap entry."""
        entries, owners = _sorted(self._known.entries, OWNER, "=u8")
        for start in range(0, len(entries), _ROWS):
            yield self._batch(entries[start : start + _ROWS], owners[start : start + _ROWS])

    def _batch(self, entries: Array, owners: Array) -> pa.RecordBatch:
        one = swp_entry.encode(1, 0)
        columns = {
            "swp_entry": entries,
            "swap_type": (entries // one).astype("u1"),
            "swap_offset": (entries % one).astype("i8"),
            "origin": names(["bpf"], np.zeros(len(entries))),
            "pfn": _in_range(owners["pfn"]),
            "ts_nsec": _in_range(owners["ts_nsec"]),
            "comm": names(*_comms(owners["comm"])),
            "stack_id": self._ids(owners["handle"]),
            **{name: owners[name] for name in ("pid", "tgid")},
        }
        return record_batch(columns, schema.SWAP)

    def restore(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows of page_owner; pages that came back from swap get the owner that they had before.

        Such a row is `swapped`, as a kernel with the RFC's patches marks it. The owner that page_owner prints, which is
        that of the swap-in, goes to the columns of `schema.KERNEL_OWNER`.
        """
        restored = [_Restored(*_sorted(reading, RESTORED, "=i8")) for reading in self._known.restored]
        for batch in batches:
            yield self._restored_batch(batch, [reading for reading in restored if len(reading.pfns)])

    def _restored_batch(self, batch: pa.RecordBatch, restored: Sequence[_Restored]) -> pa.RecordBatch:
        pfns, times = values_of(batch.column("pfn")), values_of(batch.column("ts_nsec"))
        owners = np.zeros(len(batch), OWNER)
        found = np.zeros(len(batch), np.bool_)
        for reading in restored:
            at = np.minimum(np.searchsorted(reading.pfns, pfns), len(reading.pfns) - 1)
            # A different allocation time means that the page frame held another page.
            known = (reading.pfns[at] == pfns) & (reading.values["new_ts_nsec"][at] == times)
            owners[known] = reading.values["owner"][at[known]]
            found |= known
        return self._continued(batch, found, owners[found]) if found.any() else batch

    def _continued(self, batch: pa.RecordBatch, found: Array, owners: Array) -> pa.RecordBatch:
        columns = {name: batch.column(name) for name in batch.schema.names}
        for name in schema.KERNEL_OWNER.names:
            columns[name] = _only(columns[name.removeprefix("kernel_")], found)
        new = {name: owners[name] for name in ("pid", "tgid", "ts_nsec")}
        new |= {"stack_id": self._ids(owners["handle"]), "swapped": np.ones(len(owners), np.bool_)}
        for name, values in new.items():
            columns[name] = _replaced(columns[name], found, values)
        columns["ts_nsec"] = _in_range(values_of(columns["ts_nsec"]), missing_of(columns["ts_nsec"]))
        columns["comm"] = _renamed(columns["comm"], found, owners["comm"])
        return record_batch(columns, pa.schema([*schema.PAGES, *schema.KERNEL_OWNER]))

    def _ids(self, handles: Array) -> Array:
        different, where = np.unique(handles, return_inverse=True)
        if any(int(handle) not in self._stack_ids for handle in different):
            self._addresses = self._known.stacks()
        return np.array([self._stack_id(int(handle)) for handle in different], "u4")[where]

    def _stack_id(self, handle: int) -> int:
        if handle not in self._stack_ids:
            addresses = self._addresses.get(handle)
            if addresses is None:
                self._stack_ids[handle] = self._stacks.intern_handle(handle)
            else:
                self._stack_ids[handle] = self._stacks.intern(self._symbols.block(addresses))
        return self._stack_ids[handle]


def _sorted(raw: tuple[bytes, bytes], kind: np.dtype[Any], key: str) -> tuple[Array, Array]:
    keys, where = np.unique(np.frombuffer(raw[0], key), return_index=True)
    return keys, np.frombuffer(raw[1], kind)[where]


def _comms(raw: Array) -> tuple[list[str], Array]:
    """Return the distinct names of a column of `char comm[16]`, and the index of each row's name among them."""
    different, where = np.unique(np.ascontiguousarray(raw).view("S16"), return_inverse=True)
    texts = [escape(bytes(name).split(b"\0", 1)[0]) for name in different]
    numbered = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return list(numbered), np.array([numbered[text] for text in texts], np.int32)[where]


# The values of a column where `found`, null elsewhere.
def _only(column: pa.Array, found: Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(_only(column.indices, found), column.dictionary)
    return numbers(values_of(column), missing_of(column) | ~found)


def _replaced(column: pa.Array, found: Array, values: Array) -> pa.Array:
    new = values_of(column).copy()
    new[found] = values
    return numbers(new, missing_of(column) & ~found)


# A number of 64 bits beyond int64, which reads as a negative one here, is no PFN and no time: it is unknown.
def _in_range(values: Array, missing: Array | None = None) -> pa.Array:
    return numbers(values, values < 0 if missing is None else missing | (values < 0))


def _renamed(column: pa.Array, found: Array, raw: Array) -> pa.Array:
    texts, which = _comms(raw)
    numbered = {text: number for number, text in enumerate(column.dictionary.to_pylist())}
    places = np.array([numbered.setdefault(text, len(numbered)) for text in texts], np.int32)
    index = _replaced(column.indices, found, places[which])
    return pa.DictionaryArray.from_arrays(index, strings(list(numbered)))
