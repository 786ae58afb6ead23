# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loader is another process: however it ends, the user gets an error with a hint."""

import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.files.bundled import bpf_program
from spo_trace.memory.problem import Problem
from spo_trace.probes import attach as attaching
from spo_trace.probes import loader_process, ways
from spo_trace.probes.attach import attach, require_root

# In place of the loader under a Python with bcc.
ANSWER = """\
import json, os, socket, sys
peer = socket.socket(fileno=int(sys.argv[-1]))
request = json.loads(peer.makefile().readline())
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the directory used in place of /run/spo-trace; the process appears to be root, the kernel to have BPF."""
    with tempfile.TemporaryDirectory(prefix="spo-") as path:
        run = Path(path) / "run"
        run.mkdir(0o700)
        monkeypatch.setattr(loader_process, "RUN", run)
        monkeypatch.setattr("os.geteuid", lambda: Path(path).stat().st_uid)
        monkeypatch.setattr(attaching, "check_kernel", lambda _: None)
        yield run


def loader(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Run this code as the loader for bcc."""
    monkeypatch.setattr(loader_process, "_START", ANSWER + code)
    monkeypatch.setattr(loader_process, "_NEEDS_BCC", "")


def forked(monkeypatch: pytest.MonkeyPatch, act: Callable[[socket.socket, Any], object]) -> None:
    """Do this with the connection and the request as the loader for libbpf."""

    def main(channel: int) -> None:
        with socket.socket(fileno=channel) as peer:
            act(peer, json.loads(peer.makefile().readline()))

    compiled(monkeypatch, Path("/x.o"))
    monkeypatch.setattr(loader_process, "LIBBPF", None)
    monkeypatch.setattr("spo_trace.probes.loader.load.main", main)


def attached(**changes: Any) -> Any:
    options: dict[str, Any] = {
        "max_entries": 10,
        "max_restored": 20,
        "last_pfn": 1000,
        "events": False,
        "show": lambda _: None,
        "loader": "bcc",
    }
    return attach(**options | changes)


def test_descriptors_are_taken_over(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
answer = {"maps": ["entries"], "programs": 1, "request": request}
socket.send_fds(peer, [json.dumps(answer).encode() + b"\\n"], [0, 0, 0])
"""
    loader(monkeypatch, code)
    with attached() as probes:
        assert probes.facts["request"] == {
            "loader": "bcc",
            "program": str(bpf_program()),
            "sizes": {"entries": 10, "restored": 20},
            "last_pfn": 1000,
            "events": False,
            "debugfs": "/sys/kernel/debug",
        }
        assert len(probes.descriptors) == 3
        assert probes.readable == probes.descriptors[:2]
        held = list(probes.descriptors)
    for fd in held:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert list(run.iterdir()) == []


def test_an_error_of_the_loader_is_reported_with_the_output_of_bcc(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
print("first line", *range(40), "R2 min value is negative", sep="\\n", flush=True)
peer.sendall(json.dumps({"error": "no way", "hint": "the fix"}).encode() + b"\\n")
"""
    loader(monkeypatch, code)
    shown: list[str] = []
    with pytest.raises(SpoTraceError) as caught:
        attached(show=shown.append)
    assert (caught.value.message, caught.value.hint) == ("no way", "the fix")
    assert shown[-1] == "bcc: R2 min value is negative"
    assert len(shown) == 12
    assert list(run.iterdir()) == []


@pytest.mark.parametrize("code", ["os.kill(os.getpid(), 9)", "sys.exit(3)"])
def test_a_loader_that_dies(run: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    loader(monkeypatch, code)
    with pytest.raises(SpoTraceError, match=r"exited without an answer \(status (-9|3)\)"):
        attached()
    assert list(run.iterdir()) == []


def test_no_bcc_names_the_packages(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_process, "_NEEDS_BCC", loader_process._NEEDS_BCC.replace("bcc", "no_such_module"))
    with pytest.raises(SpoTraceError) as caught:
        attached()
    assert caught.value.message.startswith("no bcc for Python 3.10 or later in /usr/bin/python3")
    assert "apt install python3-bpfcc" in (caught.value.hint or "")


def test_a_bcc_that_lacks_a_library_is_not_called_missing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = loader_process._NEEDS_BCC.replace("from bcc import BPF", "raise OSError('libLLVM.so: cannot open')")
    monkeypatch.setattr(loader_process, "_NEEDS_BCC", broken)
    shown: list[str] = []
    with pytest.raises(SpoTraceError) as caught:
        attached(show=shown.append)
    assert caught.value.message == "the bcc of /usr/bin/python3 cannot be imported"
    assert (caught.value.hint or "").startswith(
        "reinstall it; install bcc for the system's own Python: apt install python3-bpfcc"
    )
    assert shown == ["bcc: OSError: libLLVM.so: cannot open"]


def compiled(monkeypatch: pytest.MonkeyPatch, path: Path | None) -> None:
    """Have spo-trace built with this object, or without."""
    monkeypatch.setattr(ways, "bpf_object", lambda: path)


SAY = "peer.sendall(json.dumps({'error': request['loader'], 'hint': request['program']}).encode())"


def say(peer: socket.socket, request: Any) -> None:
    peer.sendall(json.dumps({"error": request["loader"], "hint": request["program"]}).encode())


def test_libbpf_is_preferred(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader(monkeypatch, SAY)
    forked(monkeypatch, say)
    for asked, used in {"auto": "libbpf", "libbpf": "libbpf", "bcc": "bcc"}.items():
        with pytest.raises(SpoTraceError) as caught:
            attached(loader=asked)
        assert caught.value.message == used
        assert caught.value.hint == ("/x.o" if used == "libbpf" else str(bpf_program()))


@pytest.mark.parametrize("has_object", [False, True])
def test_bcc_is_used_without_the_object_or_the_library(
    run: Path, monkeypatch: pytest.MonkeyPatch, has_object: bool
) -> None:
    loader(monkeypatch, SAY)
    monkeypatch.setattr(loader_process, "LIBBPF", "libnone.so.1")
    compiled(monkeypatch, Path("/x.o") if has_object else None)
    with pytest.raises(SpoTraceError, match=r"^bcc$"):
        attached(loader="auto")
    # AND if only libbpf may be used, the error names what is missing
    with pytest.raises(SpoTraceError) as caught:
        attached(loader="libbpf")
    assert (caught.value.message, caught.value.hint) == (
        (f"this system has no {ways.LIBBPF}", ways._LIBBPF_PACKAGES)
        if has_object
        else ("spo-trace was built without clang, for libbpf", ways._NO_CLANG)
    )


def test_a_fork_passes_descriptors_and_its_memory_is_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def act(peer: socket.socket, request: Any) -> None:
        said.append("only in the fork")
        held = [path.readlink() for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2 and path.exists()]
        answer = {"maps": ["entries"], "programs": 1, "held": list(map(str, held))}
        socket.send_fds(peer, [json.dumps(answer).encode() + b"\n"], [0, 0, 0])

    forked(monkeypatch, act)
    with (run.parent / "lock").open("w"), attached(loader="libbpf") as probes:
        assert (len(probes.descriptors), len(probes.readable)) == (3, 2)
        # Only its connection: neither a lock nor anything else of this process.
        (held,) = probes.facts["held"]
        assert held.startswith("socket:")
    assert said == []
    assert list(run.iterdir()) == []


def test_what_a_fork_prints_is_shown_if_it_fails(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def act(peer: socket.socket, _: Any) -> None:
        print("R2 min value is negative", file=sys.stderr, flush=True)
        os.write(1, b"from C\n")
        os._exit(3)

    forked(monkeypatch, act)
    print("before")
    shown: list[str] = []
    with pytest.raises(SpoTraceError, match=r"exited without an answer \(status 3\)"):
        attached(loader="libbpf", show=shown.append)
    assert shown == ["libbpf: R2 min value is negative", "libbpf: from C"]
    # AND what this process printed before is printed once
    assert capfd.readouterr() == ("before\n", "")
    assert list(run.iterdir()) == []


def test_a_bug_in_a_fork_ends_it_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forked(monkeypatch, lambda *_: 1 // 0)
    shown: list[str] = []
    with pytest.raises(SpoTraceError, match=r"exited without an answer \(status 1\)"):
        attached(loader="libbpf", show=shown.append)
    assert shown[-1].startswith("libbpf: ZeroDivisionError: ")


def test_a_fork_that_is_killed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forked(monkeypatch, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(SpoTraceError, match=r"exited without an answer \(status -9\)"):
        attached(loader="libbpf")


def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Interrupt the trace when its loader has sent the number of a process, which the returned list gets."""
    pids: list[int] = []

    def converse(peer: Any, request: Any) -> Any:
        peer.sendall(b"{}\n")
        pids.append(int(peer.recv(100)))
        raise KeyboardInterrupt

    monkeypatch.setattr(loader_process, "_converse", converse)
    return pids


def test_an_interrupt_ends_the_fork(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(peer: socket.socket, _: Any) -> None:
        peer.sendall(b"%d" % os.getpid())
        signal.pause()

    forked(monkeypatch, wait)
    pids = interrupted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        attached(loader="libbpf")
    assert state_of(pids[0]) is None
    assert list(run.iterdir()) == []


def test_what_the_kernel_lacks_is_said_before_what_is_not_installed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise Problem("this kernel has no BPF", "use a kernel with CONFIG_BPF_SYSCALL=y")

    monkeypatch.setattr(attaching, "check_kernel", refuse)
    compiled(monkeypatch, None)
    for asked in ways.LOADERS:
        with pytest.raises(SpoTraceError) as caught:
            attached(loader=asked)
        assert caught.value.message == "this kernel has no BPF"
        assert caught.value.hint == "use a kernel with CONFIG_BPF_SYSCALL=y"


def test_without_both_each_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(monkeypatch, None)
    monkeypatch.setattr(loader_process, "_NEEDS_BCC", loader_process._NEEDS_BCC.replace("bcc", "no_such_module"))
    with pytest.raises(SpoTraceError) as caught:
        attached(loader="auto")
    assert "without clang" in caught.value.message and "; no bcc for Python" in caught.value.message
    assert "install clang" in (caught.value.hint or "") and "; or install bcc" in (caught.value.hint or "")


def test_root_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SpoTraceError, match="only root may attach probes"):
        require_root()


def test_an_interrupt_ends_the_loader_and_its_children(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import subprocess
child = subprocess.Popen(["sleep", "1000"])
peer.sendall(b"%d" % child.pid)
child.wait()
"""
    loader(monkeypatch, code)
    children = interrupted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        attached()
    # Dead, or a zombie.
    while state_of(children[0]) not in (None, "Z"):
        pass
    assert list(run.iterdir()) == []


def state_of(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2]
    except FileNotFoundError:
        return None
