# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up fleet whose amounts are computed apart: every row of report and diff equals them."""

import re
from pathlib import Path

import duckdb
import numpy as np
import pytest

import spo_trace as spo
from spo_trace.errors import SpoTraceError, UsageError
from spo_trace.fleet.cube import cube_of
from spo_trace.fleet.fleet import Fleet
from tests.bench.fleet_cubes import cube_rows
from tests.bench.fleet_machines import DAYS, KERNELS, PAGE_SIZE, Machines
from tests.support import page
from tests.unit.fleet.machines import machine

MACHINES = Machines(hosts=24, rows=600, stacks=40)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Return the fleet of all snapshots."""
    directory = tmp_path_factory.mktemp("made")
    fleet = spo.fleet.open(directory / "f", create=True)
    for host, _, path in MACHINES.each(directory):
        fleet.add(spo.open(path), labels={"role": MACHINES.role(host)})
    return fleet


# `make bench-fleet` measures more hosts than there is space for their snapshots.
@pytest.mark.parametrize(("host", "day"), [(0, 0), (5, 1)])
def test_the_cube_of_a_made_up_snapshot(tmp_path: Path, host: int, day: int) -> None:
    found, made = cube_of(MACHINES.snapshot(tmp_path, host, day)).rows, cube_rows(MACHINES, host, day)
    assert found.schema == made.schema
    order = [(name, "ascending") for name in made.column_names]
    assert found.sort_by(order).to_pylist() == made.sort_by(order).to_pylist()


@pytest.mark.parametrize("day", [0, 1])
def test_each_row_of_a_report(fleet: Fleet, day: int) -> None:
    found = fleet.report("caller", at=DAYS[day]).set_index("caller")
    pages, swapped = (one[:, day].sum(axis=0) for one in (MACHINES.pages, MACHINES.swapped))
    hosts = ((MACHINES.pages[:, day] + MACHINES.swapped[:, day]) > 0).sum(axis=0)
    assert len(found) == np.count_nonzero(hosts)
    for number, caller in enumerate(MACHINES.callers):
        if hosts[number]:
            row = found.loc[caller]
            assert (row["mem_bytes"], row["swap_bytes"], row["hosts"]) == (
                pages[number] * PAGE_SIZE,
                swapped[number] * PAGE_SIZE,
                hosts[number],
            )


def test_each_host(fleet: Fleet) -> None:
    found = fleet.report("host").set_index("host")
    for host in range(MACHINES.hosts):
        assert found.loc[MACHINES.name(host), "mem_bytes"] == MACHINES.pages[host, 1].sum() * PAGE_SIZE


def test_the_mean_of_a_window(fleet: Fleet) -> None:
    found = fleet.report("label.role", at=DAYS[1], window="2d").set_index("label.role")
    for number, role in enumerate(("web", "db")):
        means = MACHINES.pages[number::2].sum(axis=2).mean(axis=1) * PAGE_SIZE
        # Each owner of each host is rounded to whole bytes.
        assert abs(found.loc[role, "mem_bytes"] - means.sum()) <= len(means)


@pytest.mark.parametrize("paired", [False, True])
def test_each_row_of_a_difference(fleet: Fleet, paired: bool) -> None:
    sides = [f"kernel={KERNELS[0]}"], [f"kernel={KERNELS[1]}"]
    found = fleet.diff(*sides, "caller", paired=paired)
    both = MACHINES.pages + MACHINES.swapped
    before, after = both[:, 0].sum(axis=0) * PAGE_SIZE, both[:, 1].sum(axis=0) * PAGE_SIZE
    by_caller = found.set_index("caller")
    for number, caller in enumerate(MACHINES.callers):
        if before[number] or after[number]:
            row = by_caller.loc[caller]
            assert (row["total_bytes_a"], row["total_bytes_b"]) == (before[number], after[number])
            assert row["total_bytes_delta"] == after[number] - before[number]
            assert row["per_host_bytes_delta"] == round((after[number] - before[number]) / MACHINES.hosts)
    assert found["caller"].iloc[0] == MACHINES.regression
    assert found["caller"].iloc[-1] == MACHINES.improvement


def test_times_are_sides_too(fleet: Fleet) -> None:
    found = fleet.diff([f"time={DAYS[0]}"], ["time=latest"], "host")
    assert (
        found["total_bytes_delta"].sum()
        == ((MACHINES.pages + MACHINES.swapped)[:, 1].sum() - (MACHINES.pages + MACHINES.swapped)[:, 0].sum())
        * PAGE_SIZE
    )


# Offsets differ between the kernels, so no stack is on both sides.
def test_stacks_of_two_kernels_are_compared_by_common_functions(fleet: Fleet) -> None:
    found = fleet.diff([f"kernel={KERNELS[0]}"], [f"kernel={KERNELS[1]}"], "stack")
    assert found.columns[0] == "common"
    # The key lacks worker_thread, where every kernel thread of a workqueue enters.
    assert found["common"].iloc[0] == (MACHINES.regression,)
    assert (found["hosts_a"] > 0).all()
    same = fleet.diff(["label.role=web"], ["label.role=db"], "stack")
    assert same.columns[0] == "stack"


def test_sides_with_other_hosts(fleet: Fleet) -> None:
    sides = ["label.role=web"], ["host=host0000[0-2]"]
    found = fleet.diff(*sides, "caller").set_index("caller")
    both = (MACHINES.pages + MACHINES.swapped)[:, 1] * PAGE_SIZE
    expected = both[:3].sum(axis=0) / 3 - both[::2].sum(axis=0) / (MACHINES.hosts / 2)
    assert found.loc["work_7", "per_host_bytes_delta"] == round(expected[7])
    paired = fleet.diff(*sides, "host", paired=True)
    assert sorted(paired["host"]) == ["host00000", "host00002"]
    assert (paired["total_bytes_delta"] == 0).all()
    with pytest.raises(SpoTraceError, match="no host has snapshots on both sides"):
        fleet.diff(["label.role=web"], ["label.role=db"], paired=True)


def test_the_leaking_hosts_are_the_first_outliers(fleet: Fleet) -> None:
    found = fleet.outliers("caller", within="label.role")
    assert set(found["host"].head(5)) == {MACHINES.name(host) for host in MACHINES.leaking}
    assert set(found["caller"].head(5)) == {MACHINES.leak}
    number = MACHINES.callers.index(MACHINES.leak)
    row = found.iloc[0]
    host = int(row["host"].removeprefix("host"))
    role = (MACHINES.pages + MACHINES.swapped)[host % 2 :: 2, 1, number] * PAGE_SIZE
    own = (MACHINES.pages + MACHINES.swapped)[host, 1, number] * PAGE_SIZE
    assert row["total_bytes"] == own
    assert row["median_bytes"] == round(np.median(role))
    assert row["mad_bytes"] == round(np.median(np.abs(role - np.median(role))))
    assert row["above_bytes"] == round(own - np.median(role))


def test_what_few_hosts_have_is_rare(tmp_path: Path) -> None:
    machines = Machines(hosts=24, rows=300, stacks=12)
    machines.pages[:, :, 9] = 0
    machines.pages[17, :, 9] = 200
    machines.swapped[:, :, 9] = 0
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for host in range(24):
        fleet.add(machines.snapshot(tmp_path, host, 0))
    found = fleet.outliers("caller")
    assert found[["host", "caller", "hosts", "total_bytes"]].to_numpy().tolist() == [
        ["host00017", "work_9", 1, 200 * PAGE_SIZE]
    ]


def test_folded_names_are_one_owner(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for host in range(12):
        pods = [page(0x100 + number, comm=b"pod-%d" % host) for number in range(8)]
        if host == 7:
            pods += [page(0x200 + number, comm=b"pod-x%d" % number) for number in range(8)]
        fleet.add(machine(tmp_path, f"web{host}", pages=9, swapped=0, more=b"".join(pods)))
    apart = fleet.outliers("comm", within="kernel")
    assert set(apart["comm"]) == {*(f"pod-{host}" for host in range(12)), *(f"pod-x{number}" for number in range(8))}
    (one,) = fleet.outliers("comm", within="kernel", fold="-x?[0-9]+$").to_dict("records")
    assert (one["host"], one["comm"], one["total_bytes"]) == ("web7", "pod*", 16 * 4096)
    assert (one["median_bytes"], one["above_bytes"]) == (8 * 4096, 8 * 4096)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "host"}, "compares hosts"),
        ({"within": "comm"}, "is no key of hosts"),
        ({"fold": "["}, "unterminated"),
    ],
)
def test_wrong_questions_about_outliers(fleet: Fleet, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fleet.outliers(**arguments)


def test_sql(fleet: Fleet) -> None:
    found = fleet.sql(
        "SELECT s.host, sum(c.mem_pages) AS pages FROM cube c JOIN snapshots s ON c.snapshot = s.id "
        "WHERE s.kernel = '7.2.1' GROUP BY s.host ORDER BY s.host"
    )
    assert found["pages"].astype(int).to_list() == MACHINES.pages[:, 1].sum(axis=1).tolist()
    assert set(fleet.tables()) == {"snapshots", "cube", "stacks"}
    with pytest.raises(SpoTraceError, match="DuckDB: "):
        fleet.sql("SELECT nothing FROM nowhere")


# The statement that reads the files without spo-trace; `make test-spark` runs that for Spark.
def test_the_statement_of_the_document(fleet: Fleet) -> None:
    page = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
    (text,) = (text for text in re.findall("```sql\n(.*?)```", page, re.DOTALL) if "read_parquet" in text)
    found = duckdb.connect().execute(text.replace("'fleet/", f"'{fleet.name}/")).fetchall()
    expected = fleet.report("comm")
    assert {comm: int(size) for comm, size in found} == {
        comm: int(size) for comm, size in zip(expected["comm"], expected["mem_bytes"], strict=True)
    }


def test_the_repr(fleet: Fleet) -> None:
    assert repr(fleet).endswith(f"f', snapshots={2 * MACHINES.hosts})")
