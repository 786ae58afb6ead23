# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture in a tar archive, read without unpacking it."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from spo_trace.errors import SpoTraceError
from spo_trace.formats.escape import escape
from spo_trace.formats.missing import Why
from spo_trace.formats.text import KernelText, Outcome
from spo_trace.limits import MAX_ERROR_BYTES, MAX_PATH_BYTES
from spo_trace.sources.captured_text import cleaned
from spo_trace.sources.compression import (
    READ_ERRORS,
    SMALL_STEP,
    Rewound,
    first_bytes,
    read_chunks,
    without_suffix,
)
from spo_trace.sources.err_file import read_err
from spo_trace.sources.source import LISTS, OTHER_PATHS, PATHS
from spo_trace.sources.tar_stream import TarStream

__all__ = ["Tarball", "is_tar"]

_HEAD = 4096
_MAGIC_AT = 257

# Limits on searching the content of files of other names, if no file is named page_owner.
_MOST_FILES = 2000
_LARGEST_HEAD = 5 << 20
_SNIFFED = 1 << 16

# Smaller files are kept in memory. /proc has many, and each would take another pass over the archive.
_KEPT = 1 << 20

# Paths kept of files of one name: enough for an error that lists them.
_SHOWN = 4


def is_tar(content: bytes) -> bool:
    """Check whether decompressed content begins like a tar archive."""
    return content[_MAGIC_AT : _MAGIC_AT + 5] == b"ustar"


def _laid_out(path: str, name: str) -> bool:
    return f"/{without_suffix(path)}".endswith(f"/{PATHS[name]}")


# Also "pages.parquet", by which an archive of a snapshot is recognised.
def _name_of(member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name if len(member.name) <= MAX_PATH_BYTES else "")
    name = without_suffix(path.name)
    if name in PATHS:
        return name
    known = (known for known, others in OTHER_PATHS.items() if any(path.match(other) for other in others))
    return next(known, path.name)


class Tarball:
    """Find a capture's files in a tar archive, compressed or not, by their names.

    `reopen` opens the archive at its start: each large file takes another pass, so that memory stays bounded.
    `errors`: from the archive's NAME.err files, why files could not be read on the machine. `cut_off`: why the
    archive is incomplete, None if it is complete.
    """

    def __init__(self, title: str, reopen: Callable[[], BinaryIO]) -> None:
        self._title = title
        self._reopen = reopen
        self.errors: dict[str, Why] = {}
        self.cut_off: str | None = None
        self._contents: dict[str, bytes] = {}
        self._has_snapshot = False
        self._members = self._index()

    def find(self, name: str) -> str | None:
        """Return the archive's path of a file of PATHS."""
        found = self._members.get(name, [])
        # An archive of a whole machine may have other files of that name; the path shows which is the kernel's.
        if len(found) > 1 and len(laid_out := [path for path in found if _laid_out(path, name)]) == 1:
            found = laid_out
        # Other programs use these names, too.
        if len(found) > 1 and name in LISTS:
            return None
        if len(found) > 1:
            raise SpoTraceError(
                f"{self._title} has several files {name}: {', '.join(map(_printable, found[:4]))}",
                hint="unpack it and name the directory of one capture",
            )
        return found[0] if found else None

    def text(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if the archive does not have it."""
        path = self.find(name)
        return None if path is None else self.text_at(name, path)

    def text_at(self, name: str, path: str, note: str | None = None) -> KernelText:
        """Return the text of the archive's file `path` as that of file `name` of PATHS."""
        outcome = Outcome()
        content = self._contents.get(path)
        if content is None:
            chunks = self._member_chunks(outcome, path)
        else:
            chunks = read_chunks(outcome, io.BytesIO(content), content)
        return KernelText(name, cleaned(name, chunks, outcome), note=note, outcome=outcome)

    def contents(self) -> Iterator[tuple[Path, bytes]]:
        """Yield the path and the first bytes of each file, in the archive's order; stop where it is cut off."""
        try:
            with self._archive() as archive:
                for member in islice(archive, _MOST_FILES):
                    if member.isreg() and not member.issparse():
                        yield Path(member.name), first_bytes(archive.content(member, _LARGEST_HEAD), _SNIFFED)
        except READ_ERRORS:
            return

    def hint(self) -> str | None:
        """Return what to do with an archive that contains a snapshot instead of a capture, else None."""
        return "it contains a snapshot: unpack it and give NAME.spo to report" if self._has_snapshot else None

    def _member_chunks(self, outcome: Outcome, path: str) -> Iterator[bytes]:
        with self._archive() as archive:
            try:
                raw = archive.open(next(each for each in archive if each.name == path and each.isreg()))
                head = raw.read(_HEAD)
            except StopIteration:
                outcome.problem = "the archive has changed"
                return
            except READ_ERRORS as error:
                outcome.problem = f"reading the input failed: {error}"
                return
            yield from read_chunks(outcome, Rewound(head, raw), head, step=SMALL_STEP)
            if outcome.problem and archive.problem:
                outcome.problem = f"reading the input failed: {archive.problem}"

    # An archive that is cut off still has the files before the cut; reading the file with the cut reports a problem.
    def _index(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        why: str | None = None
        try:
            with self._archive() as archive:
                try:
                    for member in archive:
                        if member.isreg():
                            self._note(archive, member, found)
                    if not archive.has_end():
                        self.cut_off = "the end of the archive is missing"
                finally:
                    why = archive.problem
        except READ_ERRORS as error:
            why = why or str(error)
            if not found:
                raise SpoTraceError(
                    f"{self._title}: the archive is damaged: {why}", hint="was the transfer complete?"
                ) from error
        if why:
            self.cut_off = f"reading the archive failed: {why}"
        return found

    def _note(self, archive: TarStream, member: tarfile.TarInfo, found: dict[str, list[str]]) -> None:
        name = _name_of(member)
        self._has_snapshot |= name == "pages.parquet"
        if name in PATHS:
            self._refuse_empty(name, member)
            paths = found.setdefault(name, [])
            laid_out = [path for path in (*paths, member.name) if _laid_out(path, name)]
            # Further paths would not change what find() returns.
            if len(paths) < _SHOWN or (member.name in laid_out and len(laid_out) <= 2):
                paths.append(member.name)
            if member.size <= _KEPT and not member.issparse() and len(paths) == 1:
                self._contents[member.name] = archive.content(member)
        elif name.endswith(".err") and name.removesuffix(".err") in PATHS:
            message = b"" if member.issparse() else archive.content(member, MAX_ERROR_BYTES)
            self.errors[name.removesuffix(".err")] = read_err(message)

    # tar stores as many bytes as stat(2) reports: 0 for files in debugfs.
    def _refuse_empty(self, name: str, member: tarfile.TarInfo) -> None:
        if name == "page_owner" and member.size == 0:
            raise SpoTraceError(
                f"{self._title}: {_printable(member.name)} is empty in the archive",
                hint="tar stores debugfs files as empty: `cat` them to files first, and archive those",
            )

    @contextmanager
    def _archive(self) -> Iterator[TarStream]:
        with self._reopen() as raw:
            yield TarStream(raw)


def _printable(name: str) -> str:
    return escape(os.fsencode(name))
