# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shared parts of the tests in guests: a guest's stages, and checks that hold on any kernel."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.snapshots.reader import Snapshot
from tests.oracle import framed
from tests.oracle.captures import read
from tests.oracle.compare import compare_stage
from tests.vm import guest, kernels, userland
from tests.vm.headers import unpacked_headers
from tests.vm.qemu import Machine

__all__ = ["COMPLAINTS", "MIB", "TOLERANCE", "Guest", "adds_up", "boot"]

JOBS = Path(__file__).parent / "jobs"
MIB = 1 << 20
# The same tolerance as in `verify`.
TOLERANCE = 0.02
# Tolerated pages if there is almost nothing in swap.
FEW_PAGES = 64
COMPLAINTS = ("WARNING:", "BUG:", "Oops", "refcount", "Call Trace", "oom-kill", "swap_page_owner (")


def boot(
    name: str,
    cmdline: str,
    job: str,
    out: Path,
    *,
    time_limit: float = guest.TIME_LIMIT,
    headers: bool = False,
    loader: str | None = None,
    suite: str | None = None,
    **size: object,
) -> "Guest":
    """Run a job on the kernel `name`; skip the test with a message if the kernel or the user space is missing.

    `loader`: $LOADER, which loads the probes. `suite`: the Debian release whose user space replaces the host's.
    `headers`: $HEADERS is the directory of the kernel's unpacked headers; the job puts them where bcc searches them.
    """
    try:
        kernel = kernels.find(name)
        tree = userland.find(suite) if suite else None
    except (kernels.KernelMissing, userland.UserlandMissing) as missing:
        pytest.skip(str(missing))
    machine = Machine(kernel, cmdline, **size)  # type: ignore[arg-type]
    environment = {"HEADERS": str(unpacked_headers(kernel) or "")} if headers and loader != "libbpf" else {}
    if loader:
        environment["LOADER"] = loader
    outcome = guest.run(machine, job, out, time_limit=time_limit, environment=environment, userland=tree)
    return Guest(name, outcome)


class Guest:
    """The results of a guest by stage."""

    def __init__(self, name: str, outcome: guest.Outcome) -> None:
        """Read the figures of a finished guest."""
        self.name, self.out, self.log = name, outcome.out, outcome.log
        figures = self.out / "figures.tsv"
        lines = figures.read_text().splitlines() if figures.exists() else []
        self.figures = {(stage, what): value.strip() for stage, what, value in (line.split("\t") for line in lines)}
        self._snapshots: dict[str, Snapshot] = {}

    @property
    def patched(self) -> bool:
        """Return whether this kernel keeps the owners of swap."""
        return "-spo" in self.name

    def stage(self, name: str) -> Path:
        """Return a stage's capture."""
        return self.out / "captures" / name

    def snapshot(self, stage: str) -> Snapshot:
        """Return the snapshot of a stage's capture."""
        if stage not in self._snapshots:
            self._snapshots[stage] = spo.snapshot(from_=self.stage(stage), output=self.out / f"{stage}.spo")
        return self._snapshots[stage]

    def bytes_of(self, stage: str, **where: object) -> tuple[int, int]:
        """Return the bytes in memory and in swap of rows with these values."""
        table = spo.attribute(self.snapshot(stage), by=list(where))
        for key, value in where.items():
            table = table[table[key] == value]
        return int(table["mem_bytes"].sum()), int(table["swap_bytes"].sum())

    def check_report(self, stage: str, comms: Iterable[str] = ()) -> None:
        """Compare `report` with the oracles, and its sums with those of the letter's awk over the same files.

        For all pages, awk ran in the guest; for `comms` it runs on the host, which is ten times as fast.
        """
        assert compare_stage(self.stage(stage)) == []
        owners = spo.attribute(self.snapshot(stage), by=["comm"]).set_index("comm")
        for comm in comms:
            assert mib(owners["mem_bytes"].get(comm, 0)) == self._sum_comm(stage, comm)
        total = owners.sum(numeric_only=True)
        assert mib(total["mem_bytes"]) == self.figures[stage, "captured page_owner"]
        if self.patched:
            assert mib(total["swap_bytes"]) == self.figures[stage, "captured swap_page_owner"]

    def _sum_comm(self, stage: str, comm: str) -> str:
        command = ["bash", "-c", '. "$0"; sum_comm "$1"', str(guest.LIBRARY), comm]
        with (self.stage(stage) / "page_owner").open() as text:
            return subprocess.check_output(command, stdin=text, text=True).strip()

    def check_balance(self, stage: str) -> None:
        """Check the balance of every section with known owners: at most 2 % is unexplained."""
        table = spo.balance(self.snapshot(stage))
        for section, rows in table.groupby("section"):
            pages = rows.groupby("kind")["pages"].sum()
            assert pages["machine"] - pages["listed"] == pages["difference"]
            assert pages["difference"] == pages.get("explains", 0) + pages.get("bound", 0) + pages["rest"]
            named = rows[rows["kind"].isin(["explains", "bound"]) & (rows["pages"] != 0)]
            assert (named["note"] != "").all()
            rest = rows[rows["kind"] == "rest"].iloc[0]
            assert adds_up(rest), f"{section}\n{rows}"

    def check_live(self, stage: str) -> None:
        """Compare a live snapshot with the captures before and after it: it has each record of both exactly once."""
        live = spo.open(self.out / "live" / f"{stage}.spo")
        for file, column in (("page_owner", "pfn"), ("swap_page_owner", "swp_entry")):
            table = live.pages if column == "pfn" else live.swap
            taken = Counter(zip(table[column].astype("uint64"), table["ts_nsec"].astype("uint64"), strict=True))
            before, after = (keys(self.stage(name), file) for name in (stage, f"{stage}-after"))
            assert [key for key in before & after if taken[key] != 1] == []
            assert max(taken.values(), default=0) <= 1
            assert len(before & after) >= 0.8 * len(before)

    def check_kernel(self) -> None:
        """Check that the kernel logged no warnings or errors."""
        dmesg = (self.out / "dmesg").read_text(errors="replace").splitlines()
        assert [line for line in dmesg if any(complaint in line for complaint in COMPLAINTS)] == []


def adds_up(rest: "Mapping[str, Any] | pd.Series") -> bool:
    """Return whether the unexplained part is negligible."""
    return abs(float(rest["share"])) <= TOLERANCE or abs(int(rest["pages"])) <= FEW_PAGES


def mib(size: int) -> str:
    """Return a size as the letter's awk prints it: six significant digits."""
    return f"{size / MIB:.6g} MiB"


def keys(stage: Path, file: str) -> set[tuple[int, int]]:
    """Return the number (PFN or swap entry) and the time of each record but early ones, as the oracle reads them."""
    records = framed.memory if file == "page_owner" else framed.swap
    return {(record.number, record.ts_nsec) for record in records(read(stage, file)) if not record.early}
