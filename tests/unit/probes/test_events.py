# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rates of events by name and by stack, highest first."""

from collections import Counter

import pytest

from spo_trace.probes.capacity import ENTRY_BYTES, capacity
from spo_trace.probes.events import EventOwner, Rates, rates_between, stacks_of, total_events
from spo_trace.probes.probes import Event
from spo_trace.probes.symbolizer import Symbolizer
from tests.unit.probes.fake_maps import FakeMaps

DD = EventOwner("dd", 1, 0)


def test_totals_by_name_and_by_stack() -> None:
    maps = FakeMaps(events=[Event(0, 1, 5, b"dd", 23), Event(0, 1, 6, b"dd", 2), Event(2, 0, 5, b"k\n", 1)])
    assert total_events(maps, by_stack=False) == {(DD, 0): 25, (EventOwner(r"k\n", 0, 0), 2): 1}
    assert total_events(maps, by_stack=True) == {
        (EventOwner("dd", 1, 5), 0): 23,
        (EventOwner("dd", 1, 6), 0): 2,
        (EventOwner(r"k\n", 0, 5), 2): 1,
    }


def test_rates_are_of_the_interval() -> None:
    cat, idle = EventOwner("cat", 1, 0), EventOwner("idle", 1, 0)
    before = Counter({(DD, 0): 100, (idle, 1): 7})
    after = Counter({(DD, 0): 123, (DD, 2): 1, (cat, 1): 40, (idle, 1): 7})
    assert list(rates_between(before, after, 2)) == [Rates(cat, 0, 20, 0), Rates(DD, 11.5, 0, 0.5)]


def test_stacks_of_owners_and_of_callers() -> None:
    symbols = Symbolizer(["1000 T alloc\n", "2000 T swap_writeout\n", "3000 T last\n"])
    maps = FakeMaps(stacks={5: (0x1001,)})
    everybody = [EventOwner("dd", 1, 5), EventOwner("dd", 1, 6), EventOwner("kswapd0", 0, 0x2004)]
    frames = [["alloc+0x1/0x1000"], [], ["swap_writeout+0x4/0x1000"]]
    assert list(stacks_of(maps, symbols, everybody).values()) == frames


def test_a_stack_does_not_include_the_probe_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("bpf_prog_6997cd58_kfunc__swap_read_folio\t[bpf]", "bpf_trampoline_644\t[bpf]", "swap_read_folio", "end")
    symbols = Symbolizer([f"{n + 1}000 T {name}\n" for n, name in enumerate(names)])
    maps = FakeMaps()
    monkeypatch.setattr(maps, "hook_stack", lambda _: (0x1001, 0x2001, 0x3009))
    (frames,) = stacks_of(maps, symbols, [EventOwner("dd", 0, 1)]).values()
    assert frames == ["swap_read_folio+0x9/0x1000"]


MIB = 1 << 20


@pytest.mark.parametrize(
    ("total", "swap", "asked", "entries"),
    [
        (8192 * MIB, 2048 * MIB, None, 524_288),
        # At most 1/32 of memory, but at least 65,536.
        (8192 * MIB, 1 << 40, None, 8192 * MIB // 32 // ENTRY_BYTES),
        (8192 * MIB, 0, None, 65_536),
        (64 * MIB, 2048 * MIB, None, 65_536),
        (64 * MIB, 2048 * MIB, 1_000_000, 1_000_000),
    ],
)
def test_room_for_entries(total: int, swap: int, asked: int | None, entries: int) -> None:
    size = capacity({"MemTotal": total, "SwapTotal": swap}, 4096, asked)
    assert size == (entries, total // 4096, swap // 4096)
