# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that several machines share, found among many hosts."""

from time import process_time

import pandas as pd
import pytest

from spo_trace.fleet.hosts import shared_names

Row = tuple[str | None, str | None, float | None, float | None]

START = pd.Timestamp("2026-01-01", tz="UTC")


def snapshots(rows: list[Row]) -> pd.DataFrame:
    """Return snapshots: host, boot, minutes after START (None: no time), uptime in minutes (None: unknown)."""
    taken = [pd.NaT if minutes is None else START + pd.Timedelta(minutes=minutes) for _, _, minutes, _ in rows]
    frame = pd.DataFrame(
        {
            "host": pd.array([host for host, *_ in rows], pd.StringDtype("python")),
            "boot_id": pd.array([boot for _, boot, *_ in rows], pd.StringDtype("python")),
            "taken_at": pd.Series(pd.DatetimeIndex(taken, tz="UTC")),
            "uptime": [None if uptime is None else uptime * 60 for *_, uptime in rows],
        }
    )
    frame["uptime"] = frame["uptime"].astype("float64")
    return frame.assign(time=frame["taken_at"].fillna(START))


@pytest.mark.parametrize(
    ("rows", "shared"),
    [
        # The second boot began after the first one had ended, or 10 minutes before: clocks differ.
        ([("a", "1", 0, 5), ("a", "1", 60, 65), ("a", "2", 100, 30)], []),
        ([("a", "1", 0, 5), ("a", "1", 60, 65), ("a", "2", 100, 50)], []),
        # It began 11 minutes before.
        ([("a", "1", 0, 5), ("a", "1", 60, 65), ("a", "2", 100, 51)], ["a"]),
        # The same boots on two hosts.
        ([("b", "1", 60, 65), ("c", "2", 100, 90)], []),
        # One boot alone, and boots, times or hosts that are unknown, show nothing.
        ([("a", "1", 0, 5), ("a", "1", 60, 5)], []),
        ([("a", "1", 60, 65), ("a", None, 100, 90)], []),
        ([("a", "1", 60, 65), ("a", "2", None, 90)], []),
        ([(None, "1", 60, 65), (None, "2", 100, 90)], []),
        # An unknown uptime counts as none.
        ([("a", "1", 60, 65), ("a", "2", 100, None)], []),
        # Any two boots that follow each other, and each name once, in order.
        (
            [("z", "1", 60, 65), ("z", "2", 90, 80), ("z", "3", 99, 80), ("d", "1", 60, 1), ("d", "2", 61, 50)],
            ["d", "z"],
        ),
        ([], []),
    ],
)
def test_boots_that_overlap(rows: list[Row], shared: list[str]) -> None:
    assert shared_names(snapshots(rows)) == shared


# Each report asks this first.
def test_many_hosts_take_little_time() -> None:
    rows = snapshots([(f"host{host}", f"{host}-{day}", day * 1440, 60) for host in range(5000) for day in range(2)])
    start = process_time()
    assert shared_names(rows) == []
    # One by one, these hosts took 15 s.
    assert process_time() - start < 2
