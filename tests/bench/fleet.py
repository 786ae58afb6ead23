# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measure `spo-trace fleet` on a made-up fleet, and compare each row of its answers with the truth.

    python -m tests.bench.fleet                           # 1,000 hosts at two times, 20,000 pages each
    python -m tests.bench.fleet --hosts 1000 --rows 55000
    python -m tests.bench.fleet --hosts 10000 --cubes     # without the snapshots, which are what fills the disk

Processor time is net of start-up: that of the same command on a fleet of one host is subtracted. Times are not checked.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.measure import Run, measure

__all__ = ["main"]

_LOOP = """
import sys
import spo_trace as spo
for path in sys.argv[1:]:
    spo.attribute(path, by=["caller"])
"""

_CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"

_DAY = "2026-01-02T00:00:00Z"


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    hosts = int(os.environ.get("BENCH_HOSTS") or 1000)
    parser.add_argument("--hosts", type=int, default=hosts, help="machines, each with two snapshots [$BENCH_HOSTS]")
    parser.add_argument("--rows", type=int, default=20_000, help="pages of a snapshot")
    parser.add_argument("--cubes", action="store_true", help="make what add writes, and no snapshots")
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="spo-trace-fleet-"))
    try:
        _Bench(directory, given.hosts, given.rows, cubes=given.cubes).run()
    finally:
        shutil.rmtree(directory)


class _Bench:
    """Hold the directory in which everything is made."""

    def __init__(self, directory: Path, hosts: int, rows: int, *, cubes: bool) -> None:
        self._directory = directory
        self._made_by = "tests.bench.fleet_cubes" if cubes else "tests.bench.fleet_made"
        self._has_snapshots = not cubes
        self._hosts = hosts
        self._rows = rows

    def run(self) -> None:
        """Make the fleet, measure, compare and print."""
        self._make("one", 6)
        self._make("all", self._hosts)
        truth = json.loads((self._directory / "all" / "truth.json").read_text())
        print(f"{self._hosts:,} hosts at two times, {self._rows:,} pages each")
        self._questions(truth)
        self._compact()
        report = self._questions(truth)
        if self._has_snapshots:
            loop = self._loop()
            print(f"\nreport against a loop of spo.attribute: 1/{loop / report:,.0f} (net; {loop:,.1f} s for the loop)")
            print(f"compacted against snapshots: 1/{truth['snapshot_bytes'] / self._size:,.0f}")
            self._add(truth)

    # Returns the processor time of the first one.
    def _questions(self, truth: dict[str, Any]) -> float:
        print("\n| | processor time, s | net of start-up, s | peak memory, MiB |\n|---|---:|---:|---:|")
        report = self._both("report --by caller", "report", "--by", "caller", "--at", _DAY)
        self._check_report(self._answer("report"), truth["callers"])
        self._both("report --by stack", "report", "--by", "stack", "--at", _DAY)
        self._both("report --by comm,memcg", "report", "--by", "comm,memcg", "--at", _DAY)
        self._both("diff --by caller", "diff", "--from", "kernel=6*", "--to", "kernel=7*", "--paired")
        self._check_diff(self._answer("diff"), truth)
        self._both("outliers --by caller", "outliers", "--within", "label.role")
        self._check_outliers(self._answer("outliers"), truth)
        return report

    def _make(self, name: str, hosts: int) -> None:
        directory = self._directory / name
        directory.mkdir()
        command = [sys.executable, "-m", self._made_by, str(hosts), str(self._rows), str(directory)]
        measure(command, self._directory / "made")

    # The command on the whole fleet, net of the same on one of six hosts.
    def _both(self, title: str, *words: str) -> float:
        runs = [self._fleet(name, *words) for name in ("one", "all")]
        net = runs[1].cpu_seconds - runs[0].cpu_seconds
        print(f"| {title} | {runs[1].cpu_seconds:.2f} | {net:.2f} | {runs[1].peak_bytes / 2**20:,.0f} |")
        return max(net, 0.01)

    def _fleet(self, name: str, command: str, *words: str) -> Run:
        root = self._directory / name / "fleet"
        line = [*_program("fleet", command), str(root), *words, "--format", "json"]
        return measure(line, self._directory / command)

    def _answer(self, command: str) -> Any:
        return json.loads((self._directory / command).read_text())

    def _loop(self) -> float:
        sample = sorted(map(str, (self._directory / "all" / "sample").iterdir()))
        few, many = (
            measure([sys.executable, "-c", _LOOP, *paths], self._directory / "loop").cpu_seconds
            for paths in (sample[:1], sample)
        )
        return (many - few) / (len(sample) - 1) * self._hosts

    def _compact(self) -> None:
        for name in ("one", "all"):
            root = self._directory / name / "fleet"
            # An hour old, so that what is replaced is removed.
            for path in root.rglob("*.parquet"):
                os.utime(path, (0, 0))
            added = _size(root)
            run = measure([*_program("fleet", "compact"), str(root)], self._directory / "compact")
            self._size = _size(root)
        cost = f"{run.cpu_seconds:.1f} s, {run.peak_bytes / 2**20:,.0f} MiB"
        print(f"\nadded {added / 1e6:,.1f} MB; compacted {self._size / 1e6:,.1f} MB (compact: {cost})")

    # Of real captures: their own conversion, and what adding them costs on top.
    def _add(self, truth: dict[str, Any]) -> None:
        print(f"add of a made-up snapshot: {truth['add_seconds'] / 2 / self._hosts * 1000:.0f} ms of processor time")
        for name in ("7.2-spo/1-dd256", "7.2-spo/2-swapped"):
            source = str(_CAPTURES / name)
            snap = self._directory / "own.spo"
            own = measure([*_program("snapshot"), "--from", source, "-o", str(snap)], self._directory / "own")
            root = self._directory / "added"
            # A snapshot that the fleet has is not written, and it starts the same program.
            first, again = (
                measure([*_program("fleet", "add"), str(root), str(snap)], self._directory / "add") for _ in range(2)
            )
            net = max(first.cpu_seconds - again.cpu_seconds, 0)
            print(
                f"add {name}: {first.cpu_seconds:.2f} s with start-up, {net:.2f} s more than again; "
                f"snapshot {own.cpu_seconds:.2f} s; peak {first.peak_bytes / 2**20:,.0f} MiB"
            )
            shutil.rmtree(snap)
            shutil.rmtree(root)

    def _check_report(self, rows: Any, truth: dict[str, int]) -> None:
        found = {row["caller"]: row["total_bytes"] for row in rows}
        assert found == {caller: size for caller, size in truth.items() if size}, "report differs from the truth"

    def _check_diff(self, rows: Any, truth: dict[str, Any]) -> None:
        found = {row["caller"]: (row["total_bytes_a"], row["total_bytes_b"]) for row in rows}
        for caller, sides in found.items():
            assert sides == (truth["before"][caller], truth["callers"][caller]), "diff differs from the truth"
        assert rows[0]["caller"] == truth["regression"], "the regression is not the first row"

    def _check_outliers(self, rows: Any, truth: dict[str, Any]) -> None:
        assert sorted(row["host"] for row in rows[:5]) == truth["leaking"], "the leaking hosts are not the first rows"


def _program(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("spo-trace")), *words]


def _size(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*.parquet"))


if __name__ == "__main__":
    main()
