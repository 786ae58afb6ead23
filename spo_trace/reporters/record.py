# SPDX-License-Identifier: LGPL-2.1-or-later
"""One record as text: a line for each value, and one for each frame of its stacks."""

from typing import TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.format import format_size
from spo_trace.reporters.names import shown_key
from spo_trace.stacks.text import split_frames

__all__ = ["render_record"]

_STACKS = ("stack", "kernel_stack")
_PFNS = ("pfn", "head_pfn")


def render_record(table: pd.DataFrame, outfile: TextIO) -> None:
    """Write the one row of `table`, the result of `analysis.page_record`; values that are missing are left out."""
    values = {str(name): table[name].iloc[0] for name in table.columns}
    values = {name: value for name, value in values.items() if not pd.isna(value)}
    width = max(map(len, values))
    for name, value in values.items():
        if name not in _STACKS:
            outfile.write(f"{name:<{width}}  {printable(_text(name, value, values))}\n")
    for name in _STACKS:
        if name in values:
            outfile.write(f"{name}\n" + "".join(f"    {printable(frame)}\n" for frame in split_frames(values[name])))


def _text(name: str, value: object, values: dict[str, object]) -> str:
    if name in _PFNS:
        inside = int(values["pfn"]) - int(value)  # type: ignore[call-overload]
        place = f", page {inside:,} of the allocation" if name == "head_pfn" and inside else ""
        return f"{value:#x} ({value}){place}"
    if name == "gfp_mask":
        return f"{value:#x}"
    return format_size(int(value)) if name == "bytes" else shown_key(value, known=True)  # type: ignore[call-overload]
