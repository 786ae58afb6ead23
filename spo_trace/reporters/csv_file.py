# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comma-separated values, with the API's column names and plain numbers."""

from collections.abc import Iterable
from typing import TextIO

import pandas as pd

__all__ = ["render_csv"]


def render_csv(tables: Iterable[pd.DataFrame], outfile: TextIO) -> None:
    """Write the rows of all `tables` (of the same columns) under one header line; missing values are empty."""
    for number, table in enumerate(tables):
        table.to_csv(outfile, index=False, header=number == 0, lineterminator="\n")
