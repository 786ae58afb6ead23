# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run doctor, snapshot and trace with several distributions on several kernels, and keep the results for a table.

python -m tests.vm.platforms docs/platforms.json bookworm trixie sid --kernels 6.1-stock,7.2-spo
python -m tests.vm.platforms docs/platforms.json host --kernels 6.12-stock    # this machine, with this Python

The results of other platforms stay in the file. `tests.docs.platforms` writes docs/platforms.md from it.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import spo_trace as spo
from spo_trace.snapshots.method import Method
from tests.vm import guest, kernels, userland
from tests.vm.arm64 import guest as arm64
from tests.vm.headers import unpacked_headers
from tests.vm.qemu import Machine
from tests.vm.support import TOLERANCE

__all__ = ["Cell", "Row", "read_rows"]

JOB = Path(__file__).parent / "jobs" / "platform.sh"
HOST, ARM64 = "host", "arm64"
CMDLINE = {"7.2-spo": "page_owner=on,swap", "7.2-spo-full": "page_owner=on,swap"}
ARM64_KERNELS = ("7.2-arm64-4k", "7.2-arm64-64k")
KERNELS = ("6.1-stock", "6.12-stock", "7.2-stock", "7.2-spo", "7.2-spo-full")
MEMORY_MIB = 900
BATCH = 64 * 4096


@dataclass(frozen=True)
class Cell:
    """Hold a result: `ok`, `failed` or `refused` (as doctor has said), and a sentence that says why or how."""

    result: str
    note: str


@dataclass(frozen=True)
class Row:
    """Hold what was found on one platform; `versions` are those of packages, `date` is the day of the run (UTC)."""

    distribution: str
    kernel: str
    release: str
    architecture: str
    versions: dict[str, str]
    results: dict[str, Cell]
    date: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what a later run on the same platform replaces."""
        return self.distribution, self.kernel, self.versions.get("python", "")


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of results, none if it does not exist."""
    if not path.exists():
        return []
    rows = json.loads(path.read_text())
    return [Row(**{**row, "results": {name: Cell(**cell) for name, cell in row["results"].items()}}) for row in rows]


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows in a stable order."""
    ordered = sorted(rows, key=lambda row: row.key)
    path.write_text(json.dumps([asdict(row) for row in ordered], indent=1, ensure_ascii=False) + "\n")


def main() -> int:
    """Run each distribution on each kernel, and store each row when it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("distributions", nargs="+", choices=(*userland.FRESH, HOST, ARM64))
    parser.add_argument("--kernels", help=f"default: {','.join(KERNELS)}; of arm64: {','.join(ARM64_KERNELS)}")
    given = parser.parse_args()
    for distribution in given.distributions:
        default = ARM64_KERNELS if distribution == ARM64 else KERNELS
        for kernel in given.kernels.split(",") if given.kernels else default:
            try:
                row = run(distribution, kernel)
            except (guest.GuestError, kernels.KernelMissing, arm64.ToolMissing, userland.UserlandMissing) as error:
                print(f"error: {distribution}, {kernel}: {error}", file=sys.stderr)
                return 1
            print(*row.key, {name: (cell.result, cell.note) for name, cell in row.results.items()}, flush=True)
            others = [other for other in read_rows(given.results) if other.key != row.key]
            write_rows(given.results, [*others, row])
    return 0


