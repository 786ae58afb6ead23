# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace: who owns this Linux machine's memory, including the part that is in swap.

>>> import spo_trace as spo                                      # doctest: +SKIP
>>> snap = spo.snapshot("now.spo", from_="capture.tar.gz")       # doctest: +SKIP
>>> spo.attribute(snap, by=["comm"])                             # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

from spo_trace.errors import SpoTraceError
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace.analysis.ages import ages
    from spo_trace.analysis.attribution import attribute
    from spo_trace.analysis.balance import balance
    from spo_trace.analysis.changes import changes
    from spo_trace.analysis.diff import diff
    from spo_trace.analysis.verdicts import verdicts
    from spo_trace.api import open, snapshot
    from spo_trace.exporting import export, export_diff
    from spo_trace.sampling.api import series, trend, watch
    from spo_trace.sampling.samples import Sample
    from spo_trace.snapshots.reader import Snapshot

__all__ = [
    "Sample",
    "Snapshot",
    "SpoTraceError",
    "__version__",
    "ages",
    "attribute",
    "balance",
    "changes",
    "diff",
    "export",
    "export_diff",
    "open",
    "series",
    "snapshot",
    "trend",
    "verdicts",
    "watch",
]

_HOMES = {
    "Sample": "sampling.samples",
    "Snapshot": "snapshots.reader",
    "ages": "analysis.ages",
    "attribute": "analysis.attribution",
    "balance": "analysis.balance",
    "changes": "analysis.changes",
    "diff": "analysis.diff",
    "export": "exporting",
    "export_diff": "exporting",
    "open": "api",
    "series": "sampling.api",
    "snapshot": "api",
    "trend": "sampling.api",
    "verdicts": "analysis.verdicts",
    "watch": "sampling.api",
}


# `spo-trace --help` imports this package and must not wait for pyarrow, nor `spo-trace snapshot` for pandas.
def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"spo_trace.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'spo_trace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
