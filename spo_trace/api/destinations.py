# SPDX-License-Identifier: LGPL-2.1-or-later
"""Destinations of output: a file that appears when it is complete, or a file object that the caller has opened."""

import io
import os
from codecs import getwriter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO, cast

from spo_trace.analysis.arguments import path_of
from spo_trace.errors import Argument, SpoTraceError, UsageError
from spo_trace.files.access import Access
from spo_trace.files.complete_writes import CompleteText, CompleteWrites, complete, is_complete
from spo_trace.files.output_file import written

__all__ = ["Destination", "check_file", "destination", "text_file"]


class Handle(Protocol):
    """Describe a file object; only `write` is required."""

    def write(self, data: Any, /) -> object:
        """Write text or bytes."""


Destination = str | os.PathLike[str] | Handle


def check_file(path: Path, *, force: bool, argument: str = "output") -> None:
    """Raise SpoTraceError if `path`, given as `argument`, can't be written; call this before any other work."""
    if path.is_symlink():
        raise SpoTraceError(f"{path} is a symbolic link", hint="links are not followed: name their target")
    if path.is_dir():
        raise SpoTraceError(f"{path} is a directory", hint=("name a file with ", Argument(argument)))
    if path.is_file() and not force:
        raise SpoTraceError(f"{path} exists", hint=("replace it with ", Argument("force", True)))
    if not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        why = "Permission denied" if path.parent.is_dir() else f"{path.parent} is not a directory"
        hint = ("name a directory that you can write to with ", Argument(argument))
        raise SpoTraceError(f"{path} can't be written: {why}", hint=hint)


@contextmanager
def text_file(path: Path, access: Access) -> Iterator[io.TextIOWrapper]:
    """Open the file `path` as UTF-8; it appears when it is complete, with the owner and mode of `access`."""
    with written(path, access) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
        yield file


@contextmanager
def destination(outfile: Destination, *, binary: bool, access: Access, force: bool = False) -> Iterator[TextIO]:
    """Open `outfile` as a text file in UTF-8; if `binary`, bytes are written to its `buffer`.

    `outfile`: a path (`force` replaces a file), or a file object, which stays open. Raise UsageError for anything else,
    and for a text file object if `binary`.
    """
    if isinstance(outfile, str | os.PathLike):
        path = Path(path_of(outfile, "outfile"))
        check_file(path, force=force, argument="outfile")
        with text_file(path, access) as file:
            yield file
    elif _takes_text(outfile):
        if binary and not hasattr(outfile, "buffer"):
            hint = "give a path, an io.BytesIO or a file that is open with mode 'wb'"
            raise UsageError((Argument("outfile"), " is open for text, but this format is binary"), hint=hint)
        if hasattr(outfile, "flush"):
            outfile.flush()
        try:
            writer = _complete_text(outfile)
            yield writer
            writer.flush()
        except UnicodeEncodeError as error:
            problem = f" cannot encode {error.object[error.start]!r}: its encoding is {error.encoding}"
            hint = "open it with encoding='utf-8', or give a path"
            raise UsageError((Argument("outfile"), problem), hint=hint) from error
    else:
        # TextIOWrapper would collect text, which is in the way of an error at the right time.
        raw = CompleteWrites(outfile)
        encoder: Any = getwriter("utf-8")(cast(BinaryIO, raw))
        encoder.buffer = raw
        yield cast(TextIO, encoder)
        raw.flush()


def _complete_text(outfile: Any) -> TextIO:
    if not isinstance(outfile, io.TextIOWrapper):
        return cast(TextIO, CompleteText(outfile))
    return outfile if is_complete(outfile) else complete(outfile)


def _takes_text(outfile: object) -> bool:
    write = getattr(outfile, "write", None)
    if not callable(write):
        raise UsageError(
            (Argument("outfile"), f" must be a path or an open file, not {type(outfile).__name__}"),
            hint="give a str, a pathlib.Path, or a file that is open for writing",
        )
    for kind, text in ((io.TextIOBase, True), (io.IOBase, False)):
        if isinstance(outfile, kind):
            _check_open(outfile)
            return text
    try:
        write("")
    except TypeError:
        return False
    return True


def _check_open(outfile: io.IOBase) -> None:
    if outfile.closed or not outfile.writable():
        why = "is closed" if outfile.closed else "is not open for writing"
        raise UsageError((Argument("outfile"), f" {why}"), hint="open it with mode 'w' or 'wb', or give a path")
