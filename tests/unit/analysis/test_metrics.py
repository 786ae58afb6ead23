# SPDX-License-Identifier: LGPL-2.1-or-later
"""The metrics of a snapshot: their sums, the number of their series, and what is absent because it is unknown."""

import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

import spo_trace as spo
from spo_trace.analysis.metrics import METRIC_KEYS, metric_columns, snapshot_metrics
from spo_trace.reporters.openmetrics import REST
from spo_trace.snapshots.reader import Snapshot
from tests.oracle.awk import pages_by_comm
from tests.oracle.captures import read
from tests.support import CARRIED, FS, MACHINE, SHMEM, entry, page, snapshot_of, swaps

SWAPPED = CARRIED / "7.2-spo" / "2-swapped"
STOCK = CARRIED / "7.2-stock" / "2-swapped"


def values(snap: Snapshot, top: int = 20) -> dict[str, dict[str, float]]:
    """Return the values of each metric by its label: that of the key, else none."""
    return {
        metric.name.removeprefix("spo_trace_"): {
            next(iter(sample.labels.values()), ""): sample.value for sample in metric.samples
        }
        for metric in snapshot_metrics(snap, top)
        if metric.samples
    }


@pytest.fixture(scope="module")
def swapped() -> Snapshot:
    return spo.open(SWAPPED)


@pytest.mark.parametrize("top", [1, 3, 1000])
def test_the_series_of_a_key_add_up_to_the_kernels_text(swapped: Snapshot, top: int) -> None:
    # GIVEN what awk counts in a real capture's text
    counted = pages_by_comm(read(SWAPPED, "page_owner"), read(SWAPPED, "swap_page_owner"))
    memory = {comm.decode(): pages * 4096 for comm, (pages, _) in counted.items()}
    swap = {comm.decode(): pages * 4096 for comm, (_, pages) in counted.items()}
    # WHEN the metrics have `top` owners
    found = values(swapped, top)
    # THEN each owner has its bytes, and all others are in one series
    own = dict(found["comm_memory_bytes"])
    assert own.pop(REST, 0) == sum(memory.values()) - sum(memory[comm] for comm in own)
    assert own == {comm: memory[comm] for comm in own}
    assert len(own) == min(top, len(memory))
    assert sum(found["comm_swap_bytes"].values()) == sum(swap.values())
    # AND every other key adds up to the same
    for key in METRIC_KEYS:
        assert sum(found[f"{key}_memory_bytes"].values()) == found["memory_bytes"][""] == sum(memory.values())
        assert sum(found[f"{key}_swap_bytes"].values()) == found["swap_bytes"][""] == sum(swap.values())
        assert len(found[f"{key}_memory_bytes"]) <= top + 2


def test_the_largest_owners_have_a_series(swapped: Snapshot) -> None:
    assert list(values(swapped, 2)["comm_memory_bytes"]) == ["DD", "dd", REST]


def test_unknown_swap_is_absent() -> None:
    # WHEN the kernel does not keep the owners of swap
    found = values(spo.open(STOCK))
    # THEN no metric claims that they have none; how much swap is in use is known
    assert not [name for name in found if name.endswith("swap_bytes") or "swap_cache" in name]
    assert found["swap_used_bytes"][""] > 200 << 20
    assert found["comm_memory_bytes"]["DD"] > 300 << 20


def test_swap_entries_have_no_cgroup(swapped: Snapshot) -> None:
    # The kernel does not say to which cgroup an entry belongs: those that have memory may have some of it.
    found = values(swapped)
    assert found["memcg_swap_bytes"] == {"?": found["swap_bytes"][""]}
    assert set(found["memcg_memory_bytes"]) == {"/", "-", "?"}


PROCESSES = b"Pid:\t2\nName:\tkthreadd\nStartTime:\t5\n\n" + b"".join(
    b"Pid:\t%d\nName:\t%b\nVmSwap:\t%d kB\nSwapPss:\t%d kB\n\n" % one
    for one in [(7, b"dd", 64, 60), (8, b"cat", 32, 32)]
)


def small(directory: Path, files: Mapping[str, bytes]) -> Snapshot:
    return snapshot_of(directory, {**MACHINE, **files})


