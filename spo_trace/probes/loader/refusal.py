# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why the BPF programs cannot be compiled or loaded.

The exceptions of bcc contain only text. What the kernel permits is therefore tried without bcc, to get error numbers.
`tool` is the name and version of what loads the programs.
"""

import errno
import os
import struct
from pathlib import Path

from spo_trace.memory.problem import Problem
from spo_trace.probes import bpf_maps

__all__ = ["check_kernel", "compile_problem", "kprobe_problem", "load_problem", "map_problem", "report_hint"]

_MODULES = Path("/lib/modules")
_KHEADERS = Path("/sys/kernel/kheaders.tar.xz")
_KPROBES = Path("/sys/bus/event_source/devices/kprobe")

# Bytes of a swp_entry, and of struct restored, the largest value of the maps by entry or PFN (bpf/swap_owner.c).
_KEY_SIZE, _VALUE_SIZE = 8, 56


# struct bpf_insn; the low four bits of `registers` are the destination.
def _instruction(code: int, registers: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("<BBhi", code, registers, 0, immediate)


_RETURN_0 = _instruction(0xB7) + _instruction(0x95)
# bpf_probe_read_kernel(stack pointer - 8, 8, 0)
_READ_MEMORY = (
    _instruction(0xBF, 0xA1)
    + _instruction(0x07, 0x01, -8)
    + _instruction(0xB7, 0x02, 8)
    + _instruction(0xB7, 0x03)
    + _instruction(0x85, 0, 113)
    + _RETURN_0
)

_NO_PERMISSION = Problem(
    "the kernel does not permit this process to load BPF programs",
    "run it as root, and not in a container: it needs CAP_BPF and CAP_PERFMON",
)
_NO_BPF = Problem("this kernel has no BPF", "use a kernel with CONFIG_BPF_SYSCALL=y")
_NO_TRACING = Problem("this kernel has no BPF programs for tracing", "use a kernel with CONFIG_BPF_EVENTS=y")
_LOCKED = Problem(
    "kernel lockdown (confidentiality) does not allow BPF to read kernel memory",
    "boot without lockdown=confidentiality",
)


def check_kernel(tool: str) -> None:
    """Load two minimal programs, the second of which reads kernel memory; raise Problem if either does not load."""
    _try(_RETURN_0, tool, invalid=_NO_TRACING)
    # Without CONFIG_BPF_EVENTS, the first one is invalid. Only lockdown makes the second one invalid.
    _try(_READ_MEMORY, tool, invalid=_LOCKED)


def _try(instructions: bytes, tool: str, *, invalid: Problem) -> None:
    try:
        bpf_maps.try_program(instructions)
    except OSError as error:
        raise _refusal(error, tool, invalid) from error


def _refusal(error: OSError, tool: str, invalid: Problem) -> Problem:
    match error.errno:
        case errno.EPERM | errno.EACCES:
            return _NO_PERMISSION
        case errno.ENOSYS:
            return _NO_BPF
        case errno.EINVAL:
            return invalid
        case _:
            return Problem(f"the kernel refuses to load a BPF program: {error.strerror}", report_hint(tool))


def compile_problem(error: Exception, tool: str, max_entries: int) -> Problem:
    """Return the Problem if bcc could not compile, on a kernel that has passed `check_kernel`."""
    message = f"the BPF program cannot be compiled: {error}"
    if missing := _missing_headers():
        return Problem(message, missing)
    # bcc creates the maps while it compiles.
    return map_problem(max_entries) or Problem(message, report_hint(tool))


def load_problem(error: Exception, tool: str) -> Problem:
    """Return the Problem if the kernel refused programs or maps, and has passed `check_kernel`."""
    why = error.strerror if isinstance(error, OSError) else error
    return Problem(f"the BPF program cannot be loaded: {why}", report_hint(tool))


def map_problem(max_entries: int) -> Problem | None:
    """Return the Problem if the kernel cannot create a map of this many entries, None if it can."""
    try:
        bpf_maps.try_hash_map(_KEY_SIZE, _VALUE_SIZE, max_entries)
    except OSError as failure:
        message = f"the kernel cannot create a map of {max_entries:,} swap entries: {failure.strerror}"
        return Problem(message, "free memory, or make the map smaller: spo-trace trace --max-entries N")
    return None


def kprobe_problem(function: str, why: str, tool: str) -> Problem:
    """Return the Problem if a kprobe cannot be attached to a function."""
    hint = report_hint(tool) if _KPROBES.exists() else "use a kernel with CONFIG_KPROBE_EVENTS=y"
    return Problem(f"{function} cannot be hooked: {why}", hint)


# Return what to do if bcc finds no headers: it uses those of a package, or unpacks those in the kernel.
def _missing_headers() -> str | None:
    modules = _MODULES / os.uname().release
    if any((modules / name).is_dir() for name in ("build", "source")):
        return None
    if not _KHEADERS.exists() or not _KHEADERS.stat().st_size:
        hint = "apt install linux-headers-$(uname -r), or use a kernel with CONFIG_IKHEADERS (modprobe kheaders)"
        return f"bcc needs the running kernel's headers: {hint}"
    from shutil import which

    if not all(map(which, ("tar", "xz"))):
        return f"bcc needs tar and xz to unpack {_KHEADERS}: apt install xz-utils"
    return None


def report_hint(tool: str) -> str:
    """Return the hint for a bug in spo-trace or `tool`, with the versions of it and of the kernel."""
    kernel = os.uname()
    return f"please report it with all output above: {tool}, Linux {kernel.release} ({kernel.machine})"
