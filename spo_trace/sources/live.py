# SPDX-License-Identifier: LGPL-2.1-or-later
"""This machine, now: its small files and the kernel's counts in place; the owners are collected first."""

import datetime
import os
from functools import partial
from itertools import islice
from pathlib import Path

from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.text import Chunks, KernelText
from spo_trace.limits import MAX_ZONEINFO_BYTES
from spo_trace.machine.facts import Machine
from spo_trace.sources.child_reader import ChildFailed, abandoned, read_in_child
from spo_trace.sources.live_capture import LiveRequest
from spo_trace.sources.live_reasons import why_no_file
from spo_trace.sources.source import PATHS, RECORD_FILES, STACK_FILES
from spo_trace.sources.unreadable import explain

__all__ = ["LiveSource"]

# For a read(2) of a file in /proc/sys, the kernel allocates as much as is asked for.
_PIECE = 1 << 12

_STUCK = Why(Missing.BLOCKED, "an earlier reader of page_owner_stacks is stuck in the kernel")


class LiveSource:
    """Read the kernel's small files and page_owner_stacks, below the root directory of `request`.

    page_owner and swap_page_owner are not read in place: see `collect_capture` and CollectedSource.
    """

    kind = "live"

    def __init__(self, request: LiveRequest) -> None:
        self.request = request
        self._machine = Machine(request.root)
        self._why: dict[str, Why] = {}

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        assert name not in RECORD_FILES
        if name in ("uname", "date", "pagesize"):
            return KernelText(name, Chunks([_from_python(name)]))
        path = self._machine.path(PATHS[name])
        if name in STACK_FILES:
            return self._open_stacks(name, path)
        try:
            with path.open("rb", buffering=0) as file:
                pieces = islice(iter(partial(file.read, _PIECE), b""), MAX_ZONEINFO_BYTES // _PIECE)
                return KernelText(name, Chunks([b"".join(pieces)]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise explain(path, error, self._machine) from error

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        return self._why.get(name) or why_no_file(self._machine, name)

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
            return KernelText(name, Chunks([read_in_child(path, self.request.stacks_timeout)]))
        except ChildFailed as failed:
            self._why[name] = failed.why
            return None


def _from_python(name: str) -> bytes:
    if name == "uname":
        system = os.uname()
        words = (system.sysname, system.nodename, system.release, system.version, system.machine)
        return " ".join(words).encode()
    if name == "date":
        return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").encode()
    return str(os.sysconf("SC_PAGE_SIZE")).encode()
