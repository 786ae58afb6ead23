# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what `spo-trace trace` needs from this machine; nothing is attached."""

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, State, Topic
from spo_trace.machine.facts import CAP_SYS_ADMIN, Machine
from spo_trace.memory.problem import Problem
from spo_trace.probes.loader.hooks import FUNCTIONS, choose_hooks
from spo_trace.probes.ways import LIBBPF, PYTHONS, Way, ways

__all__ = ["trace_needs"]

_BTF = "sys/kernel/btf/vmlinux"
_KPROBE_EVENTS = "sys/bus/event_source/devices/kprobe/type"

# include/uapi/linux/capability.h
_CAP_PERFMON, _CAP_BPF = 1 << 38, 1 << 39

# Finding the module is cheaper than importing it: bcc loads LLVM.
_FIND_BCC = "import sys, importlib.util as u; sys.exit(sys.version_info < (3, 10) or u.find_spec('bcc') is None)"


def trace_needs(machine: Machine, pythons: Sequence[str] = PYTHONS, library: str = LIBBPF) -> Iterator[Check]:
    """Yield a check for each thing that `trace` needs; a failed one does not end the checks."""
    yield _check_privileges(machine)
    yield _check_lockdown(machine)
    yield _check_bpf(machine)
    by_libbpf, by_bcc = ways("auto")
    libbpf, bcc, headers = _check_libbpf(by_libbpf, library), _check_bcc(by_bcc, pythons), _check_headers(machine)
    yield _check_loader([libbpf], [bcc, headers])
    yield from (libbpf, bcc, _check_btf(machine), headers)
    yield _check_hooks(machine)
    yield _check_kprobes(machine)


def _check_privileges(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_PRIVILEGES, "privileges")
    if machine.euid != 0:
        found = f"running as uid {machine.euid}: only root may attach probes"
        return topic.optional(found, "run it with sudo", Missing.NOT_ROOT)
    caps = machine.capabilities("CapEff")
    if caps is not None and not caps & CAP_SYS_ADMIN and caps & (both := _CAP_BPF | _CAP_PERFMON) != both:
        fix = "run it on the host, or give the container CAP_BPF and CAP_PERFMON"
        return topic.optional("root lacks CAP_BPF and CAP_PERFMON here", fix, Missing.PERMISSION)
    return topic.ok("root may attach probes")


def _check_lockdown(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_LOCKDOWN, "lockdown")
    if machine.lockdown == "confidentiality":
        found = "kernel lockdown (confidentiality) does not allow BPF to read kernel memory"
        return topic.optional(found, "boot without lockdown=confidentiality", Missing.LOCKDOWN)
    if machine.lockdown is None and machine.configured("CONFIG_SECURITY_LOCKDOWN_LSM") != "":
        return topic.unknown("kernel lockdown is unknown: it may forbid BPF")
    return topic.ok("kernel lockdown permits BPF")


def _check_bpf(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_BPF, "BPF")
    options = ("CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS")
    values = {option: machine.configured(option) for option in options}
    if lacking := [option for option in options if values[option] == ""]:
        found = f"the kernel is built without {' and '.join(lacking)}"
        fix = f"use a kernel with {' and '.join(f'{option}=y' for option in lacking)}"
        return topic.optional(found, fix, Missing.NOT_BUILT_IN)
    if None in values.values():
        return topic.unknown("whether the kernel can run BPF programs is unknown")
    return topic.ok("the kernel can run BPF programs")


# One of the two ways is enough.
def _check_loader(libbpf: Sequence[Check], bcc: Sequence[Check]) -> Check:
    topic = Topic(CheckCode.TRACE_LOADER, "loader")
    for name, checks in {"libbpf": libbpf, "bcc": bcc}.items():
        if all(check.state is State.OK for check in checks):
            return topic.ok(f"{name} loads the probes")
    return topic.optional("neither libbpf nor bcc can load the probes", "see the next lines: one of both is enough")


def _check_libbpf(way: Way, library: str) -> Check:
    topic = Topic(CheckCode.TRACE_LIBBPF, "libbpf")
    if way.program is None:
        return topic.optional(way.missing, way.packages)
    try:
        ctypes.CDLL(library)
    except OSError:
        return topic.optional(way.missing, way.packages)
    return topic.ok(f"this system has {library}, and spo-trace was built with clang")


def _check_bcc(way: Way, pythons: Sequence[str]) -> Check:
    topic = Topic(CheckCode.TRACE_BCC, "bcc")
    for python in filter(shutil.which, pythons):
        command = [python, "-I", "-c", _FIND_BCC]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:  # noqa: S603
            return topic.ok(f"{python} has bcc")
    return topic.optional(way.missing, way.packages)


def _check_btf(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_BTF, "BTF")
    if machine.exists(_BTF):
        return topic.ok(f"the kernel has /{_BTF}")
    found = f"the kernel has no /{_BTF}: kprobes are used, and structure offsets are chosen by size"
    return topic.optional(found, "use a kernel with CONFIG_DEBUG_INFO_BTF=y for faster probes")


def _check_headers(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_HEADERS, "kernel headers, for bcc")
    directory = f"lib/modules/{machine.release}/build"
    if machine.exists(directory):
        return topic.ok(f"/{directory} exists")
    if machine.exists("sys/kernel/kheaders.tar.xz"):
        return topic.ok("the kernel provides its headers in /sys/kernel/kheaders.tar.xz")
    if machine.configured("CONFIG_IKHEADERS") == "m":
        return topic.optional("the module with the kernel headers is not loaded", "modprobe kheaders")
    fix = "apt install linux-headers-$(uname -r), or use a kernel with CONFIG_IKHEADERS"
    return topic.optional(f"there is no /{directory} and no /sys/kernel/kheaders.tar.xz", fix)


def _check_hooks(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_HOOKS, "swap functions")
    if not machine.kallsyms:
        found = "/proc/kallsyms cannot be read: whether the kernel has the functions to hook is unknown"
        return topic.unknown(found)
    functions = {name for name in FUNCTIONS if machine.has_symbol(name)}
    try:
        hooks = choose_hooks(functions)
    except Problem as problem:
        return topic.optional(problem.message, problem.hint or "", Missing.NOT_BUILT_IN)
    return topic.ok(f"the kernel has {', '.join(hook.function for hook in hooks)}")


# fentry, if the kernel and the loader support it, does not need kprobes.
def _check_kprobes(machine: Machine) -> Check:
    topic = Topic(CheckCode.TRACE_KPROBES, "kprobes")
    if machine.exists(_BTF) and platform.machine() == "x86_64":
        return topic.ok("not needed: the kernel has BTF")
    traces = any(mount.kind == "tracefs" for mount in machine.mounts)
    if machine.exists(_KPROBE_EVENTS) or (traces and machine.has_symbol("register_kprobe")):
        return topic.ok("the kernel has kprobes")
    fix = "use a kernel with CONFIG_KPROBE_EVENTS=y; mount -t tracefs tracefs /sys/kernel/tracing"
    return topic.optional("the kernel has no kprobes, or tracefs is not mounted", fix)
