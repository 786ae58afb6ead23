# SPDX-License-Identifier: LGPL-2.1-or-later
"""The snapshots of samples on disk: removed at once, or kept so that further questions can be asked about them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from spo_trace.files.scratch import scratch_directory

__all__ = ["KeptSnapshots"]


class KeptSnapshots:
    """Keep the snapshots of the first and of the latest sample with `keep`, else none."""

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self._kept: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove(0, None)

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """Return a new directory for a snapshot; if it is kept, that of the sample before is removed at the end."""
        made = Path(tempfile.mkdtemp(dir=scratch_directory()))
        self._kept.append(made)
        try:
            yield made
        except BaseException:
            self._remove(-1, None)
            raise
        if self.keep:
            self._remove(1, -1)
        else:
            self._remove(-1, None)

    def _remove(self, start: int, end: int | None) -> None:
        for directory in self._kept[start:end]:
            shutil.rmtree(directory, ignore_errors=True)
        del self._kept[start:end]
