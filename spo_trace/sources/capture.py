# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture: kernel files that were saved elsewhere, in a directory, a tar archive, single files or on a pipe."""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from spo_trace.errors import Call, SpoTraceError, Text, UsageError
from spo_trace.files.bundled import scenarios
from spo_trace.files.private_directories import scratch_directory
from spo_trace.formats.dress import HEAD
from spo_trace.formats.escape import escape
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.text import KernelText, Outcome, PlainFile
from spo_trace.sources.compression import SUFFIXES, Rewound, first_bytes, is_compressed, read_chunks, read_head
from spo_trace.sources.err_file import LONGEST, read_err
from spo_trace.sources.recognise import name_by_content, what_is
from spo_trace.sources.source import OTHER_PATHS, PATHS, RECORD_FILES
from spo_trace.sources.tarball import Tarball, is_tar
from spo_trace.sources.undress import needs_undressing, pageblock_order, undressed

__all__ = ["CaptureSource"]

# How much text of a file of another name is searched for what tells which file it is.
SNIFFED = 1 << 16

# Enough for the first block of any compression: lz4 has blocks of 4 MiB, bz2 of 900 kB, and nothing before their end.
_HEAD = 5 << 20

# Counts by stack, which go with page_owner.
_COUNTS = {"show_stacks", "show_handles", "show_stacks_handles"}

_NOT_IN_CAPTURE = Why(Missing.NOT_IN_CAPTURE, "not in the capture")

Opener = Callable[[], KernelText]


