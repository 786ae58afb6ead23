# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what `spo-trace trace` needs from this machine; nothing is attached."""

import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, State
from spo_trace.machine.facts import CAP_SYS_ADMIN, Machine
from spo_trace.memory.problem import Problem
from spo_trace.probes.attach import NO_BCC, PYTHONS
from spo_trace.probes.loader.hooks import FUNCTIONS, choose_hooks

__all__ = ["trace_needs"]

_BTF = "sys/kernel/btf/vmlinux"
_KPROBE_EVENTS = "sys/bus/event_source/devices/kprobe/type"

# include/uapi/linux/capability.h
_CAP_PERFMON, _CAP_BPF = 1 << 38, 1 << 39

# Finding the module is cheaper than importing it: bcc loads LLVM.
_FIND_BCC = "import sys, importlib.util as u; sys.exit(sys.version_info < (3, 10) or u.find_spec('bcc') is None)"


def trace_needs(machine: Machine, pythons: Sequence[str] = PYTHONS) -> Iterator[Check]:
    """Yield a check for each thing that `trace` needs; a failed one does not end the checks."""
    yield _check_privileges(machine)
    yield _check_lockdown(machine)
    yield _check_bpf(machine)
    yield _check_bcc(pythons)
    yield _check_btf(machine)
    yield _check_headers(machine)
    yield _check_hooks(machine)
    yield _check_kprobes(machine)


def _ok(code: CheckCode, what: str, found: str) -> Check:
    return Check(code, State.OK, what, found)


def _lacking(code: CheckCode, what: str, found: str, fix: str, cause: Missing = Missing.NO_FILE) -> Check:
    return Check(code, State.OPTIONAL, what, found, fix, cause)


def _check_privileges(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_PRIVILEGES, "privileges"
    if machine.euid != 0:
        found = f"this is uid {machine.euid}: only root may attach probes"
        return _lacking(code, what, found, "run it with sudo", Missing.NOT_ROOT)
    held = machine.capabilities("CapEff")
    if held is not None and not held & CAP_SYS_ADMIN and held & (both := _CAP_BPF | _CAP_PERFMON) != both:
        fix = "run it on the host, or give the container CAP_BPF and CAP_PERFMON"
        return _lacking(code, what, "root lacks CAP_BPF and CAP_PERFMON here", fix, Missing.PERMISSION)
    return _ok(code, what, "root may attach probes")


def _check_lockdown(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_LOCKDOWN, "lockdown"
    if machine.lockdown == "confidentiality":
        found = "kernel lockdown (confidentiality) does not allow BPF to read kernel memory"
        return _lacking(code, what, found, "boot without lockdown=confidentiality", Missing.LOCKDOWN)
    if machine.lockdown is None and machine.configured("CONFIG_SECURITY_LOCKDOWN_LSM") != "":
        return Check(code, State.UNKNOWN, what, "whether lockdown forbids BPF is unknown")
    return _ok(code, what, "no lockdown forbids BPF")


def _check_bpf(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_BPF, "BPF"
    options = ("CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS")
    values = {option: machine.configured(option) for option in options}
    if lacking := [option for option in options if values[option] == ""]:
        found = f"the kernel is built without {' and '.join(lacking)}"
        fix = f"use a kernel with {' and '.join(f'{option}=y' for option in lacking)}"
        return _lacking(code, what, found, fix, Missing.NOT_BUILT_IN)
    if None in values.values():
        return Check(code, State.UNKNOWN, what, "whether the kernel can run BPF programs is unknown")
    return _ok(code, what, "the kernel can run BPF programs")


def _check_bcc(pythons: Sequence[str]) -> Check:
    code, what = CheckCode.TRACE_BCC, "bcc"
    for python in filter(shutil.which, pythons):
        command = [python, "-I", "-c", _FIND_BCC]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:  # noqa: S603
            return _ok(code, what, f"{python} has bcc")
    return _lacking(code, what, f"no bcc for Python 3.10 or later in {' or '.join(pythons)}", NO_BCC)


def _check_btf(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_BTF, "BTF"
    if machine.exists(_BTF):
        return _ok(code, what, f"the kernel has /{_BTF}")
    found = f"the kernel has no /{_BTF}: kprobes are used, and structure offsets are chosen by size"
    return _lacking(code, what, found, "use a kernel with CONFIG_DEBUG_INFO_BTF=y for faster probes")


def _check_headers(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_HEADERS, "kernel headers"
    directory = f"lib/modules/{machine.release}/build"
    if machine.exists(directory):
        return _ok(code, what, f"/{directory} exists")
    if machine.exists("sys/kernel/kheaders.tar.xz"):
        return _ok(code, what, "the kernel provides its headers in /sys/kernel/kheaders.tar.xz")
    if machine.configured("CONFIG_IKHEADERS") == "m":
        return _lacking(code, what, "the module with the kernel headers is not loaded", "modprobe kheaders")
    fix = "apt install linux-headers-$(uname -r), or use a kernel with CONFIG_IKHEADERS"
    return _lacking(code, what, f"there is no /{directory} and no /sys/kernel/kheaders.tar.xz", fix)


def _check_hooks(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_HOOKS, "swap functions"
    if not machine.kallsyms:
        found = "/proc/kallsyms cannot be read: whether the kernel has the functions to hook is unknown"
        return Check(code, State.UNKNOWN, what, found)
    functions = {name for name in FUNCTIONS if machine.has_symbol(name)}
    try:
        hooks = choose_hooks(functions)
    except Problem as problem:
        return _lacking(code, what, problem.message, problem.hint or "", Missing.NOT_BUILT_IN)
    return _ok(code, what, f"the kernel has {', '.join(hook.function for hook in hooks)}")


# fentry, if the kernel and bcc support it, does not need kprobes.
def _check_kprobes(machine: Machine) -> Check:
    code, what = CheckCode.TRACE_KPROBES, "kprobes"
    if machine.exists(_BTF) and platform.machine() == "x86_64":
        return _ok(code, what, "not needed: the kernel has BTF")
    traces = any(mount.kind == "tracefs" for mount in machine.mounts)
    if machine.exists(_KPROBE_EVENTS) or (traces and machine.has_symbol("register_kprobe")):
        return _ok(code, what, "the kernel has kprobes")
    fix = "use a kernel with CONFIG_KPROBE_EVENTS=y; mount -t tracefs tracefs /sys/kernel/tracing"
    return _lacking(code, what, "the kernel has no kprobes, or tracefs is not mounted", fix)
