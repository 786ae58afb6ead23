# SPDX-License-Identifier: LGPL-2.1-or-later
"""Folded stacks: the input of flamegraph.pl, inferno, speedscope and their like."""

from typing import TextIO

import pandas as pd

from spo_trace.reporters.frames import name_of

__all__ = ["render_folded"]


def render_folded(table: pd.DataFrame, outfile: TextIO, *, weight: str = "total_bytes") -> None:
    """Write a line for each comm and stack, outermost frame first, then the column `weight`; rows of 0 are left out.

    `table`: an attribution by comm and stack.
    """
    for comm, stack, value in zip(table["comm"], table["stack"], table[weight], strict=True):
        if value:
            frames = reversed(stack.split(";"))
            # A semicolon separates frames, so a comm's own becomes a colon.
            outfile.write(f"{name_of(comm).replace(';', ':')};{';'.join(frames)} {value}\n")
