# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API to take and open snapshots."""

import os
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from spo_trace.analysis.arguments import names_of, number_of, path_of, paths_of, seconds_of
from spo_trace.collect.read_log import Progress
from spo_trace.collect.snapshot import collect
from spo_trace.collect.temporary import converted
from spo_trace.errors import Argument, UsageError
from spo_trace.files.access import Access, access_for
from spo_trace.snapshots import reader
from spo_trace.snapshots.page_size import parse_page_size
from spo_trace.sources.backends import STACKS_TIMEOUT
from spo_trace.sources.choose import choose_source

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.findings.finding import Explanation

__all__ = [
    "Paths",
    "Snapshot",
    "SnapshotLike",
    "access_given",
    "as_list",
    "given_name",
    "open",
    "opened",
    "snapshot",
    "timeout_of",
]

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
SnapshotLike = reader.Snapshot | str | os.PathLike[str]


class Snapshot(reader.Snapshot):
    """Hold a snapshot; each table is read at its first use.

    >>> snap = spo.open("now.spo")
    >>> snap.pages.groupby("category", observed=True)["bytes"].sum().nlargest(2)
    category
    tmpfs/shmem    13631488
    slab            3997696
    Name: bytes, dtype: int64
    """

    def __init__(self, path: Path, *, given: str | None = None, page_size: int | None = None) -> None:
        """Open the directory `path`.

        `given`: the name of the capture that it was converted from, for `repr`. `page_size`: overrides that of the
        snapshot.
        """
        super().__init__(path, page_size=page_size)
        self._given = given or str(path)

    def __repr__(self) -> str:
        return f"Snapshot({self._given!r}, kernel={self.meta.machine.kernel_release!r})"

    @property
    def given(self) -> str:
        """Return the name of the snapshot, or of the capture that it was converted from, as commands need it."""
        return self._given

    @cached_property
    def pages(self) -> "pd.DataFrame":
        """Return one row per allocation in memory: the columns of SCHEMA.md and all other keys of `where`.

        These are `bytes` (2**order pages) and the keys of the stack (docs/keys.md), such as `category`, `caller` and
        `callsite`; `stack` and `symbols` are text, as in `where`.
        """
        from spo_trace.analysis.stack_join import join_stacks

        return join_stacks(self, "pages")

    @cached_property
    def swap(self) -> "pd.DataFrame":
        """Return one row per swap entry, with the same columns added as to `pages`; `bytes` is the page size."""
        from spo_trace.analysis.stack_join import join_stacks

        return join_stacks(self, "swap")

    def explain(self) -> "Explanation":
        """Return what stands out, as `spo_trace.explain` does."""
        from spo_trace.api.explanations import explain

        return explain(self)

    def _repr_html_(self) -> str:
        from spo_trace.api.notebook import snapshot_html

        return snapshot_html(self, self.given)


def snapshot(
    output: str | os.PathLike[str],
    *,
    from_: Paths | None = None,
    backend: str | None = None,
    stage: str | None = None,
    swap: str = "auto",
    method: str = "auto",
    strict: bool = False,
    force: bool = False,
    owner: str | None = None,
    mode: int | None = None,
    jobs: int | None = None,
    stacks_timeout: float = STACKS_TIMEOUT,
    page_size: str | int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Take a snapshot, write it to the directory `output`, and return it.

    `backend`: `live` (default without `from_`), `capture` (default with it; `from_` as for CaptureSource, or a dump)
    or `simulator` (`from_` is a scenario, `stage` one of its stages, by default the last). `swap`: `auto`, `debugfs`,
    `bpf` (of a running `spo-trace trace`) or `none`. `method`: how this machine is read: `memory` (out of the kernel's
    memory), `text` (page_owner's own text) or `auto` (memory if it agrees with the text). `stacks_timeout`:
    page_owner_stacks is skipped if reading it returns no data for this many seconds. `page_size`: of the machine, in
    bytes or such as "64K", if the capture does not contain it. Raise SpoTraceError with a hint on how to fix it.

    `owner` (USER or USER:GROUP) owns the files; by default, under sudo, the user who called sudo, if that user may
    write to the directory of `output`. `mode`: the files' permission bits, by default 0o600; directories get the
    matching x bits.

    >>> spo.snapshot("then.spo", from_="capture.tar.gz")
    Snapshot('then.spo', kernel='7.2.13-spo')
    """
    target = Path(path_of(output, "output"))
    access = access_given(owner, mode)
    source = choose_source(
        backend, as_list(from_), stage, number_of(jobs, "jobs", least=1), timeout_of(stacks_timeout), method
    )
    size = None if page_size is None else parse_page_size(page_size)
    collect(
        source,
        target,
        swap=swap,
        strict=strict,
        force=force,
        access=access,
        jobs=jobs,
        page_size=size,
        progress=progress,
    )
    return Snapshot(target)


def access_given(owner: str | None, mode: int | None) -> Access:
    """Return the owner and mode of an output; raise UsageError for arguments of a wrong type."""
    if owner is not None and not isinstance(owner, str):
        raise UsageError((Argument("owner"), " must be USER or USER:GROUP, a string"), hint="for example: '1000:1000'")
    return access_for(owner, number_of(mode, "mode", least=0))


def timeout_of(stacks_timeout: float) -> float:
    """Return a timeout in seconds; raise UsageError for anything else."""
    seconds = seconds_of(stacks_timeout, "stacks_timeout")
    return STACKS_TIMEOUT if seconds is None else seconds


def open(
    path: "Paths | reader.Snapshot",
    *,
    page_columns: Collection[str] | None = None,
    page_size: str | int | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Open a snapshot; a capture is converted first, in a private directory that is removed when the process ends.

    `page_columns`: the columns of pages that will be read (default: all); fewer columns save time with a capture.
    `page_size`: of the machine, in bytes or such as "64K"; replaces that of the snapshot or the capture.

    >>> spo.open("before.spo")
    Snapshot('before.spo', kernel='7.2.13-spo')
    """
    size = None if page_size is None else parse_page_size(page_size)
    if isinstance(path, Snapshot) and size is None:
        return path
    if isinstance(path, reader.Snapshot):
        return Snapshot(path.path, page_size=size or path.page_size)
    paths = paths_of(path, "path")
    if len(paths) == 1 and (Path(paths[0]) / "snapshot.json").is_file():
        return Snapshot(Path(paths[0]), page_size=size)
    columns = None if page_columns is None else names_of(page_columns, "page_columns")
    snap = converted(paths, page_columns=columns, page_size=size, progress=progress)
    return Snapshot(snap.path, given=", ".join(paths))


def as_list(paths: Paths | None) -> list[str]:
    """Return `from_`, one path or several, as a list of texts; empty for None."""
    return [] if paths is None else paths_of(paths, "from_")


def opened(given: SnapshotLike, argument: str = "snap") -> reader.Snapshot:
    """Return a snapshot that is given as an object or by its path; raise UsageError for anything else."""
    if isinstance(given, reader.Snapshot):
        return given
    return open(path_of(given, argument))


def given_name(given: SnapshotLike, snap: reader.Snapshot) -> str:
    """Return the name of an argument for a snapshot, as commands need it."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    return snap.given if isinstance(snap, Snapshot) else str(snap.path)
