# SPDX-License-Identifier: LGPL-2.1-or-later
"""The stacks of a fleet with what their frames mean, which is derived at each reading."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from spo_trace.analysis.stack_keys import without_frames
from spo_trace.analysis.stack_match import STACK_COLUMNS, Match, common_stack
from spo_trace.fleet.catalog import Catalog
from spo_trace.fleet.reading import rows_of
from spo_trace.fleet.root import Root
from spo_trace.formats.stack_table import hash_texts
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import call_site, meaning
from spo_trace.stacks.text import join_frames

__all__ = ["Stacks", "read_stacks"]

_TEXTS = ("id", "stack", "symbols", "caller", "callsite", "module", "category")
_HANDLE = "handle: "


@dataclass(frozen=True)
class Stacks:
    """Hold the stacks as the table `stacks` of the SQL files: `stack` and `symbols` are hashes there.

    `frames`: the frames of each hash of a stack, or of its functions; innermost first.
    """

    table: pa.Table
    frames: Mapping[str, tuple[str, ...]]

    def with_frames(self, hashes: pd.Series) -> pd.Series:
        """Return the tuples of frames for a column of hashes; one that the fleet lacks stays missing."""
        return pd.Series([self.frames.get(one) for one in hashes], index=hashes.index, dtype=object)

    def with_text(self, hashes: pd.Series) -> pd.Series:
        """Return the frames for a column of hashes as text, as a condition compares them."""
        texts = [join_frames(self.frames[one]) if one in self.frames else None for one in hashes]
        return pd.Series(texts, index=hashes.index, dtype="string")

    def with_common(self, shared: Set[str]) -> "Stacks":
        """Return the stacks with the column `common`: the key that depends on the functions that two kernels share."""
        keys = [common_stack(self.frames[id], shared) for id in self.table["id"].to_pylist()]
        hashes = [hash_texts(key) for key in keys]
        table = self.table.append_column(STACK_COLUMNS[Match.COMMON], pa.array(hashes, pa.string()))
        return Stacks(table, {**self.frames, **dict(zip(hashes, keys, strict=True))})


def read_stacks(root: Root, catalog: Catalog) -> Stacks:
    """Read the stacks of a fleet, each once."""
    found: dict[str, Sequence[str]] = {}
    root.expect("stacks", catalog.stacks)
    for name in catalog.stacks:
        for rows in rows_of(root, "stacks", name):
            pairs = zip(rows["stack"].to_pylist(), rows["frames"].to_pylist(), strict=True)
            found.update((id, frames) for id, frames in pairs if hash_texts(frames) == id)
    frames: dict[str, tuple[str, ...]] = {}
    rows = [_row(id, named, frames) for id, named in sorted(found.items())]
    columns = list(zip(*rows, strict=True)) or [()] * len(_TEXTS)
    return Stacks(pa.table([pa.array(column, pa.string()) for column in columns], names=list(_TEXTS)), frames)


def _row(id: str, named: Sequence[str], frames: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    symbols = [function_name(frame) for frame in named]
    hashed = hash_texts(symbols)
    frames[id] = _shown(named)
    frames.setdefault(hashed, _shown(symbols))
    real = () if _is_handle(named) else named
    category, caller, module = meaning(real)
    return id, id, hashed, caller, call_site(real, caller), module, category


def _is_handle(named: Sequence[str]) -> bool:
    return any(frame.startswith(_HANDLE) for frame in named)


def _shown(named: Sequence[str]) -> tuple[str, ...]:
    if named and not _is_handle(named):
        return tuple(named)
    return without_frames(named[0].removeprefix(_HANDLE) if named else None)
