# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace: find out who owns a Linux machine's memory, including the part that is in swap.

>>> import spo_trace as spo
>>> snap = spo.snapshot("taken.spo", from_="capture.tar.gz")
>>> spo.attribute(snap, by=["comm"]).head(2)[["comm", "mem_pages", "swap_pages"]]
      comm  mem_pages  swap_pages
0  python3       8034           0
1  swapper       2576           0
"""

from typing import TYPE_CHECKING

from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace import fleet as fleet
    from spo_trace.api.analyses import (
        ages,
        attribute,
        balance,
        changes,
        diff,
        export,
        export_diff,
        relate,
        verdicts,
    )
    from spo_trace.api.explanations import explain
    from spo_trace.api.metrics import metrics
    from spo_trace.api.places import blockers, page
    from spo_trace.api.series import series, trend, watch
    from spo_trace.api.snapshot import Snapshot, snapshot
    from spo_trace.api.snapshot import open as open
    from spo_trace.sampling.samples import Sample

# Not `open`: `from spo_trace import *` must not replace the builtin. `spo_trace.open` is public, too.
__all__ = [
    "Sample",
    "Snapshot",
    "SpoTraceError",
    "UsageError",
    "__version__",
    "ages",
    "attribute",
    "balance",
    "blockers",
    "changes",
    "diff",
    "explain",
    "export",
    "export_diff",
    "metrics",
    "page",
    "relate",
    "series",
    "snapshot",
    "trend",
    "verdicts",
    "watch",
]

_HOMES = {
    "Sample": "sampling.samples",
    "explain": "api.explanations",
    "Snapshot": "api.snapshot",
    "blockers": "api.places",
    "metrics": "api.metrics",
    "open": "api.snapshot",
    "page": "api.places",
    "series": "api.series",
    "snapshot": "api.snapshot",
    "trend": "api.series",
    "watch": "api.series",
}
# `spo_trace.fleet` is a package: `spo.fleet.open` opens a fleet.
_PUBLIC = {"fleet", "open", *__all__}


# `spo-trace --help` imports this package and should not import pyarrow; `spo-trace snapshot` should not import pandas.
def __getattr__(name: str) -> object:
    if name in _PUBLIC:
        from importlib import import_module

        if name == "fleet":
            return import_module("spo_trace.fleet")
        return getattr(import_module(f"spo_trace.{_HOMES.get(name, 'api.analyses')}"), name)
    raise AttributeError(f"module 'spo_trace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