class CaptureSource:
    """Read files that were saved on some machine, each as it is or compressed.

    `paths`: one directory (laid out like the machine, or flat), one tar archive, "-" for standard input (a tar
    archive or one kernel file's text), or any number of single files.
    """

    kind = "capture"

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._title = ", ".join(str(path) for path in paths)
        self._files: dict[str, Opener] = {}
        self._errors: dict[str, Why] = {}
        self._cut_off: str | None = None
        # Files that are something else, in case none is page_owner.
        self._others: list[str] = []
        for path in paths:
            self._add(str(path))
        self._refuse_without_owners(self._title, self._hint_without_owners)

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json keeps of how this source was asked for, and whether an archive is cut off."""
        return {"from": self._title} | ({"cut_off": self._cut_off} if self._cut_off else {})

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        opener = self._files.get(name)
        if opener is None:
            return None
        text = opener()
        # `cat page_owner` ends at the first record that does not fit the kernel's buffer (ENOMEM), and says so.
        if name in self._errors:
            text.outcome.problem = f"it was cut off on the machine: {self._errors[name].text}"
        return text

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        return self._errors.get(name, _NOT_IN_CAPTURE)

    def _add(self, path: str) -> None:
        if path == "-":
            return self._add_stream("standard input", _standard_input())
        if Path(path).is_dir():
            return self._add_directory(Path(path))
        raw = _open_file(path)
        # A named pipe, or <(ssh HOST cat …) of a shell, can be read only once.
        if not Path(path).is_file():
            try:
                return self._add_stream(path, raw)
            except SpoTraceError:
                raw.close()
                raise
        with raw:
            head = raw.read(_HEAD)
        if is_tar(first_bytes(head)):
            return self._add_tar(path, partial(_open_file, path))
        content = first_bytes(head, HEAD)
        name = _file_name(Path(path).name) or name_by_content(content)
        known = what_is(content) if name is None or name in RECORD_FILES else None
        if known is not None:
            raise SpoTraceError(f"{path}: this is {known.what}", hint=known.hint)
        if name is None:
            raise SpoTraceError(
                f"{path} is not a page_owner capture: it has no line that begins with 'Page allocated via'",
                hint="give the text of /sys/kernel/debug/page_owner, or a directory or tar archive that has it",
            )
        return self._add_file(name, Path(path))

    def _add_file(self, name: str, path: Path, note: str | None = None) -> None:
        self._put(name, partial(_file_text, name, path, note), path)

    def _hint_without_owners(self) -> str:
        given = ", ".join(self._files)
        return f"{given} alone does not say who owns a page: give page_owner too, or the directory of both"

    def _put(self, name: str, opener: Opener, path: object) -> None:
        if name in self._files:
            raise UsageError(f"{path} is a second {name}", hint="a snapshot is of one machine at one moment")
        self._files[name] = opener

    def _add_directory(self, root: Path) -> None:
        for name, laid_out in PATHS.items():
            for base in (root / laid_out, root / "page_owner_stacks" / name, root / name):
                if (said := base.with_name(base.name + ".err")).is_file():
                    self._errors[name] = _read_err_file(said)
                path = next((p for p in _spellings(base) if p.is_file()), None)
                if path is not None:
                    self._add_file(name, path)
                    break
            else:
                others = (path for pattern in OTHER_PATHS.get(name, ()) for path in sorted(root.glob(pattern)))
                if (other := next((path for path in others if path.is_file()), None)) is not None:
                    self._add_file(name, other)
        if not self._has_owners():
            self._add_by_content(str(root), _contents(root), partial(self._add_file, "page_owner"))
        self._refuse_without_owners(str(root), lambda: _hint_for(root))

    def _add_tar(self, title: str, reopen: Callable[[], BinaryIO]) -> None:
        tarball = Tarball(title, reopen)
        for name in PATHS:
            if tarball.find(name) is not None:
                self._put(name, partial(tarball.text, name), title)  # type: ignore[arg-type]
        self._errors |= tarball.errors
        self._cut_off = tarball.cut_off
        if not self._has_owners():

            def put(path: Path, note: str) -> None:
                self._put("page_owner", partial(tarball.text_at, "page_owner", str(path), note), title)

            self._add_by_content(title, tarball.contents(), put)
        self._refuse_without_owners(title, lambda: tarball.hint() or "spo-trace capture-script prints what makes one")

    def _has_owners(self) -> bool:
        return bool(self._files.keys() & set(RECORD_FILES)) or "page_owner" in self._errors

    # A vendor's kernel or a script calls the file otherwise; what is in it tells.
    def _add_by_content(
        self, title: str, contents: Iterable[tuple[Path, bytes]], put: Callable[[Path, str], None]
    ) -> None:
        found = []
        for path, head in contents:
            if (known := what_is(head)) is not None:
                self._others.append(f"{escape(os.fsencode(path.name))} is {known.what}")
            elif name_by_content(head) == "page_owner":
                found.append(path)
        names = [escape(os.fsencode(path.name)) for path in found]
        if len(found) > 1:
            raise SpoTraceError(
                f"{title} has no file named page_owner, and several with its text: {', '.join(names[:6])}",
                hint="name the file that is meant",
            )
        if found:
            put(found[0], f"read from {names[0]}, the one file with page_owner's text: none is named page_owner")

    def _refuse_without_owners(self, title: str, hint: Callable[[], str]) -> None:
        if not self._files.keys() & set(RECORD_FILES):
            why = f": {self._errors['page_owner'].text}" if "page_owner" in self._errors else ""
            if not why and self._files and self._files.keys() <= _COUNTS:
                why = f": this is {', '.join(self._files)} of page_owner_stacks (stacks, and no page's owner)"
            if not why and self._others:
                why = f": {'; '.join(self._others[:3])}"
            raise SpoTraceError(f"{title} has no page_owner file{why}", hint=hint())

    def _add_stream(self, title: str, raw: BinaryIO) -> None:
        head = read_head(raw, _HEAD)
        if is_tar(first_bytes(head)):
            return self._add_tar(title, partial(_open_file, _spool(Rewound(head, raw))))
        content = first_bytes(head, HEAD)
        name = name_by_content(content)
        if (known := what_is(content)) is not None:
            raise SpoTraceError(f"{title}: this is {known.what}", hint=known.hint)
        if name is None:
            raise SpoTraceError(
                f"{title} holds no page_owner text" if head else f"{title} is empty",
                hint=("try: cat /sys/kernel/debug/page_owner | ", Call("snapshot", from_="-", output="NAME.spo")),
            )
        return self._put(name, partial(_stream_text, name, head, raw), title)


# Not sys.stdin.buffer: a thread may still wait in a read of it when the process ends, and its lock would abort Python.
def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise SpoTraceError("standard input is closed", hint="name a file instead of -")
    try:
        return cast(BinaryIO, os.fdopen(os.dup(sys.stdin.buffer.fileno()), "rb", buffering=0))
    except io.UnsupportedOperation:  # a program has put something else in its place
        return sys.stdin.buffer


def _open_file(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        hint: Text = "check the path"
        if path in scenarios():
            call = Call("snapshot", from_=path, backend="simulator", output=f"{path}.spo")
            hint = (f"the simulator has a scenario {path}: ", call)
        raise SpoTraceError(f"{path} can't be read: {error.strerror}", hint=hint) from error


def _read_err_file(path: Path) -> Why:
    with path.open("rb") as file:
        return read_err(file.read(LONGEST))


def _file_text(name: str, path: Path, note: str | None = None) -> KernelText:
    raw = _open_file(str(path))
    size = path.stat().st_size
    outcome = Outcome()
    head = raw.read(HEAD)
    raw.seek(0)
    # debugfs says that its files have no size.
    if size and not is_compressed(head) and not _needs_undressing(raw, name, head):
        outcome.pageblock_order = pageblock_order(head)
        return KernelText(name, PlainFile(raw), size, note, outcome)

    def chunks() -> Iterator[bytes]:
        with raw:
            for chunk in read_chunks(outcome, raw, head):
                outcome.reached = raw.tell()
                yield chunk

    return KernelText(name, undressed(name, chunks(), outcome), size, note, outcome)


# Closes the file of a text that is refused.
def _needs_undressing(raw: BinaryIO, name: str, head: bytes) -> bool:
    try:
        return needs_undressing(name, head)
    except SpoTraceError:
        raw.close()
        raise


def _stream_text(name: str, head: bytes, raw: BinaryIO) -> KernelText:
    outcome = Outcome()

    def chunks() -> Iterator[bytes]:
        with raw:
            yield from read_chunks(outcome, Rewound(head, raw), head)

    return KernelText(name, undressed(name, chunks(), outcome), outcome=outcome)


# The archive is read more than once, and a pipe only once.
def _spool(raw: Rewound) -> str:
    directory = scratch_directory()
    with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
        shutil.copyfileobj(raw, file)
    return file.name


def _spellings(path: Path) -> Iterator[Path]:
    yield path
    for suffix in SUFFIXES:
        yield path.with_name(path.name + suffix)


def _file_name(name: str) -> str | None:
    return next((known for known in PATHS if name in {known + suffix for suffix in ("", *SUFFIXES)}), None)


# Of a directory with more, the first files: it is no capture.
_MOST_FILES = 200


def _contents(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in islice(sorted(root.iterdir()), _MOST_FILES):
        if path.is_file():
            with _open_file(str(path)) as raw:
                yield path, first_bytes(raw.read(_HEAD), SNIFFED)


def _hint_for(root: Path) -> str:
    if (root / "snapshot.json").is_file():
        return f"it is a snapshot already: spo-trace report {escape(os.fsencode(root))}"
    if (root / "series.json").is_file():
        return f"it is a recording of watch: spo-trace trend {escape(os.fsencode(root))}"
    captures = [p for p in root.iterdir() if p.is_dir() and any(s.is_file() for s in _spellings(p / "page_owner"))]
    if captures:
        names = sorted(escape(os.fsencode(path.name)) for path in captures)
        return f"it has captures inside: name one of {', '.join(names[:6])}"
    return "a capture has page_owner, or sys/kernel/debug/page_owner, as spo-trace capture-script makes it"
