# SPDX-License-Identifier: LGPL-2.1-or-later
"""One Parquet file, for DuckDB, Polars, Spark and similar tools."""

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.schema import for_pandas

__all__ = ["render_parquet"]


def render_parquet(tables: Iterable[pa.Table], schema: pa.Schema, outfile: BinaryIO) -> None:
    """Write `tables`, all with `schema`, to one file, each as a row group."""
    with pq.ParquetWriter(outfile, for_pandas(schema), compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
