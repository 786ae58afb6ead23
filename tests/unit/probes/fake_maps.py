# SPDX-License-Identifier: LGPL-2.1-or-later
"""The probes' maps in memory, without a kernel."""

import os
import struct
from collections.abc import Sequence

import numpy as np

from spo_trace.probes.counters import COUNTERS
from spo_trace.probes.probes import Event
from spo_trace.probes.swap_rows import OWNER, RESTORED

__all__ = ["FakeMaps", "Owned"]

# ts_nsec, pfn, handle, pid, tgid, comm
Owned = tuple[int, int, int, int, int, bytes]


class FakeMaps:
    """Hold maps with their keys in no order, as the kernel returns them."""

    def __init__(
        self,
        entries: dict[int, Owned] | None = None,
        restored: dict[int, tuple[int, Owned]] | None = None,
        stacks: dict[int, tuple[int, ...]] | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        self.entries = entries or {}
        self.came_back = restored or {}
        self.known_stacks = stacks or {}
        self.happened = list(events)
        self.counted = dict.fromkeys(COUNTERS, 0)
        self.facts: dict[str, object] = {"owners": True, "used_at_attach": 0, "attached_at": "now", "hooks": {}}
        self.facts["pid"] = os.getpid()
        self.reads: list[str] = []
        self.closed = False

    def read(self, name: str) -> tuple[bytes, bytes]:
        """Return keys and values."""
        self.reads.append(name)
        if name == "entries":
            values = np.array([(*owner, 0) for owner in self.entries.values()], OWNER)
            return _keys(self.entries), values.tobytes()
        rows = [(ts_nsec, (*owner, 0)) for ts_nsec, owner in self.came_back.values()]
        return _keys(self.came_back), np.array(rows, RESTORED).tobytes()

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the stacks."""
        return self.known_stacks

    def counters(self) -> dict[str, int]:
        """Return the counters."""
        return dict(self.counted)

    def events(self) -> list[Event]:
        """Return the events."""
        return self.happened

    def hook_stack(self, number: int) -> tuple[int, ...]:
        """Return a stack taken at a hook."""
        return (number,)

    def close(self) -> None:
        """Record the call."""
        self.closed = True


def _keys(rows: dict[int, object] | dict[int, Owned] | dict[int, tuple[int, Owned]]) -> bytes:
    return struct.pack(f"={len(rows)}Q", *rows)
