# SPDX-License-Identifier: LGPL-2.1-or-later
"""Arrow tables as pandas DataFrames, their numbers exact."""

import pandas as pd
import pyarrow as pa

__all__ = ["to_frame", "unknown_numbers"]

# Whole numbers stay whole numbers where a column has nulls: a float64 holds neither a swp_entry nor a PFN exactly.
_EXACT = {
    pa.uint8(): pd.UInt8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return `table` as a DataFrame; the table's own memory is let go.

    Types are those of `table`, not those of the DataFrame that it was once made of: pandas' releases differ in them.
    """
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=_EXACT.get, ignore_metadata=True, split_blocks=True, self_destruct=True
    )
    return frame


def unknown_numbers(rows: pd.DataFrame) -> pd.Series:
    """Return a column of whole numbers for `rows`, all of them missing (NA)."""
    return pd.Series(pd.NA, index=rows.index, dtype="Int64")
