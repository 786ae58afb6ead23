# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arrow arrays built from buffers.

pyarrow.array() would import pandas: about 0.15 s, and 40 MB on the machine whose memory is measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["array_of", "base_pages", "missing_of", "names", "numbers", "record_batch", "strings", "values_of"]

Values = npt.NDArray[Any]

_LARGEST_OFFSET = 2**31 - 1


def numbers(values: Values, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return integers or booleans as an array of their own type, null where they are `missing`.

    Contiguous values are not copied: they must not change afterwards.
    """
    kind = pa.from_numpy_dtype(values.dtype)
    data = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [_validity(missing), pa.py_buffer(data)])


def names(texts: Sequence[str], index: Values, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return a dictionary array of `texts` with these indices, null where they are `missing`."""
    return pa.DictionaryArray.from_arrays(numbers(index.astype(np.int32), missing), strings(texts))


def values_of(array: pa.Array) -> Values:
    """Return the integers or booleans of an array, 0 where they are null; without a copy if possible."""
    _, data = array.buffers()
    dtype = _dtype_of(array.type)
    if dtype == np.bool_:
        return _bits(data, array) & ~missing_of(array)
    values = np.frombuffer(data, dtype, len(array), array.offset * dtype.itemsize)
    return values * ~missing_of(array) if array.null_count else values


def base_pages(orders: Values) -> int:
    """Return the base pages of allocations of these orders: the sum of 2**order."""
    return sum(int(number) << order for order, number in enumerate(np.bincount(orders)))


# to_pandas_dtype() of pyarrow 18 imports pandas.
def _dtype_of(kind: pa.DataType) -> np.dtype[Any]:
    """Return the numpy type of integers or booleans: pyarrow uses the same name."""
    return np.dtype(str(kind))


def missing_of(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Return a mask of the nulls of an array."""
    validity = array.buffers()[0]
    return np.zeros(len(array), np.bool_) if validity is None or not array.null_count else ~_bits(validity, array)


def _bits(data: pa.Buffer, array: pa.Array) -> npt.NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)].astype(np.bool_)


def strings(values: Sequence[str | None]) -> pa.Array:
    """Return texts as an array, None as null."""
    texts = [b"" if value is None else value.encode() for value in values]
    missing = np.fromiter((value is None for value in values), np.bool_, len(values))
    buffers = [_validity(missing), pa.py_buffer(_offsets(texts)), pa.py_buffer(b"".join(texts))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def array_of(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """Return Python values as an array of a snapshot column's type, None as null."""
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(numbers(_offsets(values)), strings(list(chain.from_iterable(values))))
    if pa.types.is_dictionary(kind):
        return strings(values).dictionary_encode()
    if pa.types.is_string(kind):
        return strings(values)
    dtype = _dtype_of(kind)
    missing = np.fromiter((value is None for value in values), np.bool_, len(values))
    return numbers(np.array([0 if value is None else value for value in values], dtype), missing)


def record_batch(columns: Mapping[str, pa.Array | Values], schema: pa.Schema) -> pa.RecordBatch:
    """Return a record batch of arrays by column name."""
    arrays = [columns[field.name] for field in schema]
    return pa.RecordBatch.from_arrays([a if isinstance(a, pa.Array) else numbers(a) for a in arrays], schema=schema)


def _validity(missing: npt.NDArray[np.bool_] | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def _offsets(values: Iterable[Sequence[Any]]) -> npt.NDArray[np.int32]:
    ends = np.cumsum([0, *map(len, values)])
    if ends[-1] > _LARGEST_OFFSET:
        raise MemoryError("more than 2 GiB of names")
    return ends.astype(np.int32)
