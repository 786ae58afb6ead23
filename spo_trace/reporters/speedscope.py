# SPDX-License-Identifier: LGPL-2.1-or-later
"""speedscope's own JSON (https://www.speedscope.app/file-format-schema.json): profiles of memory, swap and both."""

import json
from collections.abc import Collection, Sequence
from typing import Any, TextIO

import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.frames import frames_of
from spo_trace.reporters.names import name_of

__all__ = ["render_speedscope"]

_PROFILES = {"memory": "mem_bytes", "swap": "swap_bytes", "total": "total_bytes"}


def render_speedscope(table: pd.DataFrame, outfile: TextIO, *, name: str, unknown: Collection[str] = ()) -> None:
    """Write profiles of memory, swap and total in bytes; the comm is the outermost frame of each stack.

    `table`: an attribution by comm, stack and symbols. `name` is the title. If an amount is `unknown` (`mem` or
    `swap`), its profile is left out. The profile of the total, which would equal the other amount, is left out too.
    """
    frames: dict[tuple[str, str | None], int] = {}
    stacks = [
        [frames.setdefault(frame, len(frames)) for frame in _outermost_first(comm, stack, symbols)]
        for comm, stack, symbols in zip(table["comm"], table["stack"], table["symbols"], strict=True)
    ]
    profiles = _PROFILES
    if unknown:
        profiles = {title: column for title, column in _PROFILES.items() if column[:-6] not in {*unknown, "total"}}
    content = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "spo-trace",
        "name": printable(name),
        "activeProfileIndex": len(profiles) - 1,
        "shared": {"frames": [{"name": n} if file is None else {"name": n, "file": file} for n, file in frames]},
        "profiles": [_profile(title, table[column], stacks) for title, column in profiles.items()],
    }
    json.dump(content, outfile, separators=(",", ":"))
    outfile.write("\n")


def _outermost_first(comm: object, stack: Sequence[str], symbols: Sequence[str]) -> list[tuple[str, str | None]]:
    frames = [(printable(frame.function), printable(frame.module)) for frame in frames_of(stack, symbols)]
    return [(printable(name_of(comm)), None), *reversed(frames)]


def _profile(title: str, weights: pd.Series, stacks: list[list[int]]) -> dict[str, Any]:
    kept = [(stack, int(weight)) for stack, weight in zip(stacks, weights.fillna(0), strict=True) if weight]
    return {
        "type": "sampled",
        "name": title,
        "unit": "bytes",
        "startValue": 0,
        "endValue": sum(weight for _, weight in kept),
        "samples": [stack for stack, _ in kept],
        "weights": [weight for _, weight in kept],
    }
