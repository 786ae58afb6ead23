# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results of platforms, and the file that keeps them."""

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Cell", "Row", "read_rows", "update_rows", "without_patch"]


@dataclass(frozen=True)
class Cell:
    """Hold a result: `ok`, `failed` or `refused` (as doctor has said), and a sentence that says why or how."""

    result: str
    note: str


@dataclass(frozen=True)
class Row:
    """Hold what was found on one platform; `versions` are those of packages, `date` is the day of the run (UTC)."""

    distribution: str
    kernel: str
    release: str
    architecture: str
    versions: dict[str, str]
    results: dict[str, Cell]
    date: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what a later run on the same platform replaces: a new patch release of Python is the same."""
        return self.distribution, self.kernel, without_patch(self.versions.get("python", ""))


def without_patch(version: str) -> str:
    """Return the first two numbers of a version: 3.13 of 3.13.5."""
    return ".".join(version.split(".")[:2])


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of results, none if it does not exist."""
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    return [Row(**{**row, "results": {name: Cell(**cell) for name, cell in row["results"].items()}}) for row in rows]


def update_rows(path: Path, change: Callable[[list[Row]], list[Row]]) -> None:
    """Replace the rows of the file by what `change` makes of them; several processes may do this at the same time."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        rows = sorted(change(read_rows(path)), key=lambda row: row.key)
        new = path.with_name(f".{path.name}.new")
        new.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n")
        new.replace(path)
    finally:
        os.close(directory)
