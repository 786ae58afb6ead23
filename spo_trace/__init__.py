# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace: who owns this Linux machine's memory, including the part that is in swap.

>>> import spo_trace as spo                                      # doctest: +SKIP
>>> snap = spo.snapshot("now.spo", from_="capture.tar.gz")       # doctest: +SKIP
>>> spo.attribute(snap, by=["comm"])                             # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from spo_trace.errors import SpoTraceError
from spo_trace.version import __version__

if TYPE_CHECKING:
    from spo_trace.api import Snapshot, attribute, balance, diff, open, snapshot

__all__ = ["Snapshot", "SpoTraceError", "__version__", "attribute", "balance", "diff", "open", "snapshot"]


# `spo-trace --help` imports this package, and must not wait for pandas.
def __getattr__(name: str) -> object:
    if name in __all__:
        from spo_trace import api

        return getattr(api, name)
    raise AttributeError(f"module 'spo_trace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
