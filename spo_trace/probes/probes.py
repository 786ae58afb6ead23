# SPDX-License-Identifier: LGPL-2.1-or-later
"""The open maps and links of the probes: they stay attached as long as any process keeps the links open."""

import contextlib
import os
import struct
from pathlib import Path
from typing import NamedTuple, NotRequired

from spo_trace.files.closeable import Closeable
from spo_trace.probes import bpf_maps
from spo_trace.probes.counters import COUNTERS, MISSED
from spo_trace.probes.loader.messages import LoadAnswer

__all__ = ["KNOWN_MAPPER", "KNOWN_OWNER", "Event", "ProbeFacts", "Probes"]

# Bytes of keys and values (bpf/swap_owner.c). A stack has a handle, a size and 16 addresses.
_SIZES = {"entries": (8, 48), "restored": (8, 56), "stacks": (4, 136), "events": (32, 8)}
KNOWN_OWNER, KNOWN_MAPPER = 1, 2

_STACK = struct.Struct("=II16Q")
_EVENT = struct.Struct("=IIq16s")
_CALLER = struct.Struct("=127Q")


class Event(NamedTuple):
    """Hold the pages of one kind of event; `known` gives the meaning of `comm` and `stack`.

    KNOWN_OWNER: the comm of the owner, and a stack depot handle. Otherwise a stack taken at the hook, and the comm of
    the process that had the page mapped (KNOWN_MAPPER) or of the task that called the hooked function (0).
    """

    kind: int
    known: int
    stack: int
    comm: bytes
    pages: int


class ProbeFacts(LoadAnswer):
    """Describe attached probes. These keys are added after the attach; only a snapshot gets `version`.

    `pid`: of the process that keeps them attached. `used_at_attach`: pages of swap in use at the attach.
    """

    pid: NotRequired[int]
    attached_at: NotRequired[str]
    used_at_attach: NotRequired[int]
    version: NotRequired[str]


class Probes(Closeable):
    """Hold the descriptors of the maps, of the programs, and of the links that keep these attached."""

    def __init__(self, facts: ProbeFacts, descriptors: list[int]) -> None:
        """Take ownership of `descriptors` of maps, programs and links."""
        self.facts = facts
        self.descriptors = descriptors
        self._maps = dict(zip(facts["maps"], descriptors, strict=False))
        self._programs = descriptors[len(self._maps) :][: facts["programs"]]

    def close(self) -> None:
        """Close all descriptors; the programs are detached when no process has them open."""
        for fd in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.descriptors = []

    @property
    def readable(self) -> list[int]:
        """Return the descriptors of maps and programs, without the links."""
        return [*self._maps.values(), *self._programs]

    def read(self, name: str) -> tuple[bytes, bytes]:
        """Return all keys and all values of the map `name`, concatenated."""
        return bpf_maps.lookup_all(self._maps[name], *_SIZES[name], step=1 << 12)

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the return addresses of each stack depot handle, innermost first."""
        rows = _STACK.iter_unpack(self.read("stacks")[1])
        return {handle: tuple(entries[:size]) for handle, size, *entries in rows}

    def events(self) -> list[Event]:
        """Return the events since the attach."""
        keys, values = self.read("events")
        pages = struct.unpack(f"={len(values) // 8}Q", values)
        return [
            Event(kind, known, stack, comm.split(b"\0", 1)[0], number)
            for (kind, known, stack, comm), number in zip(_EVENT.iter_unpack(keys), pages, strict=True)
        ]

    def hook_stack(self, number: int) -> tuple[int, ...]:
        """Return the addresses of a stack that was taken at a hook; none if it could not be taken."""
        if number < 0:
            return ()
        raw = bpf_maps.lookup(self._maps["callers"], struct.pack("=I", number), _CALLER.size)
        return tuple(address for address in _CALLER.unpack(raw) if address) if raw else ()

    def counters(self) -> dict[str, int]:
        """Return the counters since the attach, summed over processors."""
        processors = _possible_processors()
        values = {}
        for number, name in enumerate(name for name in COUNTERS if name != MISSED):
            raw = bpf_maps.lookup(self._maps["counters"], struct.pack("=I", number), 8 * processors)
            values[name] = sum(struct.unpack(f"={processors}Q", raw or bytes(8 * processors)))
        values[MISSED] = sum(map(bpf_maps.missed_runs, self._programs))
        return values


# A per-CPU value has a slot for each possible processor, present or not.
def _possible_processors() -> int:
    ranges = Path("/sys/devices/system/cpu/possible").read_text()
    return int(ranges.strip().replace("-", ",").split(",")[-1]) + 1
