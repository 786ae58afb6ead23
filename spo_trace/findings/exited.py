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

# Processes share page cache, and a slab page has objects of many callers.
_SHARED = ("page cache", "slab")
_OWN = " and ".join(f'category != "{name}"' for name in _SHARED)

# Start times are in 1/USER_HZ, 100 on all architectures of today, and are compared with the clock of ts.
_NSEC_PER_TICK = 10_000_000
# Largest difference between the two clocks. A PID is not reused within this time: all others come first.
_SKEW_NSEC = 5_000_000_000
# Reading /proc takes less than this: a process that allocated earlier and is not listed has exited.
_LISTING_NSEC = 1_000_000_000


def exited(owners: Owners) -> Iterator[Checked]:
    """Find memory of a process that is not in the list of processes, or whose number a later process has."""
    codes = (Code.EXITED,)
    if not owners.snap.meta.machine.processes:
        yield NotChecked(Lack.PROCESSES, codes)
    elif not owners.knows("pages", "comm", "tgid", "ts_nsec"):
        yield NotChecked(Lack.COMM, codes)
    elif owners.snap.meta.aggregate is not None or _listed_at(owners) is None:
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
    return listed - _LISTING_NSEC if listed - newest < _SKEW_NSEC else None


def _exited(owners: Owners) -> Iterator[Checked]:
    until = _until(owners)
    gone = pd.concat([*_gone(owners, "pages", until), *_gone(owners, "swap", until)], ignore_index=True)
    sizes = gone.groupby(["comm", "tgid"])["pages"].sum().reset_index()
    largest = sizes.sort_values("pages", ascending=False, kind="stable").head(1)
    for comm, tgid, pages in largest[["comm", "tgid", "pages"]].itertuples(index=False, name=None):
        if owners.is_large(int(pages) * owners.snap.page_size, Threshold.LEFT_BEHIND):
            yield _finding(owners, str(comm), int(tgid), int(until.get(int(tgid), _listed_at(owners) or 0)))


# PID → time in ns, with a margin for the difference of the clocks: older pages belong to an earlier process with this
# PID.
def _until(owners: Owners) -> dict[int, int]:
    started = owners.snap.meta.machine.processes
    return {pid: ticks * _NSEC_PER_TICK - _SKEW_NSEC for pid, ticks in started.items()}


# The pages of processes that have exited, by comm and tgid, for each part of a table.
def _gone(owners: Owners, table: str, until: dict[int, int]) -> Iterator[pd.DataFrame]:
    own = ~stack_column(owners.snap.stacks, "category").isin(_SHARED).to_numpy(bool)
    columns = ["comm", "tgid", "ts_nsec", "stack_id", *(["order"] if table == "pages" else [])]
    for batch in owners.snap.dataframes(table, columns):
        rows = batch[own[batch["stack_id"].to_numpy("int64")]].dropna(subset=["comm", "tgid", "ts_nsec"])
        tgid, ts = rows["tgid"].astype("int64"), rows["ts_nsec"].astype("int64")
        # A process that is not in the list may have started after it was made.
        limit = tgid.map(until).fillna(_listed_at(owners) or 0)
        pages = 2 ** rows["order"].astype("int64") if table == "pages" else pd.Series(1, index=rows.index)
        found = pd.DataFrame({"comm": rows["comm"], "tgid": tgid, "pages": pages})[(ts < limit) & (tgid > 0)]
        sums = found.groupby(["comm", "tgid"], observed=True)["pages"].sum().reset_index()
        yield sums.astype({"comm": "string"})


# If the number was used again, the condition names the time.
def _finding(owners: Owners, comm: str, tgid: int, until: int) -> Checked:
    where = f"tgid == {tgid} and {_OWN}"
    older = f"{where} and ts_nsec < {until}"
    if int(_total(owners, (), older)["total_bytes"].iloc[0]) < int(_total(owners, (), where)["total_bytes"].iloc[0]):
        where = older
    query = Query(("comm", "tgid"), where)
    found = _total(owners, query.by, where)
    size = int(found[found["comm"] == comm]["total_bytes"].iloc[0])
    category = str(_total(owners, ("category",), where)["category"].iloc[0])
    numbers = {"total": Amount(size, "total_bytes", query, (comm, tgid))}
    names = {"owner": comm, "tgid": str(tgid), "category": category}
    return candidate(Code.EXITED, size, numbers, Query(("comm", "tgid", "category"), where), names)


def _total(owners: Owners, by: tuple[str, ...], where: str) -> pd.DataFrame:
    return attribute(owners.snap, Question.of(by, where))
