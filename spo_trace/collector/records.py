# SPDX-License-Identifier: LGPL-2.1-or-later
"""page_owner and swap_page_owner; native/collect/records.c does the same, with several readers."""

import errno
import os
import re
from collections.abc import Iterator

from spo_trace.collector.memory_lack import Found, Lack
from spo_trace.collector.output import Output
from spo_trace.collector.packed import Packed
from spo_trace.collector.progress import Progress
from spo_trace.collector.small_files import open_regular
from spo_trace.collector.stacks import LONGEST_RECORD, PAGE, Stacks, number_of, prints_handle

__all__ = ["RecordCopy"]

_TEXT_BYTES = 16 << 10
_PIECE_BYTES = 2 * LONGEST_RECORD
_START = b"Page allocated via "
_SEPARATOR_BYTES = 32
# A position after it fits in an off_t, too.
_LAST_POSITION = (1 << 63) - 2


class RecordCopy:
    """Copy a file of records; `handles_are_kernels`: the kernel itself prints handles, so records stay as they are."""

    def __init__(self, output: Output, stacks: Stacks, progress: Progress) -> None:
        self.handles_are_kernels = False
        self._progress = progress
        self._output = output
        self._stacks = stacks

    def copy(self, name: str, kind: re.Pattern[bytes], path: bytes) -> bool:
        """Return whether the file could be read at all; NAME.err says why not."""
        try:
            fd = open_regular(path)
        except OSError as error:
            self._output.error(name, error.errno or errno.EIO, path)
            return False
        with self._progress.reading(name) as reading:
            kept, reading.repeated = self._copy(name, kind, path, fd)
        return kept

    def _copy(self, name: str, kind: re.Pattern[bytes], path: bytes, fd: int) -> tuple[bool, int]:
        packed = Packed(self._output, name)
        lack = Lack(fd)
        failed = 0
        any_text = False
        try:
            for text in self._texts(fd, kind, lack):
                any_text = True
                packed.add(text)
                self._progress.at(name, _position(fd))
        except OSError as error:
            failed = error.errno or errno.EIO
        os.close(fd)
        packed.end(kept := not failed or any_text)
        self._note_problems(name, path, failed, lack.too_large)
        return kept, lack.repeated

    def _note_problems(self, name: str, path: bytes, failed: int, too_large: int) -> None:
        if failed == errno.ENOMEM:
            self._output.error(name, failed, None, "the kernel ran out of memory (ENOMEM) and did not recover")
        elif failed:
            self._output.error(name, failed, path)
        elif too_large:
            self._output.error(name, errno.E2BIG, None, f"{too_large} records do not fit the kernel's buffer")

    def _texts(self, fd: int, kind: re.Pattern[bytes], lack: Lack) -> Iterator[bytes]:
        # Files in debugfs have size 0.
        if os.fstat(fd).st_size:
            yield from self._of_copy(fd, kind)
            return
        if kind is PAGE:
            self.handles_are_kernels = _kernel_prints_handles(fd)
        failed: OSError | None = None
        pieces: list[bytes] = []
        size = 0
        try:
            for record in _records(fd, kind, lack):
                pieces.append(record if self.handles_are_kernels else self._stacks.replace(kind, record))
                size += len(pieces[-1])
                if size >= _TEXT_BYTES:
                    yield b"".join(pieces)
                    pieces, size = [], 0
        except OSError as error:
            failed = error
        if pieces:
            yield b"".join(pieces)
        if failed is not None:
            raise failed

    def _of_copy(self, fd: int, kind: re.Pattern[bytes]) -> Iterator[bytes]:
        first = os.read(fd, _PIECE_BYTES)
        if kind is PAGE:
            self.handles_are_kernels = prints_handle(first)
        for record, is_whole in _pieces(fd, first):
            changed = is_whole and record.startswith(_START) and not self.handles_are_kernels
            yield self._stacks.replace(kind, record) if changed else record


def _kernel_prints_handles(fd: int) -> bool:
    try:
        return prints_handle(os.pread(fd, LONGEST_RECORD, 0))
    except OSError:
        return False


# Yield a copied file in pieces that begin where a record does; False for pieces of a record that is too long.
def _pieces(fd: int, text: bytes) -> Iterator[tuple[bytes, bool]]:
    is_whole, at_end = True, False
    while not at_end:
        more = os.read(fd, _PIECE_BYTES - len(text)) if len(text) < _PIECE_BYTES else b""
        at_end = len(text) < _PIECE_BYTES and not more
        text += more
        start = 0
        while (stop := text.find(b"\n" + _START, start) + 1) or (at_end and start < len(text)):
            stop = stop or len(text)
            yield text[start:stop], is_whole
            start, is_whole = stop, True
        if not start and len(text) == _PIECE_BYTES:
            start = len(text) - _SEPARATOR_BYTES
            yield text[:start], False
            is_whole = False
        text = text[start:]


# Yield what each read(2) returns.
def _records(fd: int, kind: re.Pattern[bytes], lack: Lack) -> Iterator[bytes]:
    # Where positions cannot be set (page_owner before 6.1): the position of the next read, and number - position.
    position: int | None = None
    base: int | None = None
    while True:
        try:
            record = os.read(fd, LONGEST_RECORD) if position is None else os.pread(fd, LONGEST_RECORD, position)
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            found, next_position = lack.pass_by(_position(fd) if position is None else position, _LAST_POSITION)
            if found is Found.LASTS:
                raise
            if next_position > _LAST_POSITION:
                if lack.known is None:
                    raise
                return
            if found is Found.SKIPPED:
                try:
                    os.lseek(fd, next_position, os.SEEK_SET)
                except OSError:
                    if base is None:
                        raise error from None
                    position = next_position
            continue
        if not record:
            return
        if base is None or position is not None:
            number = number_of(kind, record)
            if number is not None:
                base = number + 1 - _position(fd) if base is None else base
                lack.known = 0 if lack.known is None else lack.known
                position = None if position is None else number + 1 - base
            elif position is not None:
                raise OSError(errno.ENOMEM, "the record has no number")
        yield record


# 8f0efa81dfbc, 6.1: the file has .llseek. fdinfo has the position on every version.
def _position(fd: int) -> int:
    try:
        return os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as file:
            return int(file.readline().removeprefix(b"pos:"))
