# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's command line for a guest, and whether KVM works here."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["DIES_WITH_PARENT", "QEMU", "Machine", "accelerator", "command"]

QEMU = "qemu-system-x86_64"
# QEMU ends with this process, even if that is killed.
DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
INIT = Path(__file__).resolve().parent / "guest" / "init.sh"

# Not -nographic: with that the BIOS writes to the console too, and clears the terminal.
_BARE = ["-display", "none", "-vga", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nic", "none"]
# With erms, memory is copied and cleared by `rep movsb` and `rep stosb`, which TCG does a byte at a time.
_TCG_CPU = "max,erms=off"
_CONSOLE = "console=ttyS0 panic=-1 quiet"
# TCG keeps its translation of code by address: where each process has its libraries elsewhere, each is translated anew.
_SAME_ADDRESSES = "norandmaps"
# Large 9p messages need contiguous memory, which a guest under pressure has not.
_ROOT = "root=rootfs rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=32768,cache=loose ro"
# A guest that gets as far as looking for its root file system has shown that KVM works: it panics, and QEMU ends.
_KVM_TRIAL_SECONDS = 5


@dataclass(frozen=True)
class Machine:
    """A guest: its kernel with the command line, and its size; `disks_mib` become /dev/vda, /dev/vdb …"""

    kernel: Path
    cmdline: str = "page_owner=on"
    memory_mib: int = 491
    processors: int = 1
    disks_mib: tuple[int, ...] = (1024,)


def command(machine: Machine, share: Path, disk_fds: Sequence[int], acceleration: str) -> list[str]:
    """Return the command that boots `machine`: root is the host's, read-only; `share` is writable."""
    cpu = "host" if acceleration == "kvm" else _TCG_CPU
    disks = [word for fd in disk_fds for word in ("-drive", f"file=/proc/self/fd/{fd},format=raw,if=virtio")]
    append = f"{_CONSOLE} {_ROOT} {_SAME_ADDRESSES} init={INIT} {machine.cmdline}"
    return [
        QEMU,
        *("-accel", "tcg,thread=multi" if acceleration == "tcg" else acceleration, "-cpu", cpu),
        *("-smp", str(machine.processors), "-m", str(machine.memory_mib)),
        *_BARE,
        *_virtfs("rootfs", Path("/"), ",readonly=on"),
        *_virtfs("out", share),
        *disks,
        *("-kernel", str(machine.kernel), "-append", append),
    ]


def _virtfs(tag: str, path: Path, more: str = "") -> list[str]:
    # QEMU reads a doubled comma as one.
    path_option = str(path).replace(",", ",,")
    options = f"local,id={tag},path={path_option},mount_tag={tag},security_model=none,multidevs=remap{more}"
    return ["-virtfs", options]


@cache
def accelerator(kernel: Path) -> str:
    """Return `kvm` if a guest comes up with it, else `tcg`; $SPO_TRACE_ACCEL decides without a trial."""
    told = os.environ.get("SPO_TRACE_ACCEL")
    if told:
        return told
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _kvm_works(kernel) else "tcg"


# /dev/kvm may be there and a guest hang all the same (nested virtualisation): only a trial tells.
def _kvm_works(kernel: Path) -> bool:
    trial = [
        *DIES_WITH_PARENT,
        QEMU,
        "-accel",
        "kvm",
        "-cpu",
        "host",
        *_BARE,
        "-kernel",
        str(kernel),
        "-append",
        _CONSOLE,
    ]
    try:
        done = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, timeout=_KVM_TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and b"Kernel panic" in done.stdout
