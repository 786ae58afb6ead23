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
    found = []
    for host, own in known.sort_values("time").groupby("host"):
        if own["boot_id"].nunique() > 1 and _overlap(own):
            found.append(str(host))
    return found


def _overlap(own: pd.DataFrame) -> bool:
    first = own["time"] - pd.to_timedelta(own["uptime"].fillna(0), unit="s")
    boots = pd.DataFrame({"boot": own["boot_id"], "first": first, "last": own["time"]})
    spans = boots.groupby("boot").agg(first=("first", "min"), last=("last", "max")).sort_values("last")
    return any(first - last < -_CLOCK for last, first in zip(spans["last"], spans["first"].shift(-1), strict=True))
