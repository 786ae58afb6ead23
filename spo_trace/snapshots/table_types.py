# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which Arrow types may stand for those of schema.py, and their conversion: other tools write text in other forms."""

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.limits import MAX_TABLE_BYTES
from spo_trace.snapshots.damage import Damage

__all__ = ["converted", "equivalent", "is_text", "text_paths"]


def equivalent(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether `found` holds the same values as `wanted`: equal types, texts, lists of texts, or integers."""
    if found == wanted or (is_text(found) and is_text(wanted)):
        return True
    # Up to schema version 6, PFNs and times were unsigned.
    if pa.types.is_uint64(found) and pa.types.is_int64(wanted):
        return True
    return _is_list(found) and _is_list(wanted) and is_text(found.value_type) and is_text(wanted.value_type)


def text_paths(footer: pq.FileMetaData) -> list[str]:
    """Return the paths of a file's columns of text, for `read_dictionary`.

    A text that is in the file once, and is the value of many rows, then is in memory once.
    """
    columns = (footer.schema.column(number) for number in range(footer.num_columns))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def converted(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Return `column` as `wanted`, which is `equivalent`.

    Raise Damage if plain texts would take too much memory, and pa.ArrowInvalid if a number does not fit.
    """
    if column.type == wanted:
        return column
    if pa.types.is_string(wanted) or _is_list(wanted):
        size = sum(map(_text_bytes, column.chunks))
        if size > MAX_TABLE_BYTES:
            raise Damage(f"its texts take {size:,} bytes")
    return column.cast(wanted)


def _text_bytes(texts: pa.Array) -> int:
    if _is_list(texts.type):
        texts = texts.flatten()
    if not pa.types.is_dictionary(texts.type):
        return int(texts.nbytes)
    # Not imported above, so that `snapshot`, which reads no rows, starts faster.
    import pyarrow.compute as pc

    lengths = pc.binary_length(texts.dictionary)
    return int(pc.sum(lengths.cast(pa.int64()).take(texts.indices)).as_py() or 0)


def is_text(found: pa.DataType) -> bool:
    """Return whether a column of this type contains texts, which may be in a dictionary."""
    if pa.types.is_dictionary(found):
        return is_text(found.value_type)
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found))


def _is_list(found: pa.DataType) -> bool:
    return bool(pa.types.is_list(found) or pa.types.is_large_list(found))
