# SPDX-License-Identifier: LGPL-2.1-or-later
"""A series of samples: the samples of one watch, a recording, or snapshots of one boot."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from spo_trace.analysis.aggregate_keys import check_answered, has_key, usual_key
from spo_trace.analysis.arguments import path_of
from spo_trace.analysis.diff import sample_seconds, seconds_between
from spo_trace.analysis.keys import FRAME_KEYS, owner_columns, same_key
from spo_trace.analysis.question import Question
from spo_trace.analysis.stack_keys import is_known
from spo_trace.analysis.swap_least import keys_with_least
from spo_trace.collect.temporary import converted
from spo_trace.errors import Call, SpoTraceError, UsageError
from spo_trace.sampling.recording import is_recording, read_recording
from spo_trace.sampling.samples import SERIES_AMOUNTS, Sample, amounts_of, swap_in_all_or_none
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.aggregate_series import aggregates_in
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.other_input import error_for_path
from spo_trace.stacks.frames import function_name
from spo_trace.stacks.meaning import call_site, meaning
from spo_trace.stacks.text import join_frames, split_frames

__all__ = ["Samples", "Series", "is_series", "open_series", "series_of"]

Samples = str | os.PathLike[str] | Sequence["str | os.PathLike[str] | Snapshot"]


class Series(NamedTuple):
    """Samples in long form; `table`: sample, seconds (since the first), the keys, key_known, the amounts in bytes.

    `lacks_stacks`: the samples may lack stacks, because the kernel does not count all of them. `where`: the condition.
    `by_file_times`: the samples have no times, and those of their files are used. `bounded_by`: the keys by which
    reports on the last sample have lower bounds of swap with unknown owners.
    """

    keys: list[str]
    table: pd.DataFrame
    lacks_stacks: bool = False
    where: str | None = None
    by_file_times: bool = False
    bounded_by: Sequence[str] = ()

    @property
    def missing(self) -> int:
        """Return how many samples before the last one are missing."""
        numbers = self.table["sample"]
        return int(numbers.max()) - int(numbers.nunique())


def series_of(samples: Sequence[Sample], keys: list[str]) -> Series:
    """Return samples from `take_samples` in long form; the keys are plain Python values."""
    tables = [s.table.assign(sample=s.number, seconds=s.seconds) for s in samples]
    return Series(keys, _one_after_another(tables, keys))


def open_series(given: Samples, question: Question, *, default_keys: bool = False) -> Series:
    """Open a recording, a directory of snapshots, or snapshots, all of one boot.

    `default_keys`: use the keys of the recording, or stack for snapshots (the usual key if they have no stacks), in
    place of the question's. A recording has only the keys that it was made with; a recording by stack also has symbols,
    caller, callsite, module and category. A condition applies to snapshots only: a recording has no single records.
    """
    if isinstance(given, str | os.PathLike):
        directory = Path(path_of(given, "samples"))
        if directory.is_dir() and is_recording(directory):
            return _recorded(directory, question, default_keys=default_keys)
        snaps = _snapshots_in(directory)
    else:
        snaps = [item if isinstance(item, Snapshot) else _opened(item) for item in given]
    if not snaps:
        raise SpoTraceError("there are no snapshots", hint="a trend needs three or more")
    return _of_snapshots(snaps, question.grouped_by([_default_key(snaps)]) if default_keys else question)


def is_series(path: Path) -> bool:
    """Return whether a path is a directory of samples: a recording, snapshots, or aggregates that are no capture."""
    if not path.is_dir() or (path / "snapshot.json").is_file():
        return False
    if is_recording(path) or any((inside / "snapshot.json").is_file() for inside in path.iterdir()):
        return True
    with suppress(SpoTraceError):
        CaptureSource([path])
        return False
    return bool(aggregates_in(path))


def _default_key(snaps: Sequence[Snapshot]) -> str:
    has_stacks = all(snap.meta.has_owners and has_key(snap, "stack") for snap in snaps)
    return "stack" if has_stacks else usual_key(*snaps)


def _opened(path: str | os.PathLike[str]) -> Snapshot:
    return Snapshot(Path(path)) if (Path(path) / "snapshot.json").is_file() else converted([str(path)])


def _snapshots_in(directory: Path) -> list[Snapshot]:
    if (directory / "snapshot.json").is_file():
        one = ("show its contents: ", Call("attribute", snap=str(directory)))
        raise SpoTraceError(f"{directory} is a single snapshot; a trend needs three or more", hint=one)
    if not directory.is_dir():
        raise error_for_path(str(directory)) or SpoTraceError(
            f"{directory} is not a directory", hint=("make a recording: ", Call("watch", record="DIR"))
        )
    # A command that was killed can leave an incomplete snapshot under a hidden name.
    visible = (path for path in directory.iterdir() if not path.name.startswith("."))
    snapshots = sorted(path for path in visible if (path / "snapshot.json").is_file())
    if not snapshots and (aggregates := aggregates_in(directory)):
        return [converted(paths) for paths in aggregates]
    if not snapshots:
        raise SpoTraceError(
            f"{directory} is not a recording and contains no snapshots",
            hint=(
                *("make a recording: ", Call("watch", record="DIR")),
                *("; or snapshots: ", Call("snapshot", output="DIR/1.spo")),
            ),
        )
    return [Snapshot(path) for path in snapshots]


def _recorded(directory: Path, question: Question, *, default_keys: bool) -> Series:
    if question.condition.text is not None:
        raise UsageError(
            "a recording does not contain the single records that a condition selects",
            hint=("give the condition when recording: ", Call("watch", where="…", record="DIR")),
        )
    meta, table = read_recording(directory)
    keys = meta.by
    wanted = keys if default_keys else question.keys
    for key in wanted:
        table[key] = _recorded_key(directory, keys, table, key)
    if wanted:
        # A recording by several keys may lack only one that is not wanted.
        table[KEY_KNOWN] = table[KEY_KNOWN].astype(bool) | table[wanted].notna().all(axis=1)
    # Categories are in the order of first appearance; results must be sorted by name.
    for key in (key for key in wanted if isinstance(table[key].dtype, pd.CategoricalDtype)):
        table[key] = table[key].cat.set_categories(sorted(table[key].cat.categories))
    owners = owner_columns(wanted)
    groups = table.groupby(["sample", "seconds", *owners], dropna=False, sort=False, observed=True)
    found = swap_in_all_or_none(groups[SERIES_AMOUNTS].sum(min_count=1).reset_index())
    for key in (key for key in ("stack", "symbols") if key in wanted):
        found[key] = _by_category(found[key], split_frames)
    return Series(wanted, found, meta.lacks_stacks, meta.where)


def _recorded_key(directory: Path, keys: list[str], table: pd.DataFrame, key: str) -> pd.Series:
    recorded = same_key(key, keys)
    if recorded is not None:
        return table[recorded]
    if key not in FRAME_KEYS or "stack" not in keys:
        known = dict.fromkeys([*keys, *(FRAME_KEYS if "stack" in keys else ())])
        raise UsageError(f"{directory} was not recorded by {key}", hint=f"choose from {', '.join(known)}")
    return _by_category(table["stack"], lambda text: _of_stack(text, key)).astype("category")


# Apply `function` once to each distinct text, no matter how many samples have it.
def _by_category(texts: pd.Series, function: Callable[[str], object]) -> pd.Series:
    column = texts.astype("category")
    # The code of a missing text is -1.
    values = pd.Series([*(function(text) for text in column.cat.categories), pd.NA], dtype=object)
    return values.take(column.cat.codes.to_numpy()).set_axis(texts.index)


# An unknown stack has no frames, as in attribution.
def _of_stack(text: str, key: str) -> str:
    shown = split_frames(text)
    if key == "symbols":
        return join_frames(map(function_name, shown))
    found = meaning(shown if is_known(shown) else ())
    return call_site(shown, found.caller) if key == "callsite" else str(getattr(found, key))


def _of_snapshots(snaps: list[Snapshot], question: Question) -> Series:
    for snap in snaps:
        check_answered(snap, question)
    timed = sorted(((_seconds(snaps[0], snap), snap) for snap in snaps), key=lambda pair: pair[0])
    if len({seconds for seconds, _ in timed}) < len(timed):
        if snaps[0].meta.modified_at is not None:
            raise SpoTraceError(
                "two of the files have the same modification time, and no time inside", hint="copy them with cp -p"
            )
        raise SpoTraceError("two of the snapshots were taken at the same time", hint="is one a copy of the other?")
    tables = [
        amounts_of(snap, question).assign(sample=number, seconds=seconds - timed[0][0])
        for number, (seconds, snap) in enumerate(timed, 1)
    ]
    by_file_times = any(seconds_between(snaps[0].meta, snap.meta) is None for snap in snaps)
    return Series(
        question.keys,
        _joined(tables, question.keys),
        where=question.condition.text,
        by_file_times=by_file_times,
        bounded_by=keys_with_least(timed[-1][1]),
    )


def _seconds(first: Snapshot, snap: Snapshot) -> float:
    seconds = sample_seconds(first.meta, snap.meta)
    if seconds is None:
        raise SpoTraceError(
            f"{snap.path} and {first.path} are of different boots, or their times are unknown",
            hint=("a trend needs samples of one boot; to compare two boots: ", Call("diff", a="A", b="B")),
        )
    return seconds


# Give each key one type, even if some samples lack it or have gaps in it.
def _joined(tables: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    joined = _one_after_another(tables, keys)
    joined[keys] = joined[keys].convert_dtypes()
    return joined


def _one_after_another(tables: Sequence[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    owners = owner_columns(keys)
    plain = [table.astype(dict.fromkeys(owners, object) | dict.fromkeys(SERIES_AMOUNTS, "Int64")) for table in tables]
    joined = pd.concat(plain, ignore_index=True)[["sample", "seconds", *owners, *SERIES_AMOUNTS]]
    return swap_in_all_or_none(joined)
