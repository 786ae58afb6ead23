# SPDX-License-Identifier: LGPL-2.1-or-later
"""Find the texts with owners among files of other names: a vendor's kernel, a script or a user chose the name."""

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from spo_trace.errors import SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.allocinfo import FILE as SITES
from spo_trace.formats.escape import escape
from spo_trace.sources.compression import head_of
from spo_trace.sources.file_identity import name_by_content
from spo_trace.sources.input_file import entries, open_regular
from spo_trace.sources.other_input import known_content
from spo_trace.sources.source import STACK_FILES

__all__ = ["FoundText", "contents_of", "texts_by_content"]

# Number of bytes searched in each file of a directory if none is named page_owner.
_SNIFFED = 1 << 16

# A capture has fewer files; of a larger directory, only the first files are searched.
_MOST_FILES = 200

# Texts with owners, best first; only one of them is read.
_OWNERS = ("page_owner", AggregateKind.PAGE_OWNER_SORT.value, AggregateKind.PAGE_DUMP.value)


class FoundText(NamedTuple):
    """Hold which text a file has (a name of PATHS or of AggregateKind), and a note on it for the user."""

    name: str
    path: Path
    note: str | None


def contents_of(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files of a directory with their first bytes, decompressed."""
    for path in entries(root)[:_MOST_FILES]:
        if path.is_file():
            with open_regular(path) as raw:
                yield path, head_of(raw, _SNIFFED)


def texts_by_content(
    title: str, contents: Iterable[tuple[Path, bytes]], known: Collection[str]
) -> tuple[list[FoundText], list[str]]:
    """Return the texts of a capture that are found by the first bytes of its files, and what other files are.

    `title`: of the capture. `known`: the texts that were found by their names. Raise SpoTraceError if several files
    could be the one with the owners.
    """
    found: dict[str, list[Path]] = {}
    others = []
    for path, head in contents:
        if (other := known_content(head)) is not None:
            others.append(f"{escape(os.fsencode(path.name))} is {other.what}")
        elif (name := name_by_content(head)) in (*_OWNERS, *STACK_FILES, SITES) and name not in known:
            found.setdefault(name, []).append(path)
    owners = next((name for name in _OWNERS if name in found), None)
    texts = []
    for name, paths in found.items():
        if name in _OWNERS and name != owners:
            continue
        if len(paths) == 1:
            texts.append(FoundText(name, paths[0], _note(paths[0]) if name == "page_owner" else None))
        elif name == owners or owners is None:
            _refuse_several(title, name, paths)
    return texts, others


def _note(path: Path) -> str:
    name = escape(os.fsencode(path.name))
    return f"read from {name}, the only file with page_owner text; no file is named page_owner"


def _refuse_several(title: str, name: str, paths: list[Path]) -> NoReturn:
    names = ", ".join(escape(os.fsencode(path.name)) for path in paths[:6])
    text, hint = "its text", "name one of these files"
    if name != "page_owner":
        text = AggregateKind(name).shown if name in set(AggregateKind) else name
        hint += "; if they are samples of one machine: spo-trace trend DIRECTORY"
    raise SpoTraceError(f"{title} has no file named page_owner, and several with {text}: {names}", hint=hint)
