# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture that was just collected of this machine, with this machine's reasons for what it lacks."""

import errno
from pathlib import Path
from typing import NamedTuple

from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.reasons import Skipped
from spo_trace.formats.text import KernelText
from spo_trace.machine.facts import Machine
from spo_trace.machine.needs import why_no_page_owner
from spo_trace.sources.captured_text import file_text
from spo_trace.sources.err_file import code_of_err, read_err, skipped_records
from spo_trace.sources.live_reasons import NO_SWAP, why_no_file
from spo_trace.sources.source import BLOCK_SIZE_FILES, PATHS, STACK_FILES
from spo_trace.sources.unreadable import Unreadable, explain

__all__ = ["CollectedSource"]

_SAME_FILE_LATER = {"meminfo-after": "meminfo", "uptime-after": "uptime"}


class _Read(NamedTuple):
    began: float
    seconds: float
    repeated: int


class CollectedSource:
    """Read the capture `directory` that the collector made of the machine at `root`."""

    kind = "live"

    def __init__(self, directory: Path, root: Path = Path("/")) -> None:
        self._directory = directory
        self._machine = Machine(root)
        self._why: dict[str, Why] = {}
        self._reads = _reads(directory / "reads")

    @property
    def options(self) -> dict[str, str]:
        """Return what snapshot.json records of how this source was requested."""
        return {}

    def open(self, name: str) -> KernelText | None:
        """Return the text of the file `name` of PATHS, None if there is none; raise SpoTraceError if unreadable."""
        err = self._err(name)
        code = code_of_err(err) if err else None
        path = next(filter(Path.exists, (self._directory / f"{name}{suffix}" for suffix in (".gz", ""))), None)
        if path is None or (err and code not in (errno.E2BIG, errno.ENOMEM, errno.EFBIG)):
            self._note_missing(name, err, code)
            return None
        text = file_text(name, path)
        if err:
            why = read_err(err)
            if why.code is Missing.TOO_LARGE:
                text.outcome.skipped[Skipped.TOO_LARGE] = skipped_records(err)
            else:
                text.outcome.problem = why.text
        self._note_times(text)
        return text

    def _note_times(self, text: KernelText) -> None:
        if text.name in self._reads:
            text.outcome.began, text.outcome.seconds, text.outcome.retried = self._reads[text.name]

    def why_missing(self, name: str) -> Why:
        """Return why `open` returned None."""
        return self._why.get(name) or why_no_file(self._machine, name)

    def _err(self, name: str) -> bytes:
        try:
            return (self._directory / f"{name}.err").read_bytes()
        except FileNotFoundError:
            return b""

    # The file is not there, or only a part of it, which is not used.
    def _note_missing(self, name: str, err: bytes, code: int | None) -> None:
        if not err or code == errno.ENOENT:
            return
        if name == "swap_page_owner" and code == errno.EINVAL:
            self._why[name] = NO_SWAP
            return
        path, why = self._machine.path(PATHS[_SAME_FILE_LATER.get(name, name)]), read_err(err)
        if name in BLOCK_SIZE_FILES:
            self._why[name] = why
            return
        if name in STACK_FILES:
            denied = code in (errno.EACCES, errno.EPERM) and why_no_page_owner(self._machine)
            self._why[name] = denied or why
            return
        if code is None or code == errno.ENOMEM:
            raise Unreadable(f"{path} can't be read: {why.text.removeprefix(f'{path}: ')}", why)
        raise explain(path, OSError(code, ""), self._machine)


# In milliseconds since the collector began: see native/collect/progress.c.
def _reads(path: Path) -> dict[str, _Read]:
    lines = (line.split() for line in path.read_text().splitlines())
    # A file that was read took some time.
    return {
        name: _Read(int(began) / 1000, max(int(took), 1) / 1000, int(repeated)) for name, began, took, repeated in lines
    }
