# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys of a row's stack: frames, symbols, caller, call site, module, category, hashes."""

from collections.abc import Sequence

import pandas as pd

from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import call_site
from spo_trace.stacks.text import join_frames

__all__ = ["NO_STACK", "is_known", "known_frames", "stack_column", "stack_text", "without_frames"]

NO_STACK = "(no stack)"
_HANDLE = "(handle "


def stack_column(stacks: pd.DataFrame, key: str) -> pd.Series:
    """Return `key` of every stack, by stack_id; `stack` and `symbols` are tuples of frames, innermost first.

    A stack without frames becomes one frame in parentheses: `(no stack)` or `(handle N)`.
    """
    if key in ("stack", "symbols"):
        rows = zip(stacks["frames"], stacks["handle"], strict=True)
        return pd.Series([_frames(frames, handle, key) for frames, handle in rows], dtype=object)
    if key == "callsite":
        rows = zip(stacks["frames"], stacks["caller"], strict=True)
        return pd.Series([call_site(frames, caller) for frames, caller in rows], dtype="str")
    return stacks[key]


def stack_text(stacks: pd.DataFrame, key: str) -> pd.Series:
    """Return `stack_column` with frames as text, joined by `join_frames`."""
    column = stack_column(stacks, key)
    return pd.Series([join_frames(frames) for frames in column], dtype="str") if _is_frames(key) else column


def known_frames(column: pd.Series) -> pd.Series:
    """Return the key `stack` of rows, with the frame `(no stack)` where the stack is unknown."""
    return column.map(lambda frames: frames if isinstance(frames, tuple) else (NO_STACK,))


def without_frames(handle: object) -> tuple[str]:
    """Return what stands for the frames of a stack that has none: its handle, unless that is null."""
    return (NO_STACK if pd.isna(handle) else f"{_HANDLE}{handle})",)  # type: ignore[call-overload]


def is_known(frames: Sequence[str]) -> bool:
    """Return whether a value of the key `stack` has real frames."""
    return len(frames) > 1 or not (frames[0] == NO_STACK or frames[0].startswith(_HANDLE))


def _is_frames(key: str) -> bool:
    return key in ("stack", "symbols")


def _frames(frames: Sequence[str], handle: object, key: str) -> tuple[str, ...]:
    if len(frames) == 0:
        return without_frames(handle)
    return tuple(map(function_name, frames) if key == "symbols" else frames)
