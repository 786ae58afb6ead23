# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled programs, with the system's libbpf and, where it permits that, the running kernel."""

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from spo_trace.files.bundled import bpf_object
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader import refusal
from spo_trace.probes.loader.hooks import Hook
from spo_trace.probes.loader.libbpf import LIBRARY, BpfObject, system_libbpf
from spo_trace.probes.loader.libbpf_program import LibbpfProgram
from spo_trace.probes.loader.program import MAPS, TRAMPOLINE

OBJECT = bpf_object()


def has_libbpf() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(OBJECT is None, reason="spo-trace was built without clang"),
    pytest.mark.skipif(not has_libbpf(), reason=f"this system has no {LIBRARY} (Debian: libbpf1)"),
]

# One for each program of the object. The functions do not matter: nothing is attached.
PROGRAMS = ("out", "in", "free_one", "free_run", "free_range", "migrate", "unmap")
HOOKS = [Hook(name, f"function_{name}", name) for name in PROGRAMS]


@pytest.fixture
def permitted() -> None:
    """Skip the test if this kernel does not let this process load BPF programs."""
    try:
        refusal.check_kernel("libbpf")
    except Problem as problem:
        pytest.skip(problem.message)


def loaded(hooks: list[Hook] = HOOKS, **sizes: int) -> LibbpfProgram:
    request: Any = {"program": str(OBJECT), "sizes": {"entries": 3, "restored": 5} | sizes}
    return LibbpfProgram(request, hooks, fentry=False)


@pytest.mark.usefixtures("permitted")
def test_the_kernel_accepts_each_program_after_few_instructions() -> None:
    program = loaded()
    facts = [Path(f"/proc/self/fdinfo/{fd}").read_text() for fd in program.program_fds()]
    assert len(facts) == len(PROGRAMS)
    # Once for each page of a folio, it would be a hundred times as many.
    verified = [int(line.split()[1]) for text in facts for line in text.splitlines() if line.startswith("verified")]
    assert all(0 < number < 20_000 for number in verified)
    assert len(program.descriptors()) == len(MAPS) + len(PROGRAMS)
    # AND only the programs of the chosen hooks are loaded
    assert len(loaded(HOOKS[:3]).program_fds()) == 3


@pytest.mark.usefixtures("permitted")
def test_the_sizes_of_the_maps_are_those_of_the_request() -> None:
    program = loaded()
    texts = {name: Path(f"/proc/self/fdinfo/{program.map_fd(name)}").read_text() for name in MAPS}
    found = {name: int(text.partition("max_entries:")[2].split()[0]) for name, text in texts.items()}
    assert (found["entries"], found["restored"], found["layouts"]) == (3, 5, 1)


@pytest.mark.usefixtures("permitted")
def test_kernel_memory_is_read() -> None:
    with Path("/proc/kallsyms").open("rb") as lines:
        symbols = KernelSymbols(lines, {"linux_banner"})
    if (address := symbols.find("linux_banner")) is None:
        pytest.skip("this kernel has no CONFIG_KALLSYMS_ALL")
    # The version of the kernel, as /proc/version prints it.
    assert loaded().read(address, 64) == Path("/proc/version").read_bytes()[:64]


@pytest.mark.usefixtures("permitted")
def test_unreadable_memory() -> None:
    with pytest.raises(Problem, match="kernel memory at 0x10 cannot be read") as caught:
        loaded().u64(0x10)
    assert (caught.value.hint or "").startswith("please report it with all output above: libbpf ")


@pytest.mark.usefixtures("permitted")
def test_a_map_that_the_kernel_cannot_create() -> None:
    with pytest.raises(Problem) as caught:
        loaded(entries=(1 << 32) - 1)
    assert caught.value.message.startswith("the kernel cannot create a map of 4,294,967,295 swap entries: ")
    assert "--max-entries" in (caught.value.hint or "")


@pytest.mark.usefixtures("permitted")
def test_a_kprobe_on_no_function(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    program = loaded(HOOKS[:1])
    monkeypatch.setattr(LibbpfProgram, "past_ftrace_site", lambda *_: 0)
    with pytest.raises(Problem, match="function_out cannot be hooked: ") as caught:
        program.attach(KernelSymbols([], ()))
    assert caught.value.hint
    # What libbpf says is kept for the user.
    assert "function_out" in capfd.readouterr().err


def test_fentry_needs_a_function_of_the_kernel() -> None:
    assert LibbpfProgram.has_fentry(KernelSymbols([b"1000 T %b\n" % TRAMPOLINE.encode()], {TRAMPOLINE}))
    assert not LibbpfProgram.has_fentry(KernelSymbols([], ()))


@pytest.mark.parametrize("content", [b"", b"no object", struct.pack("<16s48x", b"\x7fELF\x02\x01\x01")])
def test_a_damaged_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "swap_owner.bpf.o"
    path.write_bytes(content)
    with pytest.raises(Problem, match=r"swap_owner\.bpf\.o cannot be opened: ") as caught:
        LibbpfProgram({"program": str(path), "sizes": {}}, [], fentry=False)  # type: ignore[typeddict-item]
    assert caught.value.hint == "install clang, and then spo-trace again; or choose the loader bcc"


def test_a_name_that_the_object_lacks() -> None:
    opened = BpfObject(system_libbpf(), str(OBJECT))
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        opened.program("fentry_none")
    # AND each hook has both programs
    for name in PROGRAMS:
        assert opened.program(f"fentry_{name}") != opened.program(f"kprobe_{name}")
