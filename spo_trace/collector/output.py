# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture: a directory, which gets its name when it is complete, or a tar archive on standard output."""

import ctypes
import errno
import os
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from spo_trace.collector.messages import CollectError, code_of, reason
from spo_trace.collector.owner import Owner

__all__ = ["Output", "write"]

_RENAME_NOREPLACE = 1
_BLOCK, _RECORD = 512, 10240
_PIECE = 8192


class Output:
    """Write the files of a capture, one after the other; a context manager that leaves nothing after an error."""

    def __init__(self, target: bytes | None) -> None:
        """Create the directory `target` under a temporary name; None for an archive on standard output."""
        self._target = target
        self._written = 0
        self._names: list[bytes] = []
        self._directory: int | None = None
        self._owner: Owner | None = None
        if target is not None:
            self._open_directory(target)
        elif sys.stdout.isatty():
            raise CollectError("an archive is not written to a terminal; name a directory, or a pipe")

    def _open_directory(self, target: bytes) -> None:
        parent, self._final = os.path.split(target.rstrip(b"/"))
        shown = os.fsdecode(target)
        if self._final in (b"", b".", b".."):
            raise CollectError(f"{shown} is not the name of a new directory")
        try:
            self._parent = os.open(
                parent or (b"/" if target.startswith(b"/") else b"."), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            )
        except OSError as error:
            raise CollectError(f"{os.fsdecode(parent or b'.')}: {reason(error)}") from error
        if self._exists(self._final):
            raise CollectError(f"{shown} exists already")
        self._temporary = b".spo-trace-%b.tmp" % os.urandom(8).hex().encode()
        try:
            os.mkdir(self._temporary, 0o700, dir_fd=self._parent)
        except OSError as error:
            raise CollectError(f"{shown} cannot be written: {reason(error)}") from error
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._directory = os.open(self._temporary, flags, dir_fd=self._parent)
        status = os.fstat(self._directory)
        # A user who may write to the parent can put another directory there, even one of ours.
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or os.listdir(self._directory):
            raise CollectError(f"{shown} was replaced while it was being created")
        self._owner = Owner.within(self._parent, shown)

    def _exists(self, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=self._parent, follow_symlinks=False)
        except OSError:
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._directory is None:
            return
        for name in self._names:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._directory)
        with suppress(OSError):
            os.rmdir(self._temporary, dir_fd=self._parent)

    def begin(self, name: str) -> int:
        """Return the descriptor of a new file, which is completed before the next one begins."""
        self._names.append(name.encode())
        if self._directory is None:
            return _unnamed_file()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o600, dir_fd=self._directory)
        except OSError as error:
            self._names.pop()
            raise CollectError(f"{name} cannot be written: {reason(error)}") from error

    def end(self, fd: int, kept: bool) -> None:
        """Complete the file that was begun last, or remove it."""
        name = self._names[-1] if kept else self._names.pop()
        try:
            if self._directory is None and kept:
                self._add_member(name, fd)
            elif kept:
                self._give(fd)
            elif self._directory is not None:
                os.unlink(name, dir_fd=self._directory)
        finally:
            os.close(fd)

    def text(self, name: str, content: bytes) -> None:
        """Write a small file."""
        fd = self.begin(name)
        write(fd, content)
        self.end(fd, True)

    def error(self, name: str, number: int, path: bytes | None, why: str | None = None) -> None:
        """Write NAME.err: a code, the path and the reason."""
        place = b"" if path is None else path + b": "
        self.text(
            f"{name}.err", code_of(number).encode() + b": " + place + (why or os.strerror(number)).encode() + b"\n"
        )

    def commit(self) -> None:
        """Give the capture its name, or end the archive."""
        if self._directory is None:
            self._to_stdout(bytes(2 * _BLOCK + _RECORD - (self._written + 2 * _BLOCK) % _RECORD))
            return
        named = os.stat(self._temporary, dir_fd=self._parent, follow_symlinks=False)
        opened = os.fstat(self._directory)
        shown = os.fsdecode(self._target or b"")
        if (named.st_ino, named.st_dev) != (opened.st_ino, opened.st_dev):
            raise CollectError(f"{shown} was replaced by another program while it was being written")
        self._give(self._directory)
        try:
            self._rename()
        except OSError as error:
            raise CollectError(f"{shown} cannot be written: {reason(error)}") from error
        self._directory = None

    def _give(self, fd: int) -> None:
        if self._owner is not None and not self._owner.give(fd):
            self._owner = None

    # NFS and 9p have no RENAME_NOREPLACE, and kernels before 3.15 no renameat2(2).
    def _rename(self) -> None:
        renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if renameat2 is not None:
            if renameat2(self._parent, self._temporary, self._parent, self._final, _RENAME_NOREPLACE) == 0:
                return
            if ctypes.get_errno() == errno.EEXIST:
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        if self._exists(self._final):
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.rename(self._temporary, self._final, src_dir_fd=self._parent, dst_dir_fd=self._parent)

    def _add_member(self, name: bytes, fd: int) -> None:
        left = os.lseek(fd, 0, os.SEEK_END)
        os.lseek(fd, 0, os.SEEK_SET)
        self._to_stdout(_tar_header(name, left))
        padding = -left % _BLOCK
        while left and (piece := os.read(fd, min(left, _PIECE))):
            self._to_stdout(piece)
            left -= len(piece)
        self._to_stdout(bytes(padding))

    def _to_stdout(self, content: bytes) -> None:
        try:
            write(1, content)
        except CollectError as error:
            raise CollectError(str(error).replace("capture", "archive")) from error
        self._written += len(content)


def write(fd: int, content: bytes) -> None:
    """Write all of `content`."""
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise CollectError(f"the capture cannot be written: {reason(error)}") from error


def _unnamed_file() -> int:
    failed: OSError | None = None
    for directory in filter(None, (os.environb.get(b"TMPDIR"), b"/var/tmp", b"/tmp")):
        try:
            return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            failed = error
        path = directory + b"/.spo-trace-%b.tmp" % os.urandom(8).hex().encode()
        with suppress(OSError):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            os.unlink(path)
            return fd
    assert failed is not None
    raise CollectError(f"no temporary file: {reason(failed)}; name a directory in TMPDIR")


# Octal digits; a size of 8 GiB or more is written in binary, as GNU tar does.
def _tar_number(width: int, number: int) -> bytes:
    if number >> 3 * (width - 1):
        return b"\x80" + number.to_bytes(width - 1, "big")
    return b"%0*o\0" % (width - 1, number)


def _tar_header(name: bytes, size: int) -> bytes:
    start = (b"spo-trace-capture/" + name).ljust(100, b"\0") + _tar_number(8, 0o600) + 2 * _tar_number(8, 0)
    start += _tar_number(12, size) + _tar_number(12, int(time.time()))
    end = (b"0".ljust(101, b"\0") + b"ustar\x0000").ljust(_BLOCK - 156, b"\0")
    return start + _tar_number(7, sum(start) + 8 * ord(" ") + sum(end)) + b" " + end
