# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many snapshots of many machines in three Parquet tables: who owns memory and swap on all of them."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spo_trace.fleet.fleet import Fleet

__all__ = ["open"]


def open(
    root: str | os.PathLike[str],
    engine: str = "duckdb",
    *,
    master: str | None = None,
    create: bool = False,
    owner: str | None = None,
    mode: int | None = None,
) -> "Fleet":
    """Open the fleet in the directory `root`; `create`: make an empty one if it is missing.

    `engine`: what runs the questions, `duckdb` or `spark`. `master`: the URL of the cluster that runs Spark, by default
    $SPO_TRACE_SPARK_MASTER, else this machine (`local[*]`). `owner` and `mode`, of the files that are added, are as for
    `snapshot`. Raise SpoTraceError if there is no fleet.
    """
    from pathlib import Path

    from spo_trace.analysis.arguments import path_of
    from spo_trace.files.access import access_for
    from spo_trace.fleet.fleet import Fleet
    from spo_trace.fleet.root import Root

    return Fleet(Root.open(Path(path_of(root, "root")), create=create, access=access_for(owner, mode)), engine, master)