def run(distribution: str, name: str) -> Row:
    """Boot a guest with a distribution's user space, and return its row."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        boot = _boot_arm64 if distribution == ARM64 else _boot
        boot(distribution, name, out)
        release, architecture = (out / "uname").read_text().split()
        (title,) = re.findall(r'^PRETTY_NAME="(.*)"$', (out / "os-release").read_text(), re.MULTILINE)
        results = {"doctor": _doctor(out), "snapshot": _snapshot(out), "trace": _trace(out)}
        today = datetime.now(UTC).date().isoformat()
        return Row(title, name, release, architecture, dict(_versions(out)), results, today)


def _boot(distribution: str, name: str, out: Path) -> None:
    kernel = kernels.find(name)
    tree = None if distribution == HOST else userland.find_fresh(distribution)
    machine = Machine(kernel, CMDLINE.get(name, "page_owner=on"), memory_mib=MEMORY_MIB)
    environment = {"HEADERS": str(unpacked_headers(kernel) or "")}
    guest.run(machine, JOB.read_text(), out, environment=environment, userland=tree)


def _boot_arm64(_: str, name: str, out: Path) -> None:
    kernel, job = kernels.find_arm64(name), arm64.HERE / "platform.sh"
    arm64.run(kernel, "page_owner=on,swap", job, out, memory_mib=MEMORY_MIB, tree=userland.find_arm64())


def _versions(out: Path) -> Iterator[tuple[str, str]]:
    yield from json.loads((out / "python.json").read_text()).items()
    yield "bcc", (out / "bcc").read_text().strip()
    yield "libbpf", (out / "libbpf").read_text().strip().partition(".so.")[2]


def _doctor(out: Path) -> Cell:
    if _status(out, "doctor") != 0:
        return Cell("failed", f"doctor: {_said(out, 'doctor')}")
    answer = json.loads((out / "doctor.json").read_text())
    lacking = [check["message"] for check in answer["checks"] if check["status"] == "missing" and check["required"]]
    possible = {name: answer[name] for name in ("snapshot", "trace")}
    if set(possible.values()) == {"possible"}:
        return Cell("ok", "")
    said = ", ".join(f"{name} {value}" for name, value in possible.items())
    return Cell("ok", f"doctor: {said}; {'; '.join(lacking)}")


def _snapshot(out: Path) -> Cell:
    for name in ("snapshot", "verify"):
        if _status(out, name) != 0:
            return Cell("failed", f"{name}: {_said(out, name)}")
    meta = spo.open(out / "now.spo").meta
    if meta.method == Method.MEMORY:
        return Cell("ok", "snapshot: the owners were read from the kernel's memory")
    return Cell("ok", f"snapshot: the owners were read as text, because {meta.method_why}")


# The kernel counts the swap of a process: VmSwap of /proc/PID/status. Up to Linux 6.14, it frees entries in batches of
# 64 for each processor, of which there is one.
def _trace(out: Path) -> Cell:
    if _status(out, "trace") != 0:
        impossible = json.loads((out / "doctor.json").read_text())["trace"] == "impossible"
        return Cell("refused" if impossible else "failed", f"trace: {_said(out, 'trace')}")
    figures = [line.split("\t") for line in (out / "figures.tsv").read_text().splitlines()]
    in_swap = {when: int(kib) << 10 for when, what, kib in figures if what == "swap"}
    # The kernel skips some calls of kprobes.
    how = ", by kprobes ([why](trace.md#what-it-cannot-see))" if "(kprobes)" in (out / "trace.log").read_text() else ""
    lacking = []
    for when, stage in (("out", "swapped"), ("in", "back")):
        owners = spo.attribute(out / f"{stage}.spo", by=["comm"]).set_index("comm")
        found, counted = int(owners["swap_bytes"].get("owner", 0)), in_swap[when]
        note = f"trace: the probes have {found >> 10:,} KiB of a process in swap, the kernel {counted >> 10:,} KiB{how}"
        if not (1 - TOLERANCE) * counted <= found <= counted + BATCH:
            return Cell("failed", note)
        if found < counted:
            lacking.append(note)
    return Cell("ok", "; ".join(lacking))


def _status(out: Path, name: str) -> int:
    return int((out / f"{name}.log").read_text().rpartition("status ")[2])


# The error and its hint.
def _said(out: Path, name: str) -> str:
    lines = (out / f"{name}.log").read_text(errors="backslashreplace").splitlines()[:-1]
    errors = [line.partition("error: ")[2] for line in lines if "error: " in line]
    hints = [line.partition("hint: ")[2] for line in lines if "hint: " in line]
    return "; ".join([*errors[-1:], *hints[-1:]]) or " ".join(lines[-3:])


if __name__ == "__main__":
    sys.exit(main())
