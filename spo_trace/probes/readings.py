# SPDX-License-Identifier: LGPL-2.1-or-later
"""The maps of the running trace, as they were when this machine was read.

page_owner is read at one time and parsed later, so the maps must be kept as they were at that time. This module and
what it imports take little memory.
"""

import os
from pathlib import Path

from spo_trace.errors import SpoTraceError
from spo_trace.files.closeable import Closeable
from spo_trace.probes.probes import ProbeFacts, Probes
from spo_trace.probes.server import connect

__all__ = ["MapReadings", "running_trace"]

_NONE = ("no trace is running", "start one: sudo spo-trace trace, and leave it running")
_NO_OWNERS = (
    "the running trace has no owners: page_owner is not on",
    "boot with page_owner=on (a kernel with CONFIG_PAGE_OWNER), and restart the trace",
)

# All keys and all values of a map, concatenated.
RawMap = tuple[bytes, bytes]


class MapReadings(Closeable):
    """Hold what a trace knew before and after page_owner was read.

    The map `restored` (pages that came back from swap) has one entry for each page frame. A page that came back before
    the read, and whose page frame another page from swap took during the read, is only in the first reading; one that
    came back during the read is only in the second.
    """

    def __init__(self, probes: Probes) -> None:
        """Take ownership of `probes`, and read for the first time."""
        self._probes = probes
        self.restored: list[RawMap] = [probes.read("restored")]
        self.entries: RawMap = (b"", b"")
        self.counters: dict[str, int] = {}
        self.swaps = b""
        self.has_ended = False

    @property
    def facts(self) -> ProbeFacts:
        """Return the facts about the trace."""
        return self._probes.facts

    def read_again(self) -> None:
        """Read the maps right after page_owner, and /proc/swaps, with which the number of entries is compared."""
        self.entries = self._probes.read("entries")
        self.swaps = Path("/proc/swaps").read_bytes()
        self.restored.append(self._probes.read("restored"))
        self.counters = self._probes.counters()
        self.has_ended = not Path(f"/proc/{self.facts['pid']}").exists()

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the addresses of the stack of each stack depot handle; the kernel never changes them."""
        return self._probes.stacks()

    def close(self) -> None:
        """Disconnect from the trace, which continues."""
        self._probes.close()


def running_trace(mode: str) -> MapReadings | None:
    """Return the trace that runs on this machine, for `--swap MODE`; None if there is none and none is required.

    Raise SpoTraceError for `bpf` if no trace runs, or if it has no owners.
    """
    if mode not in ("auto", "bpf"):
        return None
    probes = connect() if mode == "bpf" or os.geteuid() == 0 else None
    if probes is None or not probes.facts["owners"]:
        if mode == "bpf":
            why, hint = _NONE if probes is None else _NO_OWNERS
            raise SpoTraceError(f"no owners of swap from probes: {why}", hint=hint)
        return None
    return MapReadings(probes)
