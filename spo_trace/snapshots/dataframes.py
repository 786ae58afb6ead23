# SPDX-License-Identifier: LGPL-2.1-or-later
"""Convert Arrow tables to pandas DataFrames without loss of precision."""

import pandas as pd
import pyarrow as pa

__all__ = ["to_frame", "unknown_numbers"]

# Nullable integers: pandas would use float64 for columns with nulls, which cannot hold a swp_entry or a PFN exactly.
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
    """Return `table` as a DataFrame; the memory of the table is freed.

    The types are those of the Arrow columns. Pandas metadata is ignored: its types depend on the release of pandas.
    """
    frame: pd.DataFrame = table.to_pandas(
        types_mapper=_EXACT.get, ignore_metadata=True, split_blocks=True, self_destruct=True
    )
    return frame


def unknown_numbers(rows: pd.DataFrame) -> pd.Series:
    """Return a column of whole numbers for `rows`, all of them missing (NA)."""
    return pd.Series(pd.NA, index=rows.index, dtype="Int64")
