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
    """Open the fleet in the directory or object store `root`; `create`: make an empty one if it is missing.

    `root`: a path, or a URL that `pyarrow.fs` knows, such as s3://bucket/fleet (docs/fleet.md). `engine`: what runs the
    questions, `duckdb` or `spark`. `master`: the URL of the cluster that runs Spark, by default
    $SPO_TRACE_SPARK_MASTER, else this machine (`local[*]`). `owner` and `mode`, of the files that are added to a
    directory, are as for `snapshot`. Raise SpoTraceError if there is no fleet.
    """
    from spo_trace.fleet.fleet import Fleet
    from spo_trace.fleet.opening import open_root

    return Fleet(open_root(root, create=create, owner=owner, mode=mode), engine, master)
