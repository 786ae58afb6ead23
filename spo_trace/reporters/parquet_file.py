# SPDX-License-Identifier: LGPL-2.1-or-later
"""One Parquet file, for DuckDB, Polars, Spark and similar tools."""

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.pandas_metadata import for_pandas
from spo_trace.printable import printable

__all__ = ["render_parquet"]


def render_parquet(tables: Iterable[pa.Table], schema: pa.Schema, outfile: BinaryIO) -> None:
    """Write `tables`, all with `schema`, to one file, each as a row group."""
    with pq.ParquetWriter(outfile, for_pandas(schema), compression="zstd") as writer:
        for table in tables:
            writer.write_table(_printable(table))


# Programs print what they read. Each distinct text is looked at once.
def _printable(table: pa.Table) -> pa.Table:
    for number, name in enumerate(table.column_names):
        if not pa.types.is_string(table.schema.field(name).type):
            continue
        distinct = table.column(name).combine_chunks().dictionary_encode()
        texts = [text if text is None else printable(text) for text in distinct.dictionary.to_pylist()]
        if texts != distinct.dictionary.to_pylist():
            column = pa.DictionaryArray.from_arrays(distinct.indices, pa.array(texts, pa.string()))
            table = table.set_column(number, table.schema.field(name), column.cast(pa.string()))
    return table
