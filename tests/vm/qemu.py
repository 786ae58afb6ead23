# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's command line for a guest, and a test whether KVM works."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["DIES_WITH_PARENT", "QEMU", "Machine", "accelerator", "command", "monitor_on"]

QEMU = "qemu-system-x86_64"
# QEMU exits with this process, even if that is killed.
DIES_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")
INIT = Path(__file__).resolve().parent / "guest" / "init.sh"

# Not -nographic, with which the BIOS also writes to the console and clears the terminal.
_BARE = ["-display", "none", "-vga", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nic", "none"]
# With erms, memory is copied and cleared by `rep movsb` and `rep stosb`, which TCG emulates byte by byte. With avx2,
# numpy.argsort returned wrong indices or died of SIGSEGV (QEMU 7.2.22, numpy 2.4.6: in code around vpgatherqq).
_TCG_CPU = "max,erms=off,avx2=off"
# On a busy host, the emulated timer may be late for the kernel's check of it, which would panic.
_CONSOLE = "console=ttyS0 panic=-1 quiet no_timer_check"
# TCG caches translated code by address; with randomized addresses, libraries are translated again for each process.
_SAME_ADDRESSES = "norandmaps"
# Large 9p messages need contiguous memory, which a guest under memory pressure lacks.
_ROOT = "root=rootfs rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=32768,cache=loose ro"
# If KVM works, the guest gets as far as searching for its root file system; then it panics, and QEMU exits.
_KVM_TRIAL_SECONDS = 5


@dataclass(frozen=True)
class Machine:
    """A guest: its kernel, command line and size; `disks_mib` become /dev/vda, /dev/vdb …

    Memory and processors are divided between the NUMA `nodes`. `dimm_mib`: more memory, which the kernel finds as a
    memory device (memory hotplug) of the last node. `counts_instructions`: the guest's clock advances by 2 ns for each
    instruction, whatever the load of the host.
    """

    kernel: Path
    cmdline: str = "page_owner=on"
    memory_mib: int = 491
    processors: int = 1
    disks_mib: tuple[int, ...] = (1024,)
    nodes: int = 1
    dimm_mib: int = 0
    counts_instructions: bool = False


def command(machine: Machine, share: Path, disk_fds: Sequence[int], acceleration: str) -> list[str]:
    """Return the command that boots `machine` with the host's root file system (read-only) and the writable `share`."""
    accel = ["-accel", "tcg,thread=multi" if acceleration == "tcg" else acceleration]
    if machine.counts_instructions:
        accel, acceleration = ["-accel", "tcg,thread=single", "-icount", "shift=1"], "tcg"
    cpu = "host" if acceleration == "kvm" else _TCG_CPU
    disks = [word for fd in disk_fds for word in ("-drive", f"file=/proc/self/fd/{fd},format=raw,if=virtio")]
    append = f"{_CONSOLE} {_ROOT} {_SAME_ADDRESSES} init={INIT} {machine.cmdline}"
    return [
        QEMU,
        *(*accel, "-cpu", cpu),
        # A socket for each processor, so that processors can be of different NUMA nodes.
        *("-smp", f"{machine.processors},sockets={machine.processors}", *_memory(machine)),
        *_BARE,
        *_virtfs("rootfs", Path("/"), ",readonly=on"),
        *_virtfs("out", share),
        *disks,
        *("-kernel", str(machine.kernel), "-append", append),
    ]


def monitor_on(fd: int) -> list[str]:
    """Return the options for a monitor (QMP) on a connected socket, and for VMCOREINFO in dumps."""
    return ["-chardev", f"socket,id=monitor,fd={fd}", "-mon", "chardev=monitor,mode=control", "-device", "vmcoreinfo"]


def _memory(machine: Machine) -> list[str]:
    size = str(machine.memory_mib)
    if machine.dimm_mib:
        size += f",slots=1,maxmem={machine.memory_mib + machine.dimm_mib}M"
    words = ["-m", size]
    if machine.nodes > 1:
        for node in range(machine.nodes):
            words += ["-object", f"memory-backend-ram,id=m{node},size={machine.memory_mib // machine.nodes}M"]
            words += ["-numa", f"node,nodeid={node},memdev=m{node}"]
        for processor in range(machine.processors):
            words += ["-numa", f"cpu,node-id={processor % machine.nodes},socket-id={processor}"]
    if machine.dimm_mib:
        words += ["-object", f"memory-backend-ram,id=dimm,size={machine.dimm_mib}M"]
        words += ["-device", f"pc-dimm,memdev=dimm,node={machine.nodes - 1}"]
    return words


def _virtfs(tag: str, path: Path, more: str = "") -> list[str]:
    # QEMU unescapes a doubled comma.
    path_option = str(path).replace(",", ",,")
    options = f"local,id={tag},path={path_option},mount_tag={tag},security_model=none,multidevs=remap{more}"
    return ["-virtfs", options]


@cache
def accelerator(kernel: Path) -> str:
    """Return `kvm` if a guest boots with it, else `tcg`; $SPO_TRACE_ACCEL overrides the trial."""
    told = os.environ.get("SPO_TRACE_ACCEL")
    if told:
        return told
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _kvm_works(kernel) else "tcg"


# With nested virtualisation, a guest may hang although /dev/kvm exists, so a trial is needed.
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
