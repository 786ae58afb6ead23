# SPDX-License-Identifier: LGPL-2.1-or-later
"""Find host names that more than one machine uses: only one of them would count in a sum."""

from datetime import timedelta

import pandas as pd

__all__ = ["shared_names"]

# Clocks of one machine differ by less before and after a boot.
_CLOCK = timedelta(minutes=10)


def shared_names(rows: pd.DataFrame) -> list[str]:
    """Return the hosts of the catalog (with `time`) that booted before an earlier boot had ended.

    A machine's boots follow each other. A snapshot of another boot, which began before the last snapshot of the boot
    before, is of another machine.
    """
    known = rows[rows["host"].notna() & rows["boot_id"].notna() & rows["taken_at"].notna()]
    first = known["time"] - pd.to_timedelta(known["uptime"].fillna(0), unit="s")
    boots = known.assign(first=first).groupby(["host", "boot_id"], as_index=False)
    spans = boots.agg(first=("first", "min"), last=("time", "max")).sort_values(["host", "last"], kind="stable")
    # The boot before is of the same host, or there is none.
    ended = spans.groupby("host")["last"].shift()
    return list(spans[spans["first"] - ended < -_CLOCK]["host"].astype(str).unique())
