# SPDX-License-Identifier: LGPL-2.1-or-later
"""A capture: kernel files that were saved elsewhere, as a directory, a tar archive, single files or a pipe."""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from spo_trace.errors import Call, SpoTraceError, UsageError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.allocinfo import FILE as SITES
from spo_trace.formats.copied_text import HEAD
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.text import KernelText
from spo_trace.limits import MAX_ERROR_BYTES, SNIFFED_BYTES
from spo_trace.sources.captured_text import file_text, stream_text
from spo_trace.sources.compression import Rewound, first_bytes, opened_head, read_head
from spo_trace.sources.err_file import read_err
from spo_trace.sources.file_identity import name_by_content, name_by_path, spellings
from spo_trace.sources.files_by_content import contents_of, texts_by_content
from spo_trace.sources.input_file import open_file, open_regular, spooled, standard_input
from spo_trace.sources.other_input import error_for_path, hint_for_directory, known_content
from spo_trace.sources.source import OTHER_PATHS, PATHS, RECORD_FILES, STACK_FILES
from spo_trace.sources.tarball import Tarball, is_tar

__all__ = ["CaptureSource"]

# The files of an aggregate, best first. show_stacks_handles has no counts.
_AGGREGATES = tuple(kind.value for kind in AggregateKind)

_NOT_IN_CAPTURE = Why(Missing.NOT_IN_CAPTURE, "not in the capture")

Opener = Callable[[], KernelText]