def test_names_that_look_like_marks_are_not_merged_with_them(tmp_path: Path) -> None:
    # GIVEN processes with the names of marks, and too many others
    names = [b"?", b"-", b"(rest)", b"", b"x", b"y"]
    text = b"".join(page(64 << number, 6 - number, comm=name) for number, name in enumerate(names))
    # WHEN four owners have a series
    found = values(small(tmp_path, {"page_owner": text}), 4)["comm_memory_bytes"]
    # THEN the names are escaped, and the rest is that of x and y
    assert found == {"\\077": 64 << 12, "\\055": 32 << 12, "\\050rest)": 16 << 12, '""': 8 << 12, REST: 6 << 12}


def test_an_unknown_owner_has_its_own_series_however_small_it_is(tmp_path: Path) -> None:
    # GIVEN pages without a process name (before Linux 5.18) that are the smallest
    old = page(1).replace(b", tgid 7 (dd)", b"")
    text = old + page(2, 3, comm=b"a") + page(16, 2, comm=b"b")
    found = values(small(tmp_path, {"page_owner": text}), 1)["comm_memory_bytes"]
    assert found == {"a": 8 << 12, REST: 4 << 12, "?": 1 << 12}


def test_lower_bounds_of_unknown_swap_are_a_metric_of_their_own(tmp_path: Path) -> None:
    # GIVEN a kernel without owners of swap, and what /proc says about two processes
    files = {"page_owner": page(1) + page(4, 2, comm=b"sh"), "processes": PROCESSES, "swaps": swaps(sda=24)}
    # WHEN all owners have a series, THEN each has its bound, and no amount of swap
    found = values(small(tmp_path, files))
    assert found["comm_swap_least_bytes"] == {"dd": 64 << 10, "cat": 32 << 10}
    assert "comm_swap_bytes" not in found
    # AND the rest has no bound: bounds may count the same swap
    assert values(snapshot_of(tmp_path, {**MACHINE, **files}, name="y"), 1).get("comm_swap_least_bytes") is None


def test_category_and_module_are_those_of_the_stack(tmp_path: Path) -> None:
    files = {
        "page_owner": page(1, stack=FS) + page(2, stack=SHMEM),
        "swap_page_owner": entry(0x1F),
        "swaps": swaps(sda=1),
    }
    found = values(small(tmp_path, files))
    assert found["category_memory_bytes"] == {"page cache": 4096, "tmpfs/shmem": 4096}
    assert found["category_swap_bytes"] == {"page cache": 0, "tmpfs/shmem": 4096}
    assert found["module_memory_bytes"] == {"vmlinux": 4096, "ext4": 4096}


def test_when_and_how_it_was_read(tmp_path: Path) -> None:
    files = {"page_owner": page(1) + b"Page allocated via order x\n\n", "date": b"1970-01-02T00:00:00+00:00\n"}
    found = values(small(tmp_path, files))
    assert found["taken_timestamp_seconds"] == {"": 86400}
    assert (found["lost_records"], found["cut_off_files"]) == ({"": 1}, {"": 0})
    assert "read_seconds" not in found and "swap_used_bytes" not in found


def test_what_a_cut_off_file_lacks_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a file whose last record lacks its end, and a compressed one with a line that exceeds the limit
    monkeypatch.setattr("spo_trace.sources.size_limits.MAX_LINE_BYTES", 1 << 20)
    files = {"page_owner": page(1) + page(2)[:40], "page_owner.gz": gzip.compress(page(1) + bytes(16 << 20))}
    for name, text in files.items():
        found = values(snapshot_of(tmp_path, {**MACHINE, name: text}, name=f"of {name}"))
        # THEN the number of lost records is unknown, not the number of those that were found
        assert "lost_records" not in found
        assert (found["cut_off_files"], found["memory_bytes"]) == ({"": 1}, {"": 4096})


def test_the_columns_suffice(tmp_path: Path) -> None:
    # WHEN a capture is read with the columns of metrics alone
    few = spo.open(SWAPPED, page_columns=metric_columns())
    # THEN it has the same metrics, out of fewer columns than half
    assert values(few) == values(spo.open(SWAPPED))
    assert len(metric_columns()) < 12
