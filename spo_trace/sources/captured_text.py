# SPDX-License-Identifier: LGPL-2.1-or-later
"""The text of one file of a capture: read in place if it is plain, else decompressed and cleaned as a stream."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from spo_trace.errors import SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.copied_text import HEAD, CopiedText, is_changed
from spo_trace.formats.pageblocks import pageblock_order
from spo_trace.formats.text import Chunks, KernelText, Outcome, PlainFile
from spo_trace.formats.text_encoding import encoding_of
from spo_trace.sources.compression import Rewound, is_compressed, read_chunks
from spo_trace.sources.file_identity import aggregate_by_content
from spo_trace.sources.input_file import open_regular
from spo_trace.sources.other_input import known_content
from spo_trace.sources.size_limits import bounded
from spo_trace.sources.source import BINARY_FILES, RECORD_FILES, TEXT_FILES

__all__ = ["cleaned", "file_text", "needs_cleaning", "stream_text"]


def file_text(name: str, path: Path, note: str | None = None) -> KernelText:
    """Return the text of the file `path` as that of file `name` of PATHS; `note`: see KernelText."""
    raw = open_regular(path)
    size = os.fstat(raw.fileno()).st_size
    outcome = Outcome()
    try:
        head = raw.read(HEAD)
        raw.seek(0)
    except OSError as error:
        raw.close()
        if name in TEXT_FILES:
            raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint="name another copy of it") from error
        # The owners can be read without it.
        return KernelText(name, Chunks([]), outcome=Outcome(f"it can't be read: {error.strerror}"))
    # A debugfs file has size 0: it must be read as a stream. So must a file with holes, which is never a whole text.
    plain = size and name in RECORD_FILES and not is_compressed(head) and not _has_hole(raw, size)
    if plain and not _checked(raw, name, head):
        outcome.pageblock_order = pageblock_order(head)
        return KernelText(name, PlainFile(raw), size, note, outcome)

    raw.close()

    # Opened again when it is read, because not every text is.
    def chunks() -> Iterator[bytes]:
        with open_regular(path) as file:
            for chunk in read_chunks(outcome, file, head):
                outcome.reached = file.tell()
                yield chunk

    return KernelText(name, cleaned(name, chunks(), outcome), size, note, outcome)


# File systems that cannot tell report one hole, at the end.
def _has_hole(raw: BinaryIO, size: int) -> bool:
    with suppress(OSError):
        at = os.lseek(raw.fileno(), 0, os.SEEK_HOLE)
        raw.seek(0)
        return at < size
    return False


# Closes the file if its text is refused.
def _checked(raw: BinaryIO, name: str, head: bytes) -> bool:
    try:
        return needs_cleaning(name, head)
    except SpoTraceError:
        raw.close()
        raise


def stream_text(name: str, head: bytes, raw: BinaryIO) -> KernelText:
    """Return the text of the pipe `raw`, of which `head` was read, as that of file `name` of PATHS."""
    outcome = Outcome()

    def chunks() -> Iterator[bytes]:
        with raw:
            yield from read_chunks(outcome, Rewound(head, raw), head)

    return KernelText(name, cleaned(name, chunks(), outcome), outcome=outcome)


def needs_cleaning(name: str, head: bytes) -> bool:
    """Check whether the text of file `name` of PATHS that begins with `head` is encoded or was changed by copying.

    Raise SpoTraceError if it is the text of another kind of file.
    """
    if name in BINARY_FILES:
        return False
    encoding = encoding_of(head)
    if name not in TEXT_FILES:
        return encoding is not None
    if name in RECORD_FILES and (known := known_content(head)) is not None:
        raise SpoTraceError(f"{name}: this is {known.what}", hint=known.hint)
    if name in RECORD_FILES and (aggregate := aggregate_by_content(head)) is not None:
        raise SpoTraceError(
            f"{name}: this is not page_owner's text, but {aggregate.shown}", hint="name the file itself, unpacked"
        )
    # Dumps of pages are read without the prefixes of their lines.
    return encoding is not None or (name != AggregateKind.PAGE_DUMP and is_changed(head))


def cleaned(name: str, pieces: Iterable[bytes], outcome: Outcome) -> Chunks:
    """Return the text of file `name` of PATHS as the kernel printed it; its head is read with the first chunk."""
    chunks = iter(pieces)
    copied = CopiedText(outcome.marks)

    def plain() -> Iterator[bytes]:
        head = _head(chunks)
        whole = chain([head], chunks) if head else chunks
        clean = copied.clean(whole, head) if needs_cleaning(name, head) else whole
        first = next(clean, b"")
        if name not in BINARY_FILES:
            outcome.pageblock_order = pageblock_order(first)
        yield first
        yield from clean

    return Chunks(bounded(name, plain(), outcome), copied.place)


def _head(chunks: Iterable[bytes]) -> bytes:
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    return bytes(head)
