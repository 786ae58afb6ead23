# SPDX-License-Identifier: LGPL-2.1-or-later
"""Recognise input that is not a capture, by its content or its path, for an error with a useful hint."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from spo_trace.errors import Call, SpoTraceError
from spo_trace.formats.escape import escape
from spo_trace.sources.file_identity import spellings
from spo_trace.sources.input_file import entries

__all__ = ["OtherFile", "error_for_path", "hint_for_directory", "known_content"]


class OtherFile(NamedTuple):
    """Describe a file that is not a capture: what it is, and what to give or do instead."""

    what: str
    hint: str


class _Rule(NamedTuple):
    pattern: re.Pattern[bytes]
    known: OtherFile


def _rule(pattern: bytes, what: str, hint: str) -> _Rule:
    return _Rule(re.compile(pattern, re.MULTILINE), OtherFile(what, hint))


_ALONE = "a dump of memory is read alone and uncompressed: name the file itself"

# Rules for the first bytes of a file. No kernel file begins with any of these.
_MAGIC = (
    _rule(rb"\APAR1", "a Parquet file", "give the snapshot directory (NAME.spo) that contains it, or the capture"),
    _rule(
        rb"(?i)\A(?:\xef\xbb\xbf)?\s*(?:<!--|<!doctype html|<html|<head)",
        "an HTML page",
        "give the text in it, saved as plain text, or the snapshot that a report was made from",
    ),
    _rule(rb"\A(?:KDUMP   |DISKDUMP|makedumpfile)", "a kdump crash dump", _ALONE),
    _rule(rb"\A\x7fELF", "an ELF file, such as a vmcore", _ALONE),
    _rule(rb"\APK\x03\x04", "a zip archive", "unpack it, and give the directory or a tar archive"),
    _rule(rb"\A7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it, and give the directory or a tar archive"),
    _rule(rb"\ASQLite format 3\0", "an SQLite database", "give the text of /sys/kernel/debug/page_owner"),
    _rule(rb"\A%PDF-", "a PDF file", "give the text of /sys/kernel/debug/page_owner"),
    _rule(rb'\A\s*\{[^{}]*"schema_version"', "the snapshot.json of a snapshot", "give the directory that contains it"),
)

# Every snapshot has the first file, every recording the second, and no other directory has either.
_SNAPSHOT, _RECORDING = "snapshot.json", "series.json"

_MOST_NAMES = 6


def known_content(head: bytes) -> OtherFile | None:
    """Return what a file that begins with `head` is, None if it may be the text of a kernel file."""
    for rule in _MAGIC:
        if rule.pattern.match(head):
            return rule.known
    return None


def error_for_path(given: str) -> SpoTraceError | None:
    """Return an error for a snapshot, a recording or a part of one, with the command that reads it; else None."""
    path = Path(given)
    if (path / _RECORDING).is_file():
        return SpoTraceError(
            f"{given} is a recording of samples", hint=("show its growth: ", Call("trend", samples=given))
        )
    if (path / _SNAPSHOT).is_file():
        return SpoTraceError(f"{given} is already a snapshot", hint=("read it: ", Call("attribute", snap=given)))
    if path.is_file() and path.suffix in (".json", ".parquet"):
        for mark, kind, function in ((_SNAPSHOT, "snapshot", "attribute"), (_RECORDING, "recording", "trend")):
            if (path.parent / mark).is_file():
                whole = str(path.parent)
                call = Call(function, **{"samples" if function == "trend" else "snap": whole})
                return SpoTraceError(f"{given} is one file of the {kind} {whole}", hint=("name the directory: ", call))
    if path.is_dir() and (inside := _snapshots(path)):
        names = ", ".join(str(snapshot) for snapshot in inside[:_MOST_NAMES])
        growth = Call("trend", samples=given)
        return SpoTraceError(
            f"{given} is a directory of snapshots", hint=(f"name one of {names}; or show their growth: ", growth)
        )
    return None


def hint_for_directory(root: Path) -> str:
    """Return what to do with a directory that has no page_owner file."""
    captures = [p for p in entries(root) if p.is_dir() and any(s.is_file() for s in spellings(p / "page_owner"))]
    if captures:
        names = sorted(escape(os.fsencode(path.name)) for path in captures)
        return f"it contains captures: name one of {', '.join(names[:_MOST_NAMES])}"
    return "a capture has page_owner or sys/kernel/debug/page_owner, as made by spo-trace capture-script"


def _snapshots(directory: Path) -> list[Path]:
    try:
        return [path for path in entries(directory) if (path / _SNAPSHOT).is_file()]
    except OSError:
        return []
