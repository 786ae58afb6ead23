# SPDX-License-Identifier: LGPL-2.1-or-later
"""The balance as text: a sum with notes and a verdict for each section."""

from collections.abc import Hashable
from typing import Any, TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.format import format_share, format_size

__all__ = ["SIGN", "render_balance"]

# The sign of each kind of line in the sum.
SIGN = {"machine": " ", "listed": "−", "difference": "=", "explains": "−", "bound": "−", "rest": "=", "aside": " "}


def render_balance(table: pd.DataFrame, outfile: TextIO) -> None:
    """Write `table` (of `analysis.verdicts.verified`), one block per section."""
    width = max(len(item) for item in table["item"])
    for number, (section, rows) in enumerate(table.groupby("section", sort=False)):
        outfile.write(f"{'' if number == 0 else chr(10)}{printable(str(section))}\n")
        for row in rows.to_dict("records"):
            outfile.write(printable(_verdict(row) if row["kind"] == "verdict" else _line(row, width)) + "\n")


def _verdict(row: dict[Hashable, Any]) -> str:
    return f"    {row['verdict']}: {row['note']}"


def _line(row: dict[Hashable, Any], width: int) -> str:
    amount = f"{row['pages']:>11,} {'page ' if row['pages'] == 1 else 'pages'} {format_size(row['bytes']):>12}"
    share = f"  {format_share(row['share'])}" if row["kind"] == "rest" else ""
    note = f"  {row['note']}" if row["note"] else ""
    return f"  {SIGN[row['kind']]} {row['item']:<{width}} {amount}{share}{note}"
