# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML report on two snapshots: differential flame graph and growth tables."""

from collections.abc import Collection, Sequence
from typing import TextIO

import pandas as pd

from spo_trace.reporters.cells import STACK_KEYS
from spo_trace.reporters.html.page import facts_list, notes_list, text, tiles, write_page
from spo_trace.reporters.html.rows import Numbers, stack_rows

__all__ = ["render_diff"]

_AMOUNTS = tuple(f"{name}_bytes_{side}" for side in "ab" for name in ("mem", "swap", "swap_cache"))


def render_diff(
    table: pd.DataFrame,
    outfile: TextIO,
    *,
    title: str,
    facts: Sequence[Sequence[tuple[str, object]]],
    notes: Sequence[str],
    seconds: float | None,
    version: str,
    findings: str = "",
    unknown: Collection[str] = (),
) -> None:
    """Write the report on `table`: a difference by stack, category, caller, callsite, module and comm.

    Another of STACK_KEYS may take the place of stack. `facts` on A, B and the comparison, `findings` (HTML) and `notes`
    are at the top. `seconds` between the snapshots, for rates; None unless both are from one boot. `unknown`: those of
    `mem` and `swap` that are left out of the comparison.
    """
    comms = Numbers()
    stack_key = next(key for key in STACK_KEYS if key in table)
    rows = stack_rows(table, stack_key, _AMOUNTS, comms)
    mem, swap, both = (int(table[f"{name}_bytes_delta"].sum()) for name in ("mem", "swap", "total"))
    grown = {
        "change of memory": None if "mem" in unknown else mem,
        "change of swap": None if "swap" in unknown else swap,
    }
    grown |= {} if unknown else {"together": both}
    parts = {
        "title": text(title),
        "version": text(version),
        "facts": "".join(map(facts_list, facts)),
        "notes": findings + notes_list(notes),
        "balance": "",
        "tiles": tiles(grown, signed=True),
    }
    data = {"kind": "diff", "unknown": list(unknown), **rows, "comms": comms.values(), "seconds": seconds}
    write_page(outfile, "diff", parts, data)
