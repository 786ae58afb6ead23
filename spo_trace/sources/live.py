# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, now: debugfs and /proc, each record as the kernel returns it."""

import datetime
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from spo_trace.formats import proc
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.runs import Buffer, Filled, Records, Run
from spo_trace.formats.text import Chunks, Content, DelimitedRecords, KernelText, Outcome, PlainFile, ReaderRuns
from spo_trace.machine.facts import DEBUGFS, Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.sources.child_reader import ChildFailed, abandoned, read_in_child
from spo_trace.sources.kernel_file import KernelFile
from spo_trace.sources.many_readers import positions_are_pfns, range_runs
from spo_trace.sources.one_reader import read_records
from spo_trace.sources.own_memory import keep_freed_memory
from spo_trace.sources.print_mode import HANDLE, prints_handles, stack_at
from spo_trace.sources.source import PATHS, STACK_FILES
from spo_trace.sources.unreadable import explain

__all__ = ["STACKS_TIMEOUT", "LiveSource"]

# Seconds without data after which reading page_owner_stacks is abandoned.
STACKS_TIMEOUT = 10.0

_NO_SWAP = Why(Missing.NOT_SWITCHED_ON, "page_owner does not track swap: boot with page_owner=on,swap")
_STUCK = Why(Missing.BLOCKED, "an earlier reader of page_owner_stacks is stuck in the kernel")

# The first releases with the files of page_owner_stacks.
_SINCE = {"show_stacks": "6.9", "show_handles": "6.19", "show_stacks_handles": "6.19"}

_SAME_FILE_LATER = {"meminfo-after": "meminfo", "uptime-after": "uptime"}

T = TypeVar("T")

# Opens the file again, in a print mode if one is given.
Opener = Callable[..., KernelFile]


