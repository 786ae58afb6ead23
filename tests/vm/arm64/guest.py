# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs of one job in an arm64 guest with busybox, emulated on any host."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from tests.bpf_object import compile_bpf
from tests.collectors import compile_collector
from tests.vm.guest import CHECKOUT, TIME_LIMIT, Outcome, follow, outcome
from tests.vm.turn import turn

__all__ = ["COMPILER", "QEMU", "ToolMissing", "check_tools", "command", "run", "write_initrd"]

_PACKAGE = CHECKOUT / "spo_trace"
_WORKER = CHECKOUT / "tests" / "vm" / "jobs" / "trace_worker.py"

QEMU = "qemu-system-aarch64"
COMPILER = "aarch64-linux-gnu-gcc"
# Debian's package of each tool that a guest needs.
TOOLS = {QEMU: "qemu-system-arm", COMPILER: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "debugfs": "e2fsprogs"}
HERE = Path(__file__).parent
SWAP_MIB, RESULTS_MIB, TREE_MIB = 1024, 256, 1024


class ToolMissing(LookupError):
    """A program or busybox is missing; the message says how to get it."""


def check_tools() -> None:
    """Raise ToolMissing if this machine lacks a program that builds or runs the guest."""
    missing = {tool: package for tool, package in TOOLS.items() if not _which(tool)}
    if missing:
        raise ToolMissing(f"missing: {', '.join(missing)}: apt-get install {' '.join(missing.values())}")


def run(
    kernel: Path,
    cmdline: str,
    job: Path,
    out: Path,
    *,
    memory_mib: int,
    tree: Path | None = None,
    time_limit: float = TIME_LIMIT,
) -> Outcome:
    """Boot `kernel`, run the shell script `job` in it as root, and return when the guest is off.

    The job has the helpers of lib.sh in /lib.sh, and `out` as $OUT; /dev/vda is a disk for swap. With `tree`, it can
    run Python and spo-trace (with_python of lib.sh). Raise ToolMissing if the guest can't be built here, and GuestError
    if the job failed or is not done after `time_limit` seconds.
    """
    check_tools()
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        initrd = write_initrd(job, scratch, with_package=tree is not None)
        swap, results = disks = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
        swap.truncate(SWAP_MIB << 20)
        results.truncate(RESULTS_MIB << 20)
        _on(results, _tool("mke2fs"), "-q", "-F", "-t", "ext2")
        shares = {"out": out}
        if tree is not None:
            shares["tree"] = tree
            disks.append(stack.enter_context(tempfile.TemporaryFile()))
            disks[-1].truncate(TREE_MIB << 20)
            _on(disks[-1], _tool("mke2fs"), "-q", "-F", "-t", "ext2", "-d", str(tree))
        fds = [disk.fileno() for disk in disks]
        with turn(alone=False), (out / "console.log").open("wb") as console:
            start = time.monotonic()
            ended = follow(command(kernel, initrd, cmdline, shares, fds, memory_mib), fds, [console], time_limit)
            seconds = time.monotonic() - start
        if not (out / "status").exists():
            _on(results, _tool("debugfs"), "-R", "rdump / .", cwd=out)
    return outcome(out, seconds, None if ended else time_limit)


def write_initrd(job: Path, directory: Path, *, with_package: bool = False) -> Path:
    """Write the initrd with a job and the collector for arm64, and return its path. The package is compiled, too."""
    collector, initrd = directory / "spo-collect", directory / "initrd.gz"
    compile_collector(collector, "-O2", "-static", zlib=False, compiler=COMPILER)
    package = [_write_package(directory, collector)] if with_package else []
    command = [HERE / "initrd.sh", collector, job, initrd, *package]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise ToolMissing(done.stderr.strip().removeprefix("error: "))
    return initrd


# Without clang, there is no BPF program, as in a build by hatch_build.py. trace_worker.py is for the job.
def _write_package(directory: Path, collector: Path) -> Path:
    package = directory / "package"
    compiled = shutil.ignore_patterns("__pycache__", "libspo.so", "spo-collect", "*.bpf.o")
    shutil.copytree(_PACKAGE, package / "spo_trace", ignore=compiled)
    native = package / "spo_trace" / "native"
    shutil.copy(collector, native)
    library = [COMPILER, "-std=c11", "-O3", "-fPIC", "-shared", "-o", str(native / "libspo.so")]
    subprocess.run([*library, *map(str, sorted(native.glob("*.c")))], check=True)
    if shutil.which("clang"):
        compile_bpf(native / "swap_owner.bpf.o", "aarch64")
    shutil.copy(_WORKER, package)
    return package


def command(
    kernel: Path, initrd: Path, cmdline: str, shares: Mapping[str, Path], disk_fds: list[int], memory_mib: int
) -> list[str]:
    """Return the command that boots `kernel` with directories as 9p shares, and files as the disks vda, vdb …"""
    words = [QEMU, "-M", "virt,gic-version=3", "-accel", "tcg,thread=multi", "-cpu", "max,pauth-impdef=on"]
    words += ["-smp", "1", "-m", str(memory_mib), "-display", "none", "-serial", "stdio", "-monitor", "none"]
    words += ["-no-reboot", "-nic", "none", "-kernel", str(kernel), "-initrd", str(initrd)]
    # The kernel numbers the disks of virtio-mmio from the last to the first. cache=unsafe: else each write to the
    # results would wait for the host's disk.
    for number, fd in reversed(list(enumerate(disk_fds))):
        words += ["-drive", f"file=/proc/self/fd/{fd},format=raw,cache=unsafe,if=none,id=d{number}"]
        words += ["-device", f"virtio-blk-device,drive=d{number}"]
    for tag, directory in shares.items():
        # QEMU unescapes a doubled comma.
        path = str(directory).replace(",", ",,")
        words += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap"]
        words += ["-device", f"virtio-9p-device,fsdev={tag},mount_tag={tag}"]
    return [*words, "-append", f"console=ttyAMA0 panic=-1 quiet rdinit=/init {cmdline}"]


# Some users' PATH lacks the directories of the tools for file systems.
def _which(tool: str) -> str | None:
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/sbin")


def _tool(tool: str) -> str:
    return _which(tool) or tool


def _on(disk: IO[bytes], *words: str, cwd: Path | None = None) -> None:
    command = [*words, f"/proc/self/fd/{disk.fileno()}"]
    subprocess.run(command, pass_fds=[disk.fileno()], cwd=cwd, check=True, capture_output=True)
