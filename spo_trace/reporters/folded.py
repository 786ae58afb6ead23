# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folded stacks: the input of flamegraph.pl, inferno, speedscope and similar tools."""

from typing import TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.names import name_of
from spo_trace.stacks.text import join_frames

__all__ = ["render_folded"]


def render_folded(table: pd.DataFrame, outfile: TextIO, *, weight: str = "total_bytes") -> None:
    """Write a line per comm and stack, outermost frame first, then the column `weight`.

    `table`: an attribution by comm and stack. Rows with 0 or an unknown amount are left out. A semicolon inside a frame
    or a comm becomes a colon, as the format cannot escape its separator.
    """
    for comm, stack, value in zip(table["comm"], table["stack"], table[weight].fillna(0), strict=True):
        if value:
            line = join_frames(frame.replace(";", ":") for frame in (name_of(comm), *reversed(stack)))
            outfile.write(f"{printable(line)} {value}\n")
