# SPDX-License-Identifier: LGPL-2.1-or-later
"""A list of files with their SHA-256 hashes, in the format of sha256sum(1): it tells files of this tool from others."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from spo_trace.files.descriptors import names, open_below
from spo_trace.files.regular import open_regular
from spo_trace.limits import MAX_MANIFEST_BYTES

__all__ = ["Manifest"]

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class Manifest:
    """The names and hashes of a directory's files; `name`: the file that contains them; `title`: its first line."""

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = f"# {title}"

    def content(self, hashes: Iterable[tuple[str, str]]) -> bytes:
        """Return the content of the file for pairs of a path and the hash of its content."""
        return "".join([f"{self._title}\n", *(f"{digest}  {path}\n" for path, digest in hashes)]).encode()

    def files(self, directory: int) -> list[str] | None:
        """Return the paths of all files in an open directory, None unless they are those listed, and unchanged."""
        listed = self._read(directory)
        if listed is None:
            return None
        known = {*listed, self._name}
        with suppress(OSError):
            # A path such as ../x is in a list that somebody changed, but not in the directory.
            if _holds(directory, known) and all(_digest(path, directory) == listed[path] for path in listed):
                return sorted(known)
        return None

    def _read(self, directory: int) -> dict[str, str] | None:
        try:
            with open_regular(self._name, directory) as file:
                lines = file.read(MAX_MANIFEST_BYTES).decode().splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        matches = [_LINE.fullmatch(line) for line in lines[1:]]
        if lines[:1] != [self._title] or None in matches:
            return None
        return {match[2]: match[1] for match in matches if match}


# Whether the files in a directory are exactly those with the paths `known`.
def _holds(directory: int, known: set[str]) -> bool:
    parents = {path[:end] for path in known for end, char in enumerate(path) if char == "/"}
    found = set()
    for path in _paths(directory, parents):
        if path not in known:
            return False
        found.add(path)
    return found == known


# Yield the paths of everything but the directories in `parents`, into which it descends.
def _paths(directory: int, parents: set[str], above: str = "") -> Iterator[str]:
    for name in names(directory):
        path = f"{above}{name}"
        if path not in parents:
            yield path
            continue
        with open_below([name], directory) as below:
            yield from _paths(below, parents, f"{path}/")


def _digest(path: str, directory: int) -> str:
    *above, name = path.split("/")
    with open_below(above, directory) as parent, open_regular(name, parent) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
