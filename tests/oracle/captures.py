# SPDX-License-Identifier: LGPL-2.1-or-later
"""Captures on disk: a stage is a flat directory of NAME, NAME.gz or NAME.xz."""

import gzip
import lzma
from collections.abc import Iterable
from pathlib import Path

__all__ = ["CARRIED", "read", "stage_id", "stages"]

CARRIED = Path(__file__).parents[2] / "fixtures" / "captures"


def stages(*roots: Path) -> list[Path]:
    """Return every directory at or below the roots that holds a page_owner, sorted."""
    found: Iterable[Path] = (path.parent for root in roots for path in root.rglob("page_owner*"))
    return sorted({directory for directory in found if _file(directory, "page_owner")})


def stage_id(stage: Path) -> str:
    """Return a stage's short name.

    >>> stage_id(CARRIED / "7.2-spo" / "3-back")
    '7.2-spo/3-back'
    """
    return f"{stage.parent.name}/{stage.name}"


def read(stage: Path, name: str) -> bytes:
    """Return a kernel file's text, empty if the capture does not have it."""
    path = _file(stage, name)
    if path is None:
        return b""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    return path.read_bytes()


def _file(stage: Path, name: str) -> Path | None:
    candidates = (stage / (name + suffix) for suffix in ("", ".gz", ".xz"))
    return next((path for path in candidates if path.is_file()), None)