class LiveSource:
    """Read the kernel's files below the root directory `root`, page_owner by `jobs` parallel readers.

    There is only one reader if the kernel can't start at a given PFN (before Linux 6.1). Reading page_owner_stacks is
    abandoned if it returns no data for `stacks_timeout` seconds.
    """

    kind = "live"

    def __init__(self, root: Path = Path("/"), jobs: int = 1, *, stacks_timeout: float = STACKS_TIMEOUT) -> None:
        self._root = root
        self._machine = Machine(root)
        self._jobs = jobs
        self._stacks_timeout = stacks_timeout
        self._why: dict[str, Why] = {}
        self._stacks_listed = False

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        if name in ("uname", "date", "pagesize"):
            return KernelText(name, Chunks([_from_python(name)]))
        path = self._path(name)
        if name in STACK_FILES:
            return self._open_stacks(name, path)
        with ExitStack() as files:

            def opener(print_mode: bytes | None = None) -> KernelFile:
                return files.enter_context(KernelFile(path, print_mode))

            try:
                text = self._text(name, opener)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise explain(path, error, self._machine) from error
            if text is None:
                return None
            return replace(text, content=self._closing(path, files.pop_all(), text.content))

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        if name in self._why:
            return self._why[name]
        if name not in ("page_owner", "swap_page_owner", *STACK_FILES):
            return Why(Missing.NO_FILE, f"the kernel has no /{PATHS[name]}")
        if why := why_no_page_owner(self._machine):
            return why
        since = f" (Linux {_SINCE[name]} and later have it)" if name in _SINCE else ""
        return Why(Missing.NO_FILE, f"the kernel has no {name} file{since}")

    def _path(self, name: str) -> Path:
        path = PATHS[_SAME_FILE_LATER.get(name, name)]
        if not path.startswith(f"{DEBUGFS}/"):
            return self._root / path
        return self._root / self._machine.debugfs / path.removeprefix(f"{DEBUGFS}/")

    # Read at once: stack_records() needs the whole text, and an incomplete one is not used.
    def _open_stacks(self, name: str, path: Path) -> KernelText | None:
        # An errno is exact; a child gives only a message.
        try:
            path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(path, error, self._machine) from error
        if abandoned():
            self._why[name] = _STUCK
            return None
        try:
            text = read_in_child(path, self._stacks_timeout)
        except ChildFailed as failed:
            self._why[name] = failed.why
            return None
        # From now on page_owner may print handles: the caller has their stacks.
        self._stacks_listed |= name == "show_stacks_handles" and b"handle: " in text
        return KernelText(name, Chunks([text]))

    # None if the file exists, but the kernel refuses to print it.
    def _text(self, name: str, opener: Opener) -> KernelText | None:
        if name == "page_owner":
            return self._pages(opener)
        if name != "swap_page_owner":
            return KernelText(name, Chunks(iter(opener().read, b"")))
        if not _tracks_swap(self._path(name)):
            self._why[name] = _NO_SWAP
            return None
        outcome = Outcome()
        return KernelText(name, DelimitedRecords(_opened_when_read(self._path(name), outcome)), outcome=outcome)

    def _pages(self, opener: Opener) -> KernelText:
        name, outcome = "page_owner", Outcome()
        path = self._path(name)
        mode = HANDLE if self._stacks_listed and prints_handles(path) else None
        files = [opener(mode)]
        if not positions_are_pfns(files[0]):
            return KernelText(name, DelimitedRecords(read_records(opener(), outcome)), outcome=outcome)
        files += [opener(mode) for _ in range(self._jobs - 1)]
        keep_freed_memory()
        last_pfn = self._last_pfn()
        runs = range_runs(files, outcome, last_pfn)
        content = ReaderRuns(runs, len(files), nullcontext())
        return KernelText(name, content, last_pfn, stack_at=partial(stack_at, path) if mode else None, outcome=outcome)

    def _last_pfn(self) -> int | None:
        zones = proc.zoneinfo(self._content("zoneinfo"))
        return max((zone["start_pfn"] + zone["spanned"] for zone in zones), default=None)

    def _closing(self, path: Path, files: ExitStack, content: Content) -> Content:
        match content:
            case Chunks(pieces):
                return Chunks(self._closing_after(path, files, pieces))
            case DelimitedRecords(records):
                return DelimitedRecords(self._closing_after(path, files, records))
            case ReaderRuns(runs):
                return content._replace(runs=self._explaining(path, runs), opened=files)
            case PlainFile():
                return content

    def _closing_after(self, path: Path, files: ExitStack, pieces: Iterable[T]) -> Iterator[T]:
        with files:
            try:
                yield from pieces
            except OSError as error:
                raise explain(path, error, self._machine) from error

    def _explaining(self, path: Path, runs: Iterable[Run]) -> Iterator[Run]:
        for run in runs:
            yield run._replace(fill=partial(self._fill, path, run))

    def _fill(self, path: Path, run: Run, buffer: Buffer) -> Filled:
        try:
            return run.fill(buffer)
        except OSError as error:
            raise explain(path, error, self._machine) from error

    def _content(self, name: str) -> bytes:
        try:
            with KernelFile(self._path(name)) as file:
                return b"".join(iter(file.read, b""))
        except OSError:
            return b""


# The file exists whenever page_owner is on; read(2) fails with EINVAL unless the boot option includes swap.
def _tracks_swap(path: Path) -> bool:
    with KernelFile(path) as file:
        try:
            file.pread(0)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
    return True


# Open the file only when it is read: swap_page_owner is looked up before page_owner is read, and if that read failed,
# nothing would close the file.
def _opened_when_read(path: Path, outcome: Outcome) -> Iterator[Records]:
    with KernelFile(path) as file:
        yield from read_records(file, outcome)


def _from_python(name: str) -> bytes:
    if name == "uname":
        system = os.uname()
        words = (system.sysname, system.nodename, system.release, system.version, system.machine)
        return " ".join(words).encode()
    if name == "date":
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").encode()
    return str(os.sysconf("SC_PAGE_SIZE")).encode()
