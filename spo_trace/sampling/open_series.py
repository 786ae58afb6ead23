# SPDX-License-Identifier: LGPL-2.1-or-later
"""Open samples that were taken before: a recording of watch, or snapshots of one boot."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.arguments import path_of
from spo_trace.analysis.diff import seconds_between
from spo_trace.analysis.keys import FRAME_KEYS, check_keys, same_key
from spo_trace.analysis.stack_keys import is_known
from spo_trace.errors import Call, SpoTraceError, UsageError
from spo_trace.sampling.recording import is_recording, read_recording
from spo_trace.sampling.samples import SERIES_AMOUNTS, Question, Sample, amounts_of, swap_in_all_or_none
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.other_input import error_for_path
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import call_site, meaning
from spo_trace.stacks.text import join_frames, split_frames

__all__ = ["Samples", "Series", "open_series", "series_of"]

Samples = str | os.PathLike[str] | Sequence["str | os.PathLike[str] | Snapshot"]


class Series(NamedTuple):
    """Hold samples in long form: `table` has sample, seconds (since the first), the keys, mem_, swap_, total_bytes."""

    keys: list[str]
    table: pd.DataFrame


def series_of(samples: Sequence[Sample], keys: list[str]) -> Series:
    """Return samples as they were just taken in long form; the keys are plain Python values."""
    tables = [s.table.assign(sample=s.number, seconds=s.seconds) for s in samples]
    return Series(keys, _one_after_another(tables, keys))


def open_series(given: Samples, by: list[str] | None = None, where: str | None = None) -> Series:
    """Open a recording, a directory of snapshots, or snapshots, all of one boot.

    `by`: the keys, by default those of the recording, else stack. A recording has no other keys, except that one by
    stack also has symbols, caller, callsite, module and category. `where` is for snapshots: a recording's rows are
    chosen when it is made.
    """
    check_keys(by or [])
    if isinstance(given, str | os.PathLike):
        directory = Path(path_of(given, "samples"))
        if directory.is_dir() and is_recording(directory):
            return _recorded(directory, by, where)
        given = _snapshots_in(directory)
    snaps = [item if isinstance(item, Snapshot) else Snapshot(Path(item)) for item in given]
    if not snaps:
        raise SpoTraceError("there are no snapshots", hint="a trend takes three or more")
    return _of_snapshots(snaps, ["stack"] if by is None else by, where)


def _snapshots_in(directory: Path) -> list[Path]:
    if (directory / "snapshot.json").is_file():
        one = ("see what is in it: ", Call("attribute", snap=str(directory)))
        raise SpoTraceError(f"{directory} is one snapshot; a trend takes three or more", hint=one)
    if not directory.is_dir():
        raise error_for_path(str(directory)) or SpoTraceError(
            f"{directory} is not a directory", hint=("make a recording: ", Call("watch", record="DIR"))
        )
    snapshots = sorted(path for path in directory.iterdir() if (path / "snapshot.json").is_file())
    if not snapshots:
        raise SpoTraceError(
            f"{directory} is no recording, and has no snapshots inside",
            hint=(
                *("make a recording: ", Call("watch", record="DIR")),
                *("; or snapshots: ", Call("snapshot", output="DIR/1.spo")),
            ),
        )
    return snapshots


def _recorded(directory: Path, by: list[str] | None, where: str | None) -> Series:
    if where is not None:
        raise UsageError(
            "a recording keeps no rows to choose from",
            hint=("choose when it is made: ", Call("watch", where="…", record="DIR")),
        )
    keys, table = read_recording(directory)
    wanted = keys if by is None else by
    for key in wanted:
        table[key] = _recorded_key(directory, keys, table, key)
    # Categories sort as they stand, and stand as they were met.
    for key in (key for key in wanted if isinstance(table[key].dtype, pd.CategoricalDtype)):
        table[key] = table[key].cat.set_categories(sorted(table[key].cat.categories))
    groups = table.groupby(["sample", "seconds", *wanted], dropna=False, sort=False, observed=True)
    found = swap_in_all_or_none(groups[SERIES_AMOUNTS].sum(min_count=1).reset_index())
    for key in (key for key in ("stack", "symbols") if key in wanted):
        found[key] = _by_category(found[key], split_frames)
    return Series(wanted, found)


def _recorded_key(directory: Path, keys: list[str], table: pd.DataFrame, key: str) -> pd.Series:
    recorded = same_key(key, keys)
    if recorded is not None:
        return table[recorded]
    if key not in FRAME_KEYS or "stack" not in keys:
        known = dict.fromkeys([*keys, *(FRAME_KEYS if "stack" in keys else ())])
        raise UsageError(f"{directory} was not recorded by {key}", hint=f"it tells {', '.join(known)}")
    return _by_category(table["stack"], lambda text: _of_stack(text, key)).astype("category")


# Each text is looked at once, however many samples have it.
def _by_category(texts: pd.Series, function: Callable[[str], object]) -> pd.Series:
    column = texts.astype("category")
    # The code of a missing text is -1.
    values = pd.Series([*(function(text) for text in column.cat.categories), pd.NA], dtype=object)
    return values.take(column.cat.codes.to_numpy()).set_axis(texts.index)


# As attribution has it: a stack that is unknown has no frames.
def _of_stack(text: str, key: str) -> str:
    shown = split_frames(text)
    if key == "symbols":
        return join_frames(map(function_name, shown))
    found = meaning(shown if is_known(shown) else ())
    return call_site(shown, found.caller) if key == "callsite" else str(getattr(found, key))


def _of_snapshots(snaps: list[Snapshot], keys: list[str], where: str | None) -> Series:
    timed = sorted(((_seconds(snaps[0], snap), snap) for snap in snaps), key=lambda pair: pair[0])
    if len({seconds for seconds, _ in timed}) < len(timed):
        raise SpoTraceError("two of the snapshots are of the same moment", hint="is one a copy of another?")
    tables = [
        amounts_of(snap, Question(keys, where)).assign(sample=number, seconds=seconds - timed[0][0])
        for number, (seconds, snap) in enumerate(timed, 1)
    ]
    return Series(keys, _joined(tables, keys))


def _seconds(first: Snapshot, snap: Snapshot) -> float:
    seconds = seconds_between(first.meta, snap.meta)
    if seconds is None:
        raise SpoTraceError(
            f"{snap.path} is not of the boot that {first.path} is of, or does not tell when it was taken",
            hint=("a trend is of one boot; two boots are compared by: ", Call("diff", a="A", b="B")),
        )
    return seconds


# Keys that one sample has in part, or not at all, are of one type in the whole.
def _joined(tables: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    joined = _one_after_another(tables, keys)
    joined[keys] = joined[keys].convert_dtypes()
    return joined


def _one_after_another(tables: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    plain = [table.astype(dict.fromkeys(keys, object) | dict.fromkeys(SERIES_AMOUNTS, "Int64")) for table in tables]
    joined = pd.concat(plain, ignore_index=True)[["sample", "seconds", *keys, *SERIES_AMOUNTS]]
    return swap_in_all_or_none(joined)
