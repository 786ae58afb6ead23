# SPDX-License-Identifier: LGPL-2.1-or-later
"""The event mode: how many pages were written to swap, read and freed, by owner."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import NamedTuple, Protocol

from spo_trace.formats.escape import escape
from spo_trace.probes.probes import KNOWN_OWNER, Event
from spo_trace.probes.symbolizer import Symbolizer

__all__ = ["EventOwner", "Rates", "rates_between", "stacks_of", "total_events"]

_KINDS = 3
# The start of a frame in a probe. 0x: /proc/kallsyms does not show where the last BPF program ends, so an address in it
# has no name.
_PROBE = ("bpf_prog_", "bpf_trampoline_", "0x")


class EventSource(Protocol):
    """Describe the part of probes.Probes that events need."""

    def events(self) -> list[Event]:
        """Return the events since the attach."""
        ...

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the addresses of the stack of each stack depot handle."""
        ...

    def hook_stack(self, number: int) -> tuple[int, ...]:
        """Return the addresses of a stack that was taken at a hook."""
        ...


class EventOwner(NamedTuple):
    """Identify the owner of events; `known` as in an Event."""

    comm: str
    known: int
    stack: int


class Rates(NamedTuple):
    """Hold the base pages per second of one owner."""

    owner: EventOwner
    out: float
    in_: float
    freed: float


def total_events(probes: EventSource, *, by_stack: bool) -> Counter[tuple[EventOwner, int]]:
    """Return the pages of each kind (0 out, 1 in, 2 freed) since the attach; stacks are separate if `by_stack`."""
    totals: Counter[tuple[EventOwner, int]] = Counter()
    for event in probes.events():
        owner = EventOwner(escape(event.comm), event.known, event.stack if by_stack else 0)
        totals[owner, event.kind] += event.pages
    return totals


def rates_between(
    before: Counter[tuple[EventOwner, int]], after: Counter[tuple[EventOwner, int]], seconds: float
) -> Iterator[Rates]:
    """Yield the pages per second between two totals, most pages first, for owners with any events."""
    pages = after - before
    owners = {owner for owner, _ in pages}
    amounts = {owner: [pages[owner, kind] for kind in range(_KINDS)] for owner in owners}
    for owner in sorted(owners, key=lambda w: (-sum(amounts[w]), w)):
        yield Rates(owner, *(amount / seconds for amount in amounts[owner]))


def stacks_of(probes: EventSource, symbols: Symbolizer, owners: Iterable[EventOwner]) -> dict[EventOwner, list[str]]:
    """Return the frames of the owners' stacks, innermost first."""
    by_handle = probes.stacks()
    addresses = {
        owner: by_handle.get(owner.stack, ()) if owner.known == KNOWN_OWNER else probes.hook_stack(owner.stack)
        for owner in owners
    }
    frames = {owner: map(symbols.frame, stack) for owner, stack in addresses.items()}
    # A stack taken at a hook begins with the probe itself.
    return {owner: list(dropwhile(lambda text: text.startswith(_PROBE), stack)) for owner, stack in frames.items()}
