# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metadata of Parquet files that pandas reads."""

import json

import pyarrow as pa

__all__ = ["for_pandas"]

# pandas' names of its nullable types.
_PANDAS_TYPES = {
    **{getattr(pa, f"uint{bits}")(): f"UInt{bits}" for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"int{bits}")(): f"Int{bits}" for bits in (8, 16, 32, 64)},
    pa.bool_(): "boolean",
}


def for_pandas(table: pa.Schema) -> pa.Schema:
    """Return `table` with metadata that makes pandas.read_parquet use integers in columns with nulls.

    By default it uses float64 for such columns, which rounds beyond 2**53. Other readers ignore the metadata.
    """
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": str(field.type),
            "numpy_type": name,
            "metadata": None,
        }
        for field in table
        if (name := _PANDAS_TYPES.get(field.type))
    ]
    metadata = {"index_columns": [], "column_indexes": [], "columns": columns, "pandas_version": "2.2.0"}
    return table.with_metadata({"pandas": json.dumps(metadata)})
