# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report of a fleet: its sums are those of `spo.attribute` over the snapshots that count."""

import builtins
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.fleet.fleet import Fleet
from spo_trace.schema import KEY_KNOWN
from spo_trace.snapshots.reader import Snapshot
from tests.support import CARRIED, page
from tests.unit.fleet.machines import machine

RECORDS = ["stack", "symbols", "caller", "callsite", "module", "category", "comm", "memcg"]
RECORDS += ["order", "node", "zone", "migratetype", "slab", "swapped"]
KILO64 = CARRIED.parent / "captures-64k" / "1-dd256"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, list[Snapshot]]:
    """Return a fleet of real captures, and its last snapshots: with and without owners of swap, 4K beside 64K pages."""
    fleet = spo.fleet.open(tmp_path_factory.mktemp("real") / "f", create=True)
    snaps: list[Snapshot] = []
    last = {"a": CARRIED / "7.2-spo" / "2-swapped", "b": CARRIED / "7.2-stock" / "2-swapped", "c": KILO64}
    for host, path in last.items():
        fleet.add(spo.open(CARRIED / "7.2-spo" / "0-initial"), host=host, time="2026-01-01")
        snaps.append(spo.open(path))
        fleet.add(snaps[-1], host=host, time="2026-01-02")
    return fleet, snaps


def owners(table: pd.DataFrame, keys: list[str]) -> dict[Any, list[int]]:
    """Return the bytes of each owner; a missing key is None, a missing amount -1."""
    amounts = ["mem_bytes", "swap_bytes", "swap_cache_bytes", "total_bytes"]
    found = {}
    for row in table.to_dict("records"):
        values = [row[key] for key in keys]
        owner = tuple(None if value is pd.NA or value is None or value != value else value for value in values)
        found[owner, row[KEY_KNOWN]] = [-1 if pd.isna(row[name]) else int(row[name]) for name in amounts]
    assert len(found) == len(table)
    return found


def added(snaps: list[Snapshot], keys: list[str], where: str | None = None) -> dict[Any, list[int]]:
    """Return the sum of `spo.attribute` over snapshots for each owner; an amount that one of them hides is -1."""
    sums: dict[Any, list[int]] = {}
    hidden: set[tuple[Any, int]] = set()
    unknown: Counter[int] = Counter()
    for snap in snaps:
        found = owners(spo.attribute(snap, by=keys, where=where), keys)
        for place in range(4):
            # Missing in all rows: unknown on this machine, which tells nothing about the others.
            unknown[place] += all(amounts[place] < 0 for amounts in found.values())
        for owner, amounts in found.items():
            kept = sums.setdefault(owner, [0, 0, 0, 0])
            for place, amount in enumerate(amounts):
                kept[place] += max(amount, 0)
                if amount < 0 and not all(one[place] < 0 for one in found.values()):
                    hidden.add((owner, place))
    for owner, place in hidden:
        sums[owner][place] = -1
    return sums


@pytest.mark.parametrize("key", RECORDS)
def test_the_sums_are_those_of_attribute(real: tuple[Fleet, list[Snapshot]], key: str) -> None:
    fleet, snaps = real
    found, expected = owners(fleet.report(key), [key]), added(snaps, [key])
    assert set(found) == set(expected)
    for owner, amounts in found.items():
        for place, (one, other) in enumerate(zip(amounts, expected[owner], strict=True)):
            # An owner on the machine without owners of swap alone: its swap is unknown, not 0.
            assert one == other or (one == -1 and other == 0 and place in (1, 2)), (owner, place)


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        (["caller", "memcg"], None),
        (["category", "order", "comm"], None),
        (["comm"], "category == 'slab' and order > 0"),
        (["caller"], "memcg == '/'"),
        (["comm"], "stack.str.contains('ext4') or memcg.isna()"),
        (["caller"], "not slab and comm in ['DD', 'dd']"),
    ],
)
def test_several_keys_and_conditions(real: tuple[Fleet, list[Snapshot]], keys: list[str], where: str | None) -> None:
    fleet, snaps = real
    found, expected = owners(fleet.report(keys, where=where), keys), added(snaps, keys, where)
    assert {owner: amounts[0] for owner, amounts in found.items()} == {
        owner: amounts[0] for owner, amounts in expected.items()
    }
    assert sum(amounts[3] for amounts in found.values()) == sum(amounts[3] for amounts in expected.values())
    assert len(found) > 1


def test_each_host_counts_once(real: tuple[Fleet, list[Snapshot]]) -> None:
    fleet, snaps = real
    found = fleet.report("host").set_index("host")
    for host, snap in zip("abc", snaps, strict=True):
        expected = spo.attribute(snap, by=[]).iloc[0]
        assert found.loc[host, "mem_bytes"] == expected["mem_bytes"]
        assert found.loc[host, "hosts"] == 1
    assert found["swap_bytes"].isna()["b"] and found.loc["c", "swap_bytes"] == 0


