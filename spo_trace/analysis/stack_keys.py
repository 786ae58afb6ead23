# SPDX-License-Identifier: LGPL-2.1-or-later
"""Columns that a row has through its stack: the stack's text, its symbols, caller, module and category."""

import pandas as pd

from spo_trace.analysis.stacks import function_name

__all__ = ["stack_column"]


def stack_column(stacks: pd.DataFrame, key: str) -> pd.Series:
    """Return `key` of every stack, by stack_id; `stack` and `symbols` are the frames joined by ";", innermost first."""
    if key not in ("stack", "symbols"):
        return stacks[key]
    return pd.Series(
        [_text(frames, handle, key) for frames, handle in zip(stacks["frames"], stacks["handle"], strict=True)],
        dtype="str",
    )


def _text(frames: list[str], handle: object, key: str) -> str:
    if len(frames) == 0:
        return "(no stack)" if pd.isna(handle) else f"(handle {handle})"  # type: ignore[call-overload]
    return ";".join(map(function_name, frames) if key == "symbols" else frames)
