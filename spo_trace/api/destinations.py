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
from spo_trace.errors import Argument, UsageError
from spo_trace.files.access import Access
from spo_trace.files.complete_writes import CompleteText, CompleteWrites, complete, is_complete
from spo_trace.files.text_file import check_file, text_file

__all__ = ["Destination", "destination"]


class Handle(Protocol):
    """Describe a file object; only `write` is required."""

    def write(self, data: Any, /) -> object:
        """Write text or bytes."""


Destination = str | os.PathLike[str] | Handle


@contextmanager
def destination(outfile: Destination, *, binary: bool, access: Access, force: bool = False) -> Iterator[TextIO]:
    """Open `outfile` as a text file in UTF-8; if `binary`, bytes are written to its `buffer`.

    `outfile`: a path (`force` replaces a file), or a file object, which stays open. Raise UsageError for anything else,
    and for a text file object if `binary`.
    """
    if isinstance(outfile, str | os.PathLike):
        path = Path(path_of(outfile, "outfile"))
        check_file(path, force=force, argument="outfile")
        with text_file(path, access, force=force) as file:
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
