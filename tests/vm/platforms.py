# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run doctor, snapshot, trace and the unit tests with several distributions on several kernels; keep the results.

python -m tests.vm.platforms docs/platforms.json bookworm trixie sid --kernels 6.1-stock,7.2-spo
python -m tests.vm.platforms docs/platforms.json host --kernels 6.12-stock    # this machine, with this Python

The results of other platforms stay in the file. `tests.docs.platforms` writes docs/platforms.md from it. A guest that
hangs or dies is a result, too: what it has not done has failed, with the reason.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.vm import guest, kernels, userland
from tests.vm.arm64 import guest as arm64
from tests.vm.headers import unpacked_headers
from tests.vm.platform_cells import judge_guest, judge_tests
from tests.vm.platform_rows import Cell, Row, update_rows, without_patch
from tests.vm.qemu import Machine

JOB = Path(__file__).parent / "jobs" / "platform.sh"
UNIT_TESTS = Path(__file__).parent / "userland" / "unit_tests.sh"
HOST, ARM64 = "host", "arm64"
CMDLINE = {"7.2-spo": "page_owner=on,swap", "7.2-spo-full": "page_owner=on,swap"}
ARM64_KERNELS = ("7.2-arm64-4k", "7.2-arm64-64k")
KERNELS = ("6.1-stock", "6.12-stock", "7.2-stock", "7.2-spo", "7.2-spo-full")
# What uses the system and the packages most; all unit tests take five times as long.
TESTED = ("api", "cli", "collect", "machine", "probes", "reporters", "sampling", "snapshots")
MEMORY_MIB = 900
# Several times what they take on a busy host.
GUEST_SECONDS = 2400
TEST_SECONDS = 3600
# timeout(1)
_TIMED_OUT = 124


def main() -> int:
    """Run each distribution on each kernel, and store each row when it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("distributions", nargs="+", choices=(*userland.FRESH, HOST, ARM64))
    parser.add_argument("--kernels", help=f"default: {','.join(KERNELS)}; of arm64: {','.join(ARM64_KERNELS)}")
    parser.add_argument("--only", choices=("guests", "tests"), help="the other results stay as they are")
    given = parser.parse_args()
    missing = 0
    for distribution in given.distributions:
        for run_part in _parts(distribution, given.results, given.kernels, given.only):
            try:
                run_part()
            except (kernels.KernelMissing, arm64.ToolMissing, userland.UserlandMissing) as error:
                print(f"error: {distribution}: {error}", file=sys.stderr)
                missing += 1
    return int(missing > 0)


# A guest on each kernel, and the unit tests.
def _parts(distribution: str, file: Path, named: str | None, only: str | None) -> Iterator[Callable[[], None]]:
    if only != "tests":
        default = ARM64_KERNELS if distribution == ARM64 else KERNELS
        for kernel in named.split(",") if named else default:
            yield partial(_run_guest, file, distribution, kernel)
    if only != "guests" and distribution != ARM64:
        yield partial(_run_tests, file, distribution)


def _run_guest(file: Path, distribution: str, kernel: str) -> None:
    row = run(_tree(distribution), kernel, is_arm64=distribution == ARM64)
    print(*row.key, {name: (cell.result, cell.note) for name, cell in row.results.items()}, flush=True)
    update_rows(file, partial(_with_row, row))


# The tests do not depend on the kernel of the guest: they stay, or are those of another row.
def _with_row(row: Row, rows: list[Row]) -> list[Row]:
    like = [other for other in rows if (other.key[::2], other.architecture) == (row.key[::2], row.architecture)]
    tests = [other.results["tests"] for other in like if "tests" in other.results]
    whole = replace(row, results={**row.results, "tests": tests[0]}) if tests else row
    return [*(other for other in rows if other.key != row.key), whole]


def _run_tests(file: Path, distribution: str) -> None:
    tree, cell = _tree(distribution), _tests(distribution)
    print(_title(tree), _python(tree), cell, flush=True)
    update_rows(file, partial(_with_tests, _title(tree), without_patch(_python(tree)), cell))


def _with_tests(title: str, python: str, cell: Cell, rows: list[Row]) -> list[Row]:
    ran = [row for row in rows if row.key[::2] == (title, python) and row.architecture != "aarch64"]
    return [
        *(row for row in rows if row not in ran),
        *(replace(row, results={**row.results, "tests": cell}) for row in ran),
    ]


def run(tree: Path | None, name: str, *, is_arm64: bool) -> Row:
    """Boot a guest with the user space `tree`, or this machine's, and return its row."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        boot, ended = _boot_arm64 if is_arm64 else _boot, ""
        try:
            boot(tree, name, out)
        except guest.GuestError as error:
            print(f"{tree}, {name}: {error}", file=sys.stderr, flush=True)
            ended = str(error).partition("\n")[0]
        release, architecture = (_text(out / "uname") or f"? {'aarch64' if is_arm64 else 'x86_64'}").split()
        today = datetime.now(UTC).date().isoformat()
        versions = {"python": _python(tree), **_versions(out)}
        return Row(_title(tree), name, release, architecture, versions, judge_guest(out, ended), today)


def _tree(distribution: str) -> Path | None:
    if distribution == HOST:
        return None
    return userland.find_arm64() if distribution == ARM64 else userland.find_fresh(distribution)


def _title(tree: Path | None) -> str:
    text = (tree or Path("/")).joinpath("usr/lib/os-release").read_text()
    (title,) = re.findall(r'^PRETTY_NAME="(.*)"$', text, re.MULTILINE)
    return str(title)


# On the kernel of this machine.
def _tests(distribution: str) -> Cell:
    here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE"]
    command = here if distribution == HOST else [str(UNIT_TESTS), distribution]
    command += [f"tests/unit/{name}" for name in TESTED]
    # It also ends the processes of the command.
    limited = ["timeout", "--kill-after=10", str(TEST_SECONDS), *command]
    done = subprocess.run(limited, cwd=guest.CHECKOUT, capture_output=True, text=True)
    if done.returncode == _TIMED_OUT:
        return Cell("failed", f"tests: they were not done after {TEST_SECONDS} s")
    return judge_tests(done.returncode, done.stdout or done.stderr)


def _boot(tree: Path | None, name: str, out: Path) -> None:
    kernel = kernels.find(name)
    machine = Machine(kernel, CMDLINE.get(name, "page_owner=on"), memory_mib=MEMORY_MIB)
    environment = {"HEADERS": str(unpacked_headers(kernel) or "")}
    guest.run(machine, JOB.read_text(), out, time_limit=GUEST_SECONDS, environment=environment, userland=tree)


def _boot_arm64(tree: Path | None, name: str, out: Path) -> None:
    kernel, job = kernels.find_arm64(name), arm64.HERE / "platform.sh"
    cmdline = "page_owner=on,swap"
    arm64.run(kernel, cmdline, job, out, memory_mib=MEMORY_MIB, tree=tree, time_limit=GUEST_SECONDS)


# Until the guest has told its version.
def _python(tree: Path | None) -> str:
    if tree is None:
        return platform.python_version()
    return (tree / "usr/bin/python3").readlink().name.removeprefix("python")


def _versions(out: Path) -> dict[str, str]:
    libbpf = (_text(out / "libbpf") or "").partition(".so.")[2]
    return {**json.loads(_text(out / "python.json") or "{}"), "libbpf": libbpf, "bcc": _text(out / "bcc") or ""}


def _text(file: Path) -> str | None:
    return file.read_text().strip() if file.exists() else None


if __name__ == "__main__":
    sys.exit(main())