class CaptureSource:
    """Read files that were saved on another machine, plain or compressed.

    `paths`: one directory (flat, or laid out like the machine), one tar archive, "-" for standard input (a tar
    archive or the text of one kernel file), or any number of single files.
    """

    kind = "capture"

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._title = ", ".join(str(path) for path in paths)
        self._files: dict[str, Opener] = {}
        self._errors: dict[str, Why] = {}
        self._modified: dict[str, float] = {}
        self._cut_off: str | None = None
        # Files of other kinds, named in the error if none is page_owner.
        self._others: list[str] = []
        try:
            for path in paths:
                self._add(str(path))
            self._refuse_without_owners(self._title, self._hint_without_owners)
        except SpoTraceError as error:
            known = next(filter(None, (error_for_path(str(path)) for path in paths)), None)
            if known is None:
                raise
            raise known from error

    @property
    def lists_pages(self) -> bool:
        """Return whether there is a record for each page or swap entry: page_owner, or swap_page_owner."""
        return bool(self._files.keys() & set(RECORD_FILES))

    @property
    def aggregate(self) -> AggregateKind | None:
        """Return what there is in place of page_owner, None if there is page_owner or swap_page_owner."""
        if self.lists_pages:
            return None
        return next((AggregateKind(name) for name in _AGGREGATES if name in self._files), None)

    @property
    def modified_at(self) -> float | None:
        """Return the modification time of the file with counts in place of pages, in seconds since 1970, if known."""
        return None if self.lists_pages else self._modified.get(self.aggregate or SITES)

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested, and why an archive is incomplete."""
        return {"from": self._title} | ({"cut_off": self._cut_off} if self._cut_off else {})

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        opener = self._files.get(name)
        if opener is None:
            return None
        text = opener()
        # `cat page_owner` stops with an error at the first record that does not fit the kernel's buffer (ENOMEM).
        if name in self._errors:
            code, why, _ = self._errors[name]
            text.outcome.problem = why if code is Missing.TOO_LARGE else f"it was cut off on the machine: {why}"
        return text

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        return self._errors.get(name, _NOT_IN_CAPTURE)

    def _add(self, path: str) -> None:
        if path == "-":
            return self._add_stream("standard input", standard_input())
        if Path(path).is_dir():
            return self._add_directory(Path(path))
        raw = open_file(path)
        # A named pipe, or <(ssh HOST cat …) of a shell, can be read only once.
        if not Path(path).is_file():
            try:
                return self._add_stream(path, raw)
            except SpoTraceError:
                raw.close()
                raise
        with raw:
            head = raw.read(SNIFFED_BYTES)
        if is_tar(first_bytes(head)):
            return self._add_tar(path, partial(open_file, path))
        content, problem = opened_head(head, HEAD, whole=len(head) < SNIFFED_BYTES)
        name = _name(Path(path), content)
        known = known_content(content) if name is None or name in RECORD_FILES else None
        if known is not None:
            raise SpoTraceError(f"{path}: this is {known.what}", hint=known.hint)
        if name is None and problem:
            raise _not_decompressed(path, problem)
        if name is None:
            raise SpoTraceError(
                f"{path} is not a page_owner capture: it has no line that begins with 'Page allocated via'",
                hint="give the text of /sys/kernel/debug/page_owner, or a directory or tar archive that contains it",
            )
        return self._add_file(name, Path(path))

    def _add_file(self, name: str, path: Path, note: str | None = None) -> None:
        self._put(name, partial(file_text, name, path, note), path)
        with suppress(OSError):
            self._modified[name] = path.stat().st_mtime

    def _hint_without_owners(self) -> str:
        given = ", ".join(self._files)
        also = "show_handles or page_owner" if set(self._files) == {"show_stacks_handles"} else "page_owner"
        return f"{given} alone does not contain page owners: also give {also}, or the directory of both"

    def _put(self, name: str, opener: Opener, path: object) -> None:
        if name in self._files:
            raise UsageError(f"{path} is a second {name}", hint="a snapshot is of one machine at one time")
        self._files[name] = opener

    def _add_directory(self, root: Path) -> None:
        for name, laid_out in PATHS.items():
            for base in (root / laid_out, root / "page_owner_stacks" / name, root / name):
                if (err_path := base.with_name(base.name + ".err")).is_file():
                    self._errors[name] = _read_err_file(err_path)
                path = next((p for p in spellings(base) if p.is_file()), None)
                if path is not None:
                    self._add_file(name, path)
                    break
            else:
                others = (path for pattern in OTHER_PATHS.get(name, ()) for path in sorted(root.glob(pattern)))
                if (other := next((path for path in others if path.is_file()), None)) is not None:
                    self._add_file(name, other)
        if not self._has_owners():
            self._add_by_content(str(root), contents_of(root), self._add_file)
        self._refuse_without_owners(str(root), lambda: hint_for_directory(root))

    def _add_tar(self, title: str, reopen: Callable[[], BinaryIO]) -> None:
        tarball = Tarball(title, reopen)
        for name in PATHS:
            if tarball.find(name) is not None:
                self._put(name, partial(tarball.text, name), title)  # type: ignore[arg-type]
        self._errors |= tarball.errors
        self._cut_off = tarball.cut_off
        if not self._has_owners():

            def put(name: str, path: Path, note: str | None) -> None:
                self._put(name, partial(tarball.text_at, name, str(path), note), title)

            self._add_by_content(title, tarball.contents(), put)
        self._refuse_without_owners(
            title, lambda: tarball.hint() or "spo-trace capture-script prints a script that makes one"
        )

    def _has_owners(self) -> bool:
        return self.lists_pages or "page_owner" in self._errors

    def _add_by_content(
        self, title: str, contents: Iterable[tuple[Path, bytes]], put: Callable[[str, Path, str | None], None]
    ) -> None:
        found, others = texts_by_content(title, contents, self._files)
        self._others += others
        for one in found:
            put(*one)

    def _refuse_without_owners(self, title: str, hint: Callable[[], str]) -> None:
        if not self._files.keys() & {*RECORD_FILES, SITES} and self.aggregate is None:
            why = f": {self._errors['page_owner'].text}" if "page_owner" in self._errors else ""
            if not why and set(self._files) == {"show_stacks_handles"}:
                why = ": this is show_stacks_handles of page_owner_stacks (stacks without page owners)"
            if not why and self._others:
                why = f": {'; '.join(self._others[:3])}"
            if not why and self._cut_off:
                why = f": {self._cut_off}"
            raise SpoTraceError(f"{title} has no page_owner file{why}", hint=hint())

    def _add_stream(self, title: str, raw: BinaryIO) -> None:
        head = read_head(raw, SNIFFED_BYTES)
        if is_tar(first_bytes(head)):
            return self._add_tar(title, partial(open_file, spooled(Rewound(head, raw))))
        content, problem = opened_head(head, HEAD, whole=len(head) < SNIFFED_BYTES)
        name = name_by_content(content)
        known = known_content(content) if name is None or name in RECORD_FILES else None
        if known is not None:
            raise SpoTraceError(f"{title}: this is {known.what}", hint=known.hint)
        if name is None and problem:
            raise _not_decompressed(title, problem)
        if name is None:
            raise SpoTraceError(
                f"{title} has no page_owner text" if head else f"{title} is empty",
                hint=("try: cat /sys/kernel/debug/page_owner | ", Call("snapshot", from_="-", output="NAME.spo")),
            )
        return self._put(name, partial(stream_text, name, head, raw), title)


# Of texts with owners, the content decides.
def _name(path: Path, content: bytes) -> str | None:
    by_path, by_content = name_by_path(path), name_by_content(content)
    if by_path in (*RECORD_FILES, *STACK_FILES) and by_content is not None:
        return by_content
    return by_path or by_content


def _not_decompressed(title: str, problem: str) -> SpoTraceError:
    return SpoTraceError(f"{title} can't be decompressed: {problem}", hint="was the transfer complete?")


def _read_err_file(path: Path) -> Why:
    with open_regular(path) as file:
        return read_err(file.read(MAX_ERROR_BYTES))
