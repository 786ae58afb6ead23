# SPDX-License-Identifier: LGPL-2.1-or-later
"""Load, check and attach the probes, with bcc or libbpf; send the open descriptors, and exit.

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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from spo_trace.memory.btf import Btf
from spo_trace.memory.layout import find_layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import VARIABLES, KernelSymbols
from spo_trace.probes.loader.hooks import FUNCTIONS, choose_hooks
from spo_trace.probes.loader.layout_checks import check_layout, symbols_in, take_samples
from spo_trace.probes.loader.messages import LoadAnswer, LoadRequest, Refusal
from spo_trace.probes.loader.program import MAPS, TRAMPOLINE
from spo_trace.probes.loader.refusal import report_hint

if TYPE_CHECKING:
    from spo_trace.probes.loader.bcc_program import BccProgram
    from spo_trace.probes.loader.libbpf_program import LibbpfProgram

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1

_KALLSYMS = Path("/proc/kallsyms")
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
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    # A normal exit would run bcc's cleanup, which detaches.
    os._exit(0)


# The parent may have been killed before the prctl(); then its end of the socket is closed.
def _was_left(peer: socket.socket) -> bool:
    poller = select.poll()
    poller.register(peer, select.POLLRDHUP)
    return bool(poller.poll(0))


def _load(request: LoadRequest) -> "tuple[LoadAnswer, list[int]]":
    loader = _program_of(request["loader"])
    tool = loader.version()
    btf = _read_btf(loader)
    page_owner = _open_page_owner(Path(request["debugfs"]))
    samples = take_samples(page_owner, int(request["last_pfn"])) if page_owner is not None else []
    symbols = _read_symbols({*VARIABLES, *FUNCTIONS, TRAMPOLINE, *symbols_in(samples)})
    in_btf = btf.has_function if btf is not None and loader.has_fentry(symbols) else None
    fentry = in_btf is not None
    hooks = choose_hooks(symbols.names(), in_btf, owners=page_owner is not None)
    program = loader(request, hooks, fentry=fentry)
    layout = find_layout(symbols, btf, program if page_owner is not None else None)
    checked = 0
    if page_owner is not None:
        checked = check_layout(layout, symbols, program, samples, page_owner)
    layout.events = int(request["events"])
    program.attach(symbols)
    program.start(layout)
    answer: LoadAnswer = {
        "loader": tool,
        "hooks": {hook.role: hook.function for hook in hooks},
        "fentry": fentry,
        "owners": bool(layout.owners),
        "checked_pages": checked,
        "maps": list(MAPS),
        "programs": len(program.program_fds()),
    }
    return answer, program.descriptors()


# Only one of both is needed, and a start is to take little time.
def _program_of(loader: str) -> "type[BccProgram | LibbpfProgram]":
    if loader == "libbpf":
        from spo_trace.probes.loader.libbpf_program import LibbpfProgram

        return LibbpfProgram
    from spo_trace.probes.loader.bcc_program import BccProgram

    return BccProgram


def _read_symbols(wanted: "set[str]") -> KernelSymbols:
    try:
        with _KALLSYMS.open("rb") as file:
            return KernelSymbols(iter(partial(file.read, 1 << 16), b""), wanted)
    except FileNotFoundError as error:
        raise Problem(f"the kernel has no {_KALLSYMS}", "use a kernel with CONFIG_KALLSYMS_ALL=y") from error


def _read_btf(loader: "type[BccProgram | LibbpfProgram]") -> Btf | None:
    try:
        return loader.btf(_BTF.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Problem(f"{_BTF} cannot be read: {error.strerror}", _hint_for(error)) from error
    except (ValueError, struct.error) as error:
        raise Problem(f"{_BTF} cannot be parsed: {error}", report_hint(loader.version())) from error


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


if __name__ == "__main__":
    main(int(sys.argv[1]))
