# SPDX-License-Identifier: LGPL-2.1-or-later
"""The event mode: how many pages went out to swap, came in and were freed, by whose name and stack."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from typing import NamedTuple, Protocol

from spo_trace.formats.escape import escape
from spo_trace.probes.probes import KNOWN_OWNER, Event
from spo_trace.probes.symbolizer import Symbolizer

__all__ = ["Rates", "Whose", "rates_between", "stacks_of", "total_events"]

_KINDS = 3
# The last of the BPF symbols has no end in /proc/kallsyms, and so no name here.
_PROBE = ("bpf_prog_", "bpf_trampoline_", "0x")


class Happenings(Protocol):
    """Give what the probes counted: see probes.Probes."""

    def events(self) -> list[Event]:
        """Return what happened since the attach."""
        ...

    def stacks(self) -> dict[int, tuple[int, ...]]:
        """Return the addresses of each stack depot handle."""
        ...

    def caller(self, number: int) -> tuple[int, ...]:
        """Return the addresses of one of the stacks that were taken at a hook."""
        ...


class Whose(NamedTuple):
    """Say whom an event is counted for; `known` as for an Event."""

    comm: str
    known: int
    stack: int


class Rates(NamedTuple):
    """Hold base pages per second."""

    whose: Whose
    out: float
    in_: float
    freed: float


def total_events(probes: Happenings, *, by_stack: bool) -> Counter[tuple[Whose, int]]:
    """Return the pages of each kind (0 out, 1 in, 2 freed) since the attach, their stacks apart if `by_stack`."""
    totals: Counter[tuple[Whose, int]] = Counter()
    for event in probes.events():
        whose = Whose(escape(event.comm), event.known, event.stack if by_stack else 0)
        totals[whose, event.kind] += event.pages
    return totals


def rates_between(
    before: Counter[tuple[Whose, int]], after: Counter[tuple[Whose, int]], seconds: float
) -> Iterator[Rates]:
    """Yield the pages per second between two totals, most pages first; those of whom nothing happened are left out."""
    happened = after - before
    everybody = {whose for whose, _ in happened}
    amounts = {whose: [happened[whose, kind] for kind in range(_KINDS)] for whose in everybody}
    for whose in sorted(everybody, key=lambda w: (-sum(amounts[w]), w)):
        yield Rates(whose, *(amount / seconds for amount in amounts[whose]))


def stacks_of(probes: Happenings, symbols: Symbolizer, everybody: Iterable[Whose]) -> dict[Whose, list[str]]:
    """Return the frames of events' stacks, innermost first."""
    owners = probes.stacks()
    addresses = {
        whose: owners.get(whose.stack, ()) if whose.known == KNOWN_OWNER else probes.caller(whose.stack)
        for whose in everybody
    }
    frames = {whose: map(symbols.frame, stack) for whose, stack in addresses.items()}
    # A stack that was taken at a hook begins with the probe itself.
    return {whose: list(dropwhile(lambda text: text.startswith(_PROBE), stack)) for whose, stack in frames.items()}
