# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, now: debugfs and /proc, read with the kernel's own framing."""

import datetime
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.formats.record import KernelText, gathered
from spo_trace.sources.kernel_file import KernelFile, read_records
from spo_trace.sources.source import PATHS, RECORD_FILES

__all__ = ["LiveSource", "explain"]

_SAME_FILE_LATER = {"meminfo-after": "meminfo", "uptime-after": "uptime"}

_MEND = {
    errno.EPERM: "kernel lockdown forbids it: boot without lockdown= (and without Secure Boot's)",
    errno.EACCES: "only root may read it: run it with sudo",
    errno.EINVAL: "page_owner is compiled in but not switched on: boot with page_owner=on",
}


class LiveSource:
    """Read the kernel's files of the machine whose root directory is `root`."""

    kind = "live"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._why: dict[str, str] = {}

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json keeps of how this source was asked for."""
        return {}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        if name in ("uname", "date", "pagesize"):
            return KernelText(name, [_from_python(name)])
        path = self._root / PATHS[_SAME_FILE_LATER.get(name, name)]
        try:
            file = KernelFile(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(path, error) from error
        if name == "swap_page_owner" and not _tracks_swap(file):
            self._why[name] = "page_owner does not track swap: boot with page_owner=on,swap"
            return None
        text = KernelText(name, skipped={})
        if name in RECORD_FILES:
            text.records = gathered(_closing(file, read_records(file, text)))
        else:
            text.chunks = _closing(file, iter(lambda: file.read(), b""))
        return text

    def why_missing(self, name: str) -> str:
        """Return why `open` gave None."""
        if name in self._why:
            return self._why[name]
        if name == "page_owner":
            return "the kernel has no page_owner, or was not booted with page_owner=on; run: spo-trace doctor"
        if name == "swap_page_owner":
            return "the kernel has no swap_page_owner file"
        return f"the kernel has no /{PATHS[name]}"


def explain(path: Path, error: OSError) -> SpoTraceError:
    """Return the error that tells a user what `error` means for the kernel's file `path`, and what mends it."""
    number = error.errno or 0
    mend = _MEND.get(number, "run: spo-trace doctor")
    return SpoTraceError(
        f"{path} can't be read: {os.strerror(number)} ({errno.errorcode.get(number, number)})", hint=mend
    )


# The file is there as soon as page_owner is on; read(2) says EINVAL unless the boot asked for swap too.
def _tracks_swap(file: KernelFile) -> bool:
    try:
        file.pread(0)
    except OSError as error:
        if error.errno == errno.EINVAL:
            file.close()
            return False
    return True


def _closing(file: KernelFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    with file:
        try:
            yield from pieces
        except OSError as error:
            raise explain(file.path, error) from error


def _from_python(name: str) -> bytes:
    if name == "uname":
        system = os.uname()
        words = (system.sysname, system.nodename, system.release, system.version, system.machine)
        return " ".join(words).encode()
    if name == "date":
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").encode()
    return str(os.sysconf("SC_PAGE_SIZE")).encode()
