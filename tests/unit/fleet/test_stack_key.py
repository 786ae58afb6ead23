# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the stacks of two sides of a fleet are matched: as those of two snapshots, and with exact sums."""

from pathlib import Path

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.fleet.fleet import Fleet
from tests.oracle import captures
from tests.oracle.stacks import stack_pages
from tests.support import ANON, CARRIED, page
from tests.unit.fleet.machines import machine

RELEASES = CARRIED.parent / "captures-releases"
PAGE = 4096
# ANON on a release that has other functions of the allocator, and a new helper.
RENAMED = (b"post_alloc_hook+0x1/0x2", b"vma_alloc_folio+0x3/0x4", b"new_helper+0x5/0x6", ANON[-1])
# The only function of ANON that is no allocator.
KEY = ("do_anonymous_page",)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Return a fleet of one workload on three releases."""
    fleet = spo.fleet.open(tmp_path_factory.mktemp("releases") / "f", create=True)
    for name in ("6.1", "6.12", "7.2"):
        fleet.add(spo.open(RELEASES / name), host=name, time="2026-01-01")
    return fleet


def pages_of_awk(release: str) -> int:
    """Return the base pages of a capture as awk counts them."""
    return sum(stack_pages(captures.read(RELEASES / release, "page_owner")).values())


@pytest.mark.parametrize(
    ("older", "newer", "most"), [("6.1", "6.12", 0.15), ("6.12", "7.2", 0.05), ("6.1", "7.2", 0.15)]
)
def test_an_unchanged_workload_hardly_shifts_and_its_sums_are_those_of_awk(
    releases: Fleet, older: str, newer: str, most: float
) -> None:
    table = releases.diff([f"host={older}"], [f"host={newer}"], "stack")
    assert table.columns[0] == "common"
    for side, release in zip("ab", (older, newer), strict=True):
        assert table[f"mem_bytes_{side}"].sum() == pages_of_awk(release) * PAGE
    assert table["mem_bytes_delta"].abs().sum() / table[["mem_bytes_a", "mem_bytes_b"]].sum().sum() < most
    # A fleet of two hosts is a difference of two snapshots.
    alone = spo.diff(spo.open(RELEASES / older), spo.open(RELEASES / newer), "stack")
    columns = ["mem_bytes_a", "mem_bytes_b"]
    assert table.set_index("common")[columns].T.to_dict() == alone.set_index("common")[columns].T.to_dict()


def test_the_sums_of_each_process_are_kept_apart(releases: Fleet) -> None:
    sides = ["host=6.12"], ["host=7.2"]
    table, comms = releases.diff(*sides, ["comm", "stack"]), releases.diff(*sides, "comm").set_index("comm")
    for side in "ab":
        found = table[f"mem_bytes_{side}"].groupby(table["comm"]).sum()
        assert found.to_dict() == comms[f"mem_bytes_{side}"].to_dict()


def fleet_of(tmp_path: Path, hosts: dict[str, tuple[bytes, bytes]]) -> Fleet:
    """Return a fleet of hosts with a kernel release, and pages in addition to those of all machines."""
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for host, (kernel, more) in hosts.items():
        fleet.add(machine(tmp_path, host, kernel=kernel, more=more), host=host)
    return fleet


@pytest.mark.parametrize(
    ("kernels", "column"),
    [((b"7.2", b"7.2"), "stack"), ((b"7.2", b"7.1"), "common"), ((b"7.2", b""), "common")],
)
def test_the_kernels_tell_how_stacks_are_matched(tmp_path: Path, kernels: tuple[bytes, bytes], column: str) -> None:
    fleet = fleet_of(tmp_path, {"a": (kernels[0], b""), "b": (kernels[1], b"")})
    assert fleet.diff(["host=a"], ["host=b"], "stack").columns[0] == column


def test_of_one_release_function_names_are_matched(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    for host, build in (("a", b"#1 SMP"), ("b", b"#2 SMP")):
        snap = machine(tmp_path, host, kernel=b"7.2 " + build + b" Mon x86_64 GNU/Linux\nx")
        fleet.add(snap, host=host)
    table = fleet.diff(["host=a"], ["host=b"], ["stack", "symbols"])
    assert list(table.columns[:2]) == ["symbols", "key_known"]


def test_renamed_helpers_do_not_look_like_growth(tmp_path: Path) -> None:
    more = b"".join(page(0x900 + number, comm=b"new", stack=RENAMED) for number in range(3))
    fleet = fleet_of(tmp_path, {"a": (b"6.12", b""), "b": (b"7.2", more)})
    row = of_key(fleet.diff(["host=a"], ["host=b"], "stack"))
    assert (row["mem_bytes_a"], row["mem_bytes_b"]) == (3 * PAGE, 6 * PAGE)
    # A condition does not change the key.
    table = fleet.diff(["host=a"], ["host=b"], "stack", where="comm == 'new'")
    assert table["common"].tolist() == [KEY]


def test_while_a_kernel_is_rolled_out_both_sides_have_the_old_one(tmp_path: Path) -> None:
    # GIVEN a helper that only the old kernel has, which one host of B still runs
    old = page(0x900, stack=(b"old_helper+0x1/0x2", ANON[-1]))
    fleet = fleet_of(tmp_path, {"a": (b"6.12", old), "b": (b"6.12", old), "c": (b"7.2", page(0x900, stack=RENAMED))})
    table = fleet.diff(["host=a"], ["host=[bc]"], "stack")
    # THEN the helper is no key: the stacks of both kernels are compared
    assert set(table["common"]) & {("old_helper", *KEY), ("new_helper", *KEY)} == set()
    assert of_key(table)["mem_bytes_b"] == 8 * PAGE


def of_key(table: pd.DataFrame) -> pd.Series:
    """Return the one row of KEY in a difference by stack."""
    (row,) = (row for _, row in table.iterrows() if row["common"] == KEY)
    return row


def test_other_page_sizes(tmp_path: Path) -> None:
    fleet = spo.fleet.open(tmp_path / "f", create=True)
    fleet.add(machine(tmp_path, "a", kernel=b"6.12"))
    fleet.add(machine(tmp_path, "b", kernel=b"7.2", page_kib=64))
    table = fleet.diff(["host=a"], ["host=b"], "stack")
    assert int(table["mem_bytes_b"].sum()) == 16 * int(table["mem_bytes_a"].sum())
    sides, _ = fleet.sides(["host=a"], ["host=b"], "stack", None, (), paired=False)
    assert (sides.a.page_size, sides.b.page_size) == (PAGE, 16 * PAGE)
