# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics of a snapshot: memory and swap by owner in a bounded number of series, and facts about the snapshot."""

from collections.abc import Iterator

import pandas as pd

from spo_trace.analysis.aggregate_keys import has_key
from spo_trace.analysis.attribution import attribute, record_columns
from spo_trace.analysis.question import Question
from spo_trace.analysis.swap_least import SWAP_LEAST, attribute_with_least
from spo_trace.formats.reasons import Reason
from spo_trace.reporters.moment import seconds_since_1970
from spo_trace.reporters.openmetrics import REST, UNKNOWN_LABEL, Metric, Sample, label_of
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.in_memory import in_memory
from spo_trace.snapshots.meta import Meta
from spo_trace.snapshots.reader import Snapshot
from spo_trace.version import __version__

__all__ = ["METRIC_KEYS", "metric_columns", "snapshot_metrics"]

METRIC_KEYS = ("comm", "memcg", "category", "module")

_PREFIX = "spo_trace"

# Amounts whose names in metrics differ from those of columns.
_TITLES = {"mem": "memory"}

_MEMORY = "Memory that page_owner lists, in bytes"
_SWAP = "Swap, in bytes; absent where its owners are unknown"
_LEAST = "Lower bound of swap with unknown owners, in bytes; the same swap may be counted for several owners"


def metric_columns(table: str = "pages") -> list[str]:
    """Return the columns of `table` (`pages` or `swap`) that the metrics are made of."""
    return sorted({column for question in _questions() for column in record_columns(question, table)})


def snapshot_metrics(snap: Snapshot, top: int) -> list[Metric]:
    """Return the metrics of a snapshot.

    For each key of METRIC_KEYS that the snapshot has: the `top` owners with the largest total, the row whose key is
    unknown, and one series for the rest. The sums are those of `attribute`. An unknown amount has no sample.
    Raise SpoTraceError if the snapshot has no owners.
    """
    held = in_memory(snap, {table: metric_columns(table) for table in _tables(snap)})
    found = [*_totals(held)]
    for key in METRIC_KEYS:
        if has_key(held, key):
            found += _by_key(held, key, top)
    return [*found, *_facts(held)]


def _questions() -> list[Question]:
    return [Question.of([]), *(Question.of([key]) for key in METRIC_KEYS)]


# An aggregate has rows of its own in place of pages.
def _tables(snap: Snapshot) -> list[str]:
    if snap.meta.aggregate is not None:
        return []
    return [table for table, name in (("pages", "mem"), ("swap", "swap")) if name not in snap.meta.unknown_amounts]


def _totals(snap: Snapshot) -> Iterator[Metric]:
    row = attribute(snap, Question.of([])).iloc[0]
    cached = "Memory that also has a copy in swap, in bytes"
    for name, meaning in (("mem", _MEMORY), ("swap", _SWAP), ("swap_cache", cached)):
        amount = row[f"{name}_bytes"]
        yield _single(f"{_TITLES.get(name, name)}_bytes", meaning, None if pd.isna(amount) else int(amount))


def _by_key(snap: Snapshot, key: str, top: int) -> Iterator[Metric]:
    table = attribute_with_least(snap, Question.of([key]))
    labels = [label_of(value, known=bool(known)) for value, known in zip(table[key], table[KEY_KNOWN], strict=True)]
    own = set([label for label in dict.fromkeys(labels) if label != UNKNOWN_LABEL][:top]) | {UNKNOWN_LABEL}
    grouped = [label if label in own else REST for label in labels]
    for name, meaning in (("mem", _MEMORY), ("swap", _SWAP)):
        yield _labelled(
            f"{key}_{_TITLES.get(name, name)}_bytes", f"{meaning}, by {key}", key, grouped, table[f"{name}_bytes"]
        )
    if SWAP_LEAST in table:
        bounds = table[SWAP_LEAST].where(pd.Series(grouped) != REST)
        yield _labelled(f"{key}_swap_least_bytes", f"{_LEAST}, by {key}", key, grouped, bounds)


# Two names can have one label, if a snapshot has a name that spo-trace does not write. A metric must not repeat labels.
def _labelled(name: str, meaning: str, key: str, labels: list[str], amounts: pd.Series) -> Metric:
    sums = amounts.astype("Int64").groupby(labels, sort=False).sum(min_count=1).dropna()
    samples = [Sample({key: str(label)}, int(amount)) for label, amount in sums.items()]
    return Metric(f"{_PREFIX}_{name}", "bytes", meaning, samples)


def _facts(snap: Snapshot) -> Iterator[Metric]:
    meta = snap.meta
    origin = meta.swap_owner.origin
    labels = {
        "version": __version__,
        "kernel": label_of(meta.machine.kernel_release, known=False),
        "method": str(meta.method or UNKNOWN_LABEL),
        "swap_owners": UNKNOWN_LABEL if origin is None else str(origin),
    }
    meaning = "How the owners were read; the value is 1"
    yield Metric(f"{_PREFIX}_snapshot_info", "", meaning, [Sample(labels, 1)])
    cut_off = _cut_off(meta)
    # How many records the rest would have is unknown.
    lost = None if cut_off else sum(one.malformed + sum(one.skipped.values()) for one in meta.files.values())
    absent = "absent if a file was cut off"
    yield _single("lost_records", f"Records that could not be read or parsed; {absent}", lost, unit="")
    yield _single("cut_off_files", "Files of which only the beginning was read", cut_off, unit="")
    used = meta.machine.swap_used if meta.machine.swaps else None
    yield _single("swap_used_bytes", "Swap in use (/proc/swaps), in bytes", used)
    taken = seconds_since_1970(meta.machine.taken_at)
    yield _single("taken_timestamp_seconds", "When the machine was read, in seconds since 1970", taken, unit="seconds")
    if (cost := meta.cost) is not None:
        yield _single("read_seconds", "How long reading the machine took", cost.seconds, unit="seconds")
        cpu = "Processor time that reading the machine took"
        yield _single("read_cpu_seconds", cpu, cost.cpu_seconds, unit="seconds")


# An archive that is cut off counts as a file.
def _cut_off(meta: Meta) -> int:
    files = [one for one in meta.files.values() if one.problem or Reason.CUT_OFF in one.reasons]
    return len(files) + (meta.source.cut_off is not None)


def _single(name: str, meaning: str, value: float | None, *, unit: str = "bytes") -> Metric:
    samples = [] if value is None else [Sample({}, value)]
    return Metric(f"{_PREFIX}_{name}", unit, meaning, samples)
