# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that are copied as they are, and facts that no file has."""

import errno
import os
import select
import signal
import stat
from time import gmtime, strftime
from typing import NoReturn

from spo_trace.collector.output import Output, write
from spo_trace.collector.packed import Packed
from spo_trace.collector.progress import Progress
from spo_trace.limits import (
    MAX_LIST_BYTES,
    MAX_ONE_LINE_BYTES,
    MAX_PROC_FILE_BYTES,
    MAX_STACKS_FILE_BYTES,
    MAX_ZONEINFO_BYTES,
)

__all__ = ["SmallFiles", "open_regular"]

_PIECE = 4096
_LIMITS = {
    "zoneinfo": MAX_ZONEINFO_BYTES,
    **dict.fromkeys(("allocinfo", "modules", "slabinfo"), MAX_LIST_BYTES),
    **dict.fromkeys(
        (
            "cmdline",
            "uptime",
            "uptime-after",
            "boot_id",
            "uname",
            "date",
            "pagesize",
            "block_size_bytes",
            "version",
        ),
        MAX_ONE_LINE_BYTES,
    ),
}

# The exit status of a child that cannot report its error.
_CHILD_FAILED = 255


def open_regular(path: bytes) -> int:
    """Open a file; in a copied tree, a FIFO or a device may have its name."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class SmallFiles:
    """Copy files below the root directory `root`, empty for this machine; page_owner_stacks with a deadline."""

    def __init__(self, output: Output, root: bytes, timeout: float, progress: Progress) -> None:
        """`timeout`: seconds without data after which reading page_owner_stacks is abandoned."""
        self._progress = progress
        self._output = output
        self._root = root
        self._timeout = timeout
        self._is_stuck = False

    def copy(self, name: str, path: str) -> None:
        """Copy a file, whose path is relative to the root directory."""
        whole = self._root + b"/" + path.encode()
        try:
            fd = open_regular(whole)
        except OSError as error:
            self._output.error(name, error.errno or errno.EIO, whole)
            return
        into = self._output.begin(name)
        most, total, failed = _LIMITS.get(name, MAX_PROC_FILE_BYTES), 0, 0
        try:
            while total <= most and (part := os.read(fd, _PIECE)):
                write(into, part)
                total += len(part)
        except OSError as error:
            failed = error.errno or errno.EIO
        os.close(fd)
        self._output.end(into, not failed or total > 0)
        if failed or total > most:
            self._output.error(name, failed or errno.EFBIG, whole)

    def copy_numbers(self, name: str, path: str) -> None:
        """Copy a file that has 8 bytes for each page frame, compressed."""
        whole = self._root + b"/" + path.encode()
        try:
            fd = open_regular(whole)
        except OSError as error:
            self._output.error(name, error.errno or errno.EIO, whole)
            return
        with self._progress.reading(name):
            packed, total, failed = Packed(self._output, name), 0, 0
            try:
                while part := os.read(fd, _PIECE):
                    packed.add(part)
                    total += len(part)
            except OSError as error:
                failed = error.errno or errno.EIO
            os.close(fd)
            packed.end(not failed or total > 0)
            if failed:
                self._output.error(name, failed, whole)

    def facts(self) -> None:
        """Write the date, uname and the page size; of a copied tree, they are in files, as in a capture."""
        system = os.uname()
        words = (system.sysname, system.nodename, system.release, system.version, system.machine)
        facts = {
            "date": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()).encode(),
            "uname": b" ".join(map(os.fsencode, words)),
            "pagesize": b"%d" % os.sysconf("SC_PAGESIZE"),
        }
        for name, content in facts.items():
            if self._root:
                self.copy(name, name)
            else:
                self._output.text(name, content + b"\n")

    def copy_stacks(self, name: str, debugfs: bytes) -> None:
        """Copy a file of page_owner_stacks.

        On some kernels (reported for 6.17 with 64K pages), a read(2) of it never returns and ignores signals: a child
        reads it.
        """
        path = debugfs + b"/page_owner_stacks/" + name.encode()
        try:
            os.stat(path)
        except OSError as error:
            self._output.error(name, error.errno or errno.EIO, path)
            return
        if self._is_stuck:
            why = "an earlier reader of page_owner_stacks is stuck in the kernel"
            self._output.error(name, errno.ETIMEDOUT, None, why)
            return
        with self._progress.reading(name):
            self._copy_stacks(name, path)

    def _copy_stacks(self, name: str, path: bytes) -> None:
        packed = Packed(self._output, name)
        start, into = os.pipe()
        pid = os.fork()
        if not pid:
            _child(path, into)
        self._progress.child(pid)
        os.close(into)
        try:
            failed = self._copy_from_child(packed, start, pid)
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        packed.end(not failed)
        self._is_stuck |= failed == errno.ETIMEDOUT
        if failed == errno.ETIMEDOUT:
            self._output.error(name, failed, None, "reading it returned no data and was abandoned")
        elif failed:
            self._output.error(name, failed, path)

    def _copy_from_child(self, packed: Packed, start: int, pid: int) -> int:
        ready = select.poll()
        ready.register(start, select.POLLIN)
        total = failed = 0
        while not failed:
            if not ready.poll(1000 * self._timeout):
                failed = errno.ETIMEDOUT
                break
            part = os.read(start, _PIECE)
            if not part:
                break
            packed.add(part)
            total += len(part)
            failed = errno.EFBIG if total > MAX_STACKS_FILE_BYTES else 0
        os.close(start)
        if failed:
            # It is not waited for: on some kernels, it is stuck forever.
            os.kill(pid, signal.SIGKILL)
            return failed
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status if 0 <= status < _CHILD_FAILED else errno.EIO


# It may never end, so it shares nothing with this process but the pipe.
def _child(path: bytes, into: int) -> NoReturn:
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.setsid()
        for number, fd in enumerate((null, into, null)):
            os.dup2(fd, number)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir("/")
        fd = os.open(path, os.O_RDONLY)
        while part := os.read(fd, _PIECE):
            write(1, part)
        os._exit(0)
    except OSError as error:
        os._exit(error.errno or _CHILD_FAILED)
    except BaseException:  # noqa: BLE001  # nothing of the parent's may run in a child
        os._exit(_CHILD_FAILED)
