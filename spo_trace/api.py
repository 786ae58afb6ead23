# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public interface: take a snapshot, or open one. The command line is a thin skin over it."""

import os
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from spo_trace.collect import collect
from spo_trace.counts import Progress
from spo_trace.files.access import access_for
from spo_trace.page_size import parse_page_size
from spo_trace.private_files import scratch_directory
from spo_trace.snapshots.reader import Snapshot
from spo_trace.sources.choose import choose_source
from spo_trace.sources.live import STACKS_TIMEOUT

__all__ = ["Paths", "as_list", "open", "snapshot"]

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def snapshot(
    output: str | os.PathLike[str],
    *,
    from_: Paths | None = None,
    backend: str | None = None,
    stage: str | None = None,
    swap: str = "auto",
    strict: bool = False,
    force: bool = False,
    owner: str | None = None,
    mode: int | None = None,
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
    page_size: str | int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Take a snapshot into the directory `output` and return it open.

    `backend`: `live` (default without `from_`), `capture` (default with it; `from_` as for CaptureSource) or
    `simulator` (`from_` is a scenario, `stage` one of its snapshots, default the last). `swap`: `auto`, `debugfs`,
    `bpf` (of a running `spo-trace trace`) or `none`. `stacks_timeout`: page_owner_stacks is left out if reading it
    returns nothing for so many seconds. `page_size`: of the machine, in bytes or such as "64K", where the capture does
    not tell it. Raise SpoTraceError with what to do about it.

    `owner` (USER or USER:GROUP) gets the files; by default, under sudo, the user who called it does, if `output` is in
    a directory this user may write to. `mode`: the files' permission bits, by default 0o600; directories get the
    matching x.

    >>> spo.snapshot("now.spo")                             # doctest: +SKIP
    >>> spo.snapshot("then.spo", from_="capture.tar.gz")    # doctest: +SKIP
    """
    source = choose_source(backend, as_list(from_), stage, jobs, stacks_timeout)
    return collect(
        source,
        Path(output),
        swap=swap,
        strict=strict,
        force=force,
        access=access_for(owner, mode),
        jobs=jobs,
        page_size=None if page_size is None else parse_page_size(page_size),
        progress=progress,
    )


def open(
    path: Paths,
    *,
    page_columns: Collection[str] | None = None,
    page_size: str | int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Open a snapshot; a raw capture is snapshotted first, to a private directory that lasts as long as the process.

    `page_columns`: those of pages that will be asked for, where not all are; a raw capture is read in less time then.
    `page_size`: of the machine, in bytes or such as "64K", in place of what the snapshot or the capture tells.

    >>> spo.open("before.spo").pages.head()                 # doctest: +SKIP
    """
    paths = as_list(path)
    size = None if page_size is None else parse_page_size(page_size)
    if len(paths) == 1 and (Path(paths[0]) / "snapshot.json").is_file():
        return Snapshot(Path(paths[0]), page_size=size)
    directory = Path(tempfile.mkdtemp(dir=scratch_directory()))
    # Named as the capture is: pages and profiles show it.
    name = "stdin" if paths[0] == "-" else Path(paths[0]).absolute().name[:60]
    source = choose_source(None, paths)
    target = directory / f"{name}.spo"
    return collect(source, target, page_columns=page_columns, page_size=size, progress=progress)


def as_list(paths: Paths | None) -> list[str]:
    """Return one path or several as a list of texts."""
    if paths is None:
        return []
    if isinstance(paths, str | os.PathLike):
        return [os.fspath(paths)]
    return [os.fspath(path) for path in paths]
