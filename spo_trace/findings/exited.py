# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rule on memory of processes that have exited."""

from collections.abc import Iterator

import pandas as pd

from spo_trace.analysis.attribution import attribute
from spo_trace.analysis.question import Question
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.findings.candidate import Checked, candidate
from spo_trace.findings.codes import Code, Lack
from spo_trace.findings.finding import Amount, NotChecked, Query
from spo_trace.findings.owners import Owners
from spo_trace.findings.thresholds import Threshold

__all__ = ["exited"]

# Page cache is for everybody, and a slab page has objects of many callers.
_SHARED = ("page cache", "slab")
_OWN = " and ".join(f'category != "{name}"' for name in _SHARED)

# Start times are in 1/USER_HZ, 100 on all architectures of today, and are compared with the clock of ts.
_NSEC_PER_TICK = 10_000_000
_MARGIN_NSEC = 1_000_000_000


def exited(owners: Owners) -> Iterator[Checked]:
    """Find memory of a process that is not in the list of processes, or whose number a later process has."""
    codes = (Code.EXITED,)
    if not owners.snap.meta.machine.processes:
        yield NotChecked(Lack.PROCESSES, codes)
    elif not owners.knows("pages", "comm", "tgid", "ts_nsec"):
        yield NotChecked(Lack.COMM, codes)
    elif _listed_at(owners) is None:
        yield NotChecked(Lack.CLOCK, codes)
    else:
        yield from _exited(owners)


# The clock of ts stops during suspend, that of start times and /proc/uptime does not. The reader itself allocates while
# it reads, so that the newest page is from then.
def _listed_at(owners: Owners) -> int | None:
    meta = owners.snap.meta
    newest = meta.page_owner.newest_ts_nsec if meta.page_owner else None
    if newest is None or meta.machine.uptime_start is None:
        return None
    listed = int(meta.machine.uptime_start * 1e9)
    return listed - _MARGIN_NSEC if listed - newest < 2 * _MARGIN_NSEC else None


def _exited(owners: Owners) -> Iterator[Checked]:
    rows = pd.concat([_records(owners, "pages"), _records(owners, "swap")], ignore_index=True)
    until = rows["tgid"].map(_lived_until(owners))
    # A process that is not in the list may have started after it was made.
    until = until.fillna(_listed_at(owners) or 0)
    gone = rows[(rows["ts_nsec"] < until) & (rows["tgid"] > 0)]
    sizes = gone.groupby(["comm", "tgid"], observed=True)["pages"].sum().sort_values(ascending=False, kind="stable")
    for (comm, tgid), pages in sizes.head(1).items():
        if owners.is_large(int(pages) * owners.snap.page_size, Threshold.LEFT_BEHIND):
            yield _finding(owners, str(comm), int(tgid), rows, int(until[rows["tgid"] == tgid].iloc[0]))


# The pages of a running process are as old as it is at most. Older ones belong to another that had its number.
def _lived_until(owners: Owners) -> dict[int, int]:
    started = owners.snap.meta.machine.processes
    return {pid: ticks * _NSEC_PER_TICK - _MARGIN_NSEC for pid, ticks in started.items()}


def _records(owners: Owners, table: str) -> pd.DataFrame:
    category = stack_column(owners.snap.stacks, "category")
    own = ~category.isin(_SHARED).to_numpy(bool)
    columns = ["comm", "tgid", "ts_nsec", "stack_id", *(["order"] if table == "pages" else [])]
    parts = []
    for batch in owners.snap.dataframes(table, columns):
        kept = batch[own[batch["stack_id"].to_numpy("int64")]].dropna(subset=["comm", "tgid", "ts_nsec"])
        pages = 2 ** kept["order"].astype("int64") if table == "pages" else 1
        small = kept[["tgid", "ts_nsec"]].astype("int64")
        parts.append(small.assign(comm=kept["comm"].astype("string"), pages=pages))
    return pd.concat(parts, ignore_index=True)


def _finding(owners: Owners, comm: str, tgid: int, rows: pd.DataFrame, until: int) -> Checked:
    where = f"tgid == {tgid} and {_OWN}"
    if (rows["ts_nsec"][rows["tgid"] == tgid] >= until).any():
        where += f" and ts_nsec < {until}"
    query = Query(("comm", "tgid"), where)
    found = attribute(owners.snap, Question.of(query.by, where))
    size = int(found[found["comm"] == comm]["total_bytes"].iloc[0])
    categories = attribute(owners.snap, Question.of(["category"], where))
    names = {"owner": comm, "tgid": str(tgid), "category": str(categories["category"].iloc[0])}
    numbers = {"total": Amount(size, "total_bytes", query, (comm, tgid))}
    return candidate(Code.EXITED, size, numbers, Query(("comm", "tgid", "category"), where), names)
