# SPDX-License-Identifier: LGPL-2.1-or-later
"""Comma-separated values, with the API's column names and plain numbers."""

from collections.abc import Iterable
from typing import TextIO

import pandas as pd

from spo_trace.reporters.frames import text_of

__all__ = ["render_csv"]


def render_csv(tables: Iterable[pd.DataFrame], outfile: TextIO, *, header: bool = True) -> None:
    """Write the rows of all `tables` (of the same columns), under a header line if asked; missing values are empty."""
    for number, table in enumerate(tables):
        frames = [name for name in ("stack", "symbols") if name in table]
        table = table.assign(**{name: table[name].map(text_of) for name in frames})
        table.to_csv(outfile, index=False, header=header and number == 0, lineterminator="\n")