def test_an_earlier_time(real: tuple[Fleet, list[Snapshot]]) -> None:
    fleet, _ = real
    # The same snapshot is there once, so it is of one host.
    assert fleet.report("host", at="2026-01-01T12:00Z")["host"].to_list() == ["a"]
    with pytest.raises(SpoTraceError, match="no snapshots that match"):
        fleet.report("host", at="2025-12-31")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Return a fleet of three small machines at two times."""
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number, (pages, swapped) in enumerate(((10, 2), (20, None), (30, 6))):
        for day, more in ((1, 0), (2, 8)):
            snap = machine(
                tmp_path, f"web{number}", pages=pages + more, swapped=swapped, page_kib=64 if number == 2 else 4
            )
            role = {"role": "db" if number == 2 else "web"} if number else {}
            fleet.add(snap, time=f"2026-01-0{day}", labels=role)
    return fleet


def test_the_last_snapshot_counts(fleet: Fleet) -> None:
    found = fleet.report("comm").set_index("comm")
    assert found.loc["leaky", "mem_bytes"] == (18 + 28) * 4096 + 38 * 65536
    assert found.loc["leaky", "hosts"] == 3
    # Known on two hosts only.
    assert found.loc["leaky", "swap_bytes"] == 2 * 4096 + 6 * 65536


def test_a_window_has_the_mean(fleet: Fleet) -> None:
    found = fleet.report("comm", at="2026-01-02", window="2d").set_index("comm")
    assert found.loc["leaky", "mem_bytes"] == (14 + 24) * 4096 + 34 * 65536
    assert found.loc["leaky", "swap_bytes"] == 2 * 4096 + 6 * 65536
    # An owner that one of the snapshots lacks has half.
    assert fleet.report("host", at="2026-01-02", window="1d")["hosts"].sum() == 3


def test_an_owner_that_some_snapshots_of_a_window_lack(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "web1", pages=1), time="2026-01-01")
    fleet.add(machine(tmp_path, "web1", pages=1, boot_number=2, more=page(0x999, comm=b"once")), time="2026-01-02")
    found = fleet.report("comm", at="2026-01-02", window="7d").set_index("comm")
    assert found.loc["once", "mem_bytes"] == 2048


def test_labels_and_selections(fleet: Fleet) -> None:
    found = fleet.report("label.role")
    assert dict(zip(found["label.role"].fillna("-"), found["hosts"], strict=True)) == {"db": 1, "web": 1, "-": 1}
    # It is known that the host has none.
    assert found[KEY_KNOWN].all()
    assert fleet.report("host", only=["label.role=w*"])["host"].to_list() == ["web1"]
    assert fleet.report("host", only=["kernel=7.2.*", "host=web2"])["host"].to_list() == ["web2"]
    with pytest.raises(SpoTraceError, match="no snapshots that match") as raised:
        fleet.report("host", only=["kernel=6.1"])
    assert raised.value.hint == "kernel is one of 7.2.13"


def test_swap_is_in_no_memory_cgroup(fleet: Fleet) -> None:
    found = fleet.report("memcg").fillna({"memcg": "?"}).set_index(["memcg", KEY_KNOWN])
    # Any cgroup may own a part of the swap in the row that is not known.
    assert found.loc[("?", False), "swap_bytes"] == 2 * 4096 + 6 * 65536
    assert found["swap_bytes"].isna()[("web.slice", True)]


def test_nameless_hosts_count_one_by_one(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for number in range(3):
        fleet.add(machine(tmp_path, "(none)", boot_number=number, pages=number + 1))
    found = fleet.report("host")
    assert found["host"].isna().all() and not found[KEY_KNOWN].any()
    assert found["hosts"].to_list() == [3]
    assert found["mem_bytes"].to_list() == [(1 + 2 + 3 + 3 * 3) * 4096]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "pid"}, "a fleet has no key 'pid'"),
        ({"by": []}, "at least one key"),
        ({"by": ["comm", "comm"]}, "given twice"),
        ({"where": "pid == 7"}, "a fleet has no key 'pid'"),
        ({"window": "soon"}, "is not a length of time"),
        ({"at": "noon"}, "is not a time"),
        ({"only": ["colour=red"]}, "selects no snapshots"),
    ],
)
def test_wrong_questions(fleet: Fleet, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fleet.report(**arguments)


def test_an_engine_that_does_not_exist(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="no engine 'oracle'"):
        spo.fleet.open(fleet.name, engine="oracle").report()


def test_without_duckdb(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "duckdb":
            raise ModuleNotFoundError(name)
        return really(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpoTraceError, match="DuckDB, which is not installed") as raised:
        fleet.report()
    assert raised.value.hint == "in a checkout of spo-trace: pip install '.[fleet]'"
