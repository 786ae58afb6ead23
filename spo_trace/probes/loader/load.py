# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compile, check and attach the probes under a Python that has bcc; send the open descriptors, and exit.

The process that receives the descriptors keeps the probes attached. They are detached when it closes them or exits.
"""

import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path

from spo_trace.memory.btf import Btf
from spo_trace.memory.layout import Layout, find_layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import VARIABLES, KernelSymbols
from spo_trace.probes import bpf_maps
from spo_trace.probes.loader.hooks import FUNCTIONS, Hook, choose_hooks, past_ftrace_site
from spo_trace.probes.loader.layout_checks import check_layout, symbols_in, take_samples
from spo_trace.probes.loader.messages import LoadAnswer, LoadRequest, Refusal
from spo_trace.probes.loader.refusal import build_problem, check_kernel, report_hint

__all__ = ["MAPS", "main"]

MAPS = ("entries", "restored", "stacks", "events", "callers", "counters", "layouts")

_PR_SET_PDEATHSIG = 1

_KALLSYMS = Path("/proc/kallsyms")
_KPROBES = Path("/sys/bus/event_source/devices/kprobe")
_BTF = Path("/sys/kernel/btf/vmlinux")


def main(channel: int) -> None:
    """Answer the one request on the socket `channel`, and exit without detaching the probes."""
    # Nobody needs the result if the parent is killed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with socket.socket(fileno=channel) as peer:
        if _was_left(peer):
            return
        try:
            answer: LoadAnswer | Refusal
            answer, descriptors = _load(json.loads(peer.makefile().readline()))
        except Problem as problem:
            answer, descriptors = {"error": problem.message, "hint": problem.hint}, []
        socket.send_fds(peer, [json.dumps(answer).encode() + b"\n"], descriptors)
    sys.stdout.flush()
    sys.stderr.flush()
    # A normal exit would run bcc's cleanup, which detaches.
    os._exit(0)


# The parent may have been killed before the prctl(); then its end of the socket is closed.
def _was_left(peer: socket.socket) -> bool:
    poller = select.poll()
    poller.register(peer, select.POLLRDHUP)
    return bool(poller.poll(0))


def _load(request: LoadRequest) -> "tuple[LoadAnswer, list[int]]":
    check_kernel()
    btf = _read_btf()
    page_owner = _open_page_owner(Path(request["debugfs"]))
    samples = take_samples(page_owner, int(request["last_pfn"])) if page_owner is not None else []
    symbols = _read_symbols({*VARIABLES, *FUNCTIONS, *symbols_in(samples)})
    functions = btf.functions if btf is not None and _has_fentry() else None
    fentry = functions is not None
    hooks = choose_hooks(symbols.names(), functions, owners=page_owner is not None)
    program = _Program(Path(request["program"]), hooks, request["defines"], fentry=fentry)
    layout = find_layout(symbols, btf, program if page_owner is not None else None)
    checked = 0
    if page_owner is not None:
        checked = check_layout(layout, symbols, program, samples, page_owner)
    layout.events = int(request["events"])
    if not fentry:
        program.attach_kprobes(hooks, symbols)
    program.start(layout)
    answer: LoadAnswer = {
        "hooks": {hook.role: hook.function for hook in hooks},
        "fentry": fentry,
        "owners": bool(layout.owners),
        "checked_pages": checked,
        "maps": list(MAPS),
        "programs": len(program.programs()),
    }
    return answer, program.descriptors()


def _read_symbols(wanted: "set[str]") -> KernelSymbols:
    try:
        with _KALLSYMS.open() as lines:
            return KernelSymbols(lines, wanted)
    except FileNotFoundError as error:
        raise Problem(f"the kernel has no {_KALLSYMS}", "use a kernel with CONFIG_KALLSYMS_ALL=y") from error


def _read_btf() -> Btf | None:
    try:
        return Btf(_BTF.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"{_BTF} cannot be read: {error.strerror}", _hint_for(error)) from error
    except (ValueError, struct.error) as error:
        raise Problem(f"{_BTF} cannot be parsed: {error}", report_hint()) from error


# BTF is not enough: fentry also needs BPF trampolines, which some architectures lack, and a bcc that supports them.
def _has_fentry() -> bool:
    from bcc import BPF

    return hasattr(BPF, "support_kfunc") and bool(BPF.support_kfunc())


def _open_page_owner(debugfs: Path) -> int | None:
    path = debugfs / "page_owner"
    if not debugfs.is_mount():
        raise Problem(f"debugfs is not mounted on {debugfs}", f"mount -t debugfs debugfs {debugfs}")
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", _hint_for(error)) from error


# The kernel returns EACCES to other users, and EPERM to root if lockdown forbids what the file mode permits.
def _hint_for(error: OSError) -> str | None:
    hints = {errno.EACCES: "run it as root", errno.EPERM: "boot without lockdown=, and without Secure Boot"}
    return hints.get(error.errno or 0)


class _Program:
    """Hold the compiled program, and read kernel memory with it."""

    def __init__(self, source: Path, hooks: "list[Hook]", defines: "dict[str, int]", *, fentry: bool) -> None:
        from bcc import BPF

        text = source.read_text() + "".join(f"{hook.source}\n" for hook in hooks)
        flags = [f"-D{name}={value}" for name, value in defines.items()] + (["-DFENTRY"] if fentry else [])
        # Not BPF(…), to keep the object when its constructor fails: it has a `module` once everything is compiled.
        self._bpf = BPF.__new__(BPF)
        try:
            self._bpf.__init__(text=text, cflags=flags)
            self._peek = self._bpf.load_func("peek", BPF.RAW_TRACEPOINT).fd
        except Exception as error:
            # bcc raises nothing more specific.
            compiled = bool(getattr(self._bpf, "module", None))
            raise build_problem(error, compiled=compiled, max_entries=defines["MAX_ENTRIES"]) from error
        attached = len(self._bpf.kfunc_entry_fds)
        if fentry and attached != len(hooks):
            raise Problem(f"bcc attached {attached} of {len(hooks)} programs", report_hint())
        self._peeked = self._fd("peeked")

    def _fd(self, name: str) -> int:
        return int(self._bpf[name].map_fd)

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes (at most 256) of kernel memory; raise Problem if they cannot be read."""
        failed = bpf_maps.run_program(self._peek, struct.pack("=QQ", address, size))
        raw = bpf_maps.lookup(self._peeked, struct.pack("=I", 0), 256)
        if failed or raw is None:
            raise Problem(f"kernel memory at {address:#x} cannot be read", report_hint())
        return raw[:size]

    def u64(self, address: int) -> int:
        """Return a 64-bit word."""
        return int(struct.unpack("=Q", self.read(address, 8))[0])

    def attach_kprobes(self, hooks: list[Hook], symbols: KernelSymbols) -> None:
        """Attach the programs after the ftrace sites of the functions; not needed with fentry."""
        for hook in hooks:
            offset = past_ftrace_site(self.read(symbols.address(hook.function), 9))
            try:
                self._bpf.attach_kprobe(
                    event=hook.function.encode(), event_off=offset, fn_name=f"on_{hook.function}".encode()
                )
            except Exception as error:
                # bcc raises nothing more specific.
                hint = report_hint() if _KPROBES.exists() else "use a kernel with CONFIG_KPROBE_EVENTS=y"
                raise Problem(f"{hook.function} cannot be hooked: {error}", hint) from error

    def start(self, layout: Layout) -> None:
        """Enable the attached programs."""
        layout.ready = 1
        bpf_maps.update(self._fd("layouts"), struct.pack("=I", 0), layout.pack())

    def programs(self) -> "list[int]":
        """Return the descriptors of the programs."""
        return [function.fd for function in self._bpf.funcs.values()]

    def descriptors(self) -> "list[int]":
        """Return the descriptors of the maps of MAPS, of the programs, and of the links that keep these attached."""
        kprobes = [fd for by_name in self._bpf.kprobe_fds.values() for fd in by_name.values()]
        links = [*self._bpf.kfunc_entry_fds.values(), *kprobes]
        return [*(self._fd(name) for name in MAPS), *self.programs(), *links]


if __name__ == "__main__":
    main(int(sys.argv[1]))
