# SPDX-License-Identifier: LGPL-2.1-or-later
"""The reason why programs cannot be loaded depends on error numbers; the kernel is a fake."""

import errno
import os
from pathlib import Path

import pytest

from spo_trace.memory.problem import Problem
from spo_trace.probes import bpf_maps
from spo_trace.probes.loader import refusal
from spo_trace.probes.loader.refusal import check_kernel, compile_problem, load_problem


def refuse(monkeypatch: pytest.MonkeyPatch, number: int, *, calls_helper: bool = False) -> None:
    """Make the kernel refuse any program, or only those that call a helper."""

    def try_program(instructions: bytes) -> None:
        codes = instructions[::8]
        if 0x85 in codes or not calls_helper:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(bpf_maps, "try_program", try_program)


@pytest.mark.parametrize(
    ("number", "calls_helper", "message", "hint"),
    [
        (errno.EPERM, False, "the kernel does not permit this process to load BPF", "run it as root, and not in a"),
        (errno.EACCES, True, "the kernel does not permit this process to load BPF", "run it as root, and not in a"),
        (errno.ENOSYS, False, "this kernel has no BPF", "use a kernel with CONFIG_BPF_SYSCALL=y"),
        (errno.EINVAL, False, "this kernel has no BPF programs for tracing", "use a kernel with CONFIG_BPF_EVENTS=y"),
        (errno.EINVAL, True, "kernel lockdown (confidentiality) does not allow BPF to read", "boot without lockdown="),
        (errno.ENOMEM, False, "the kernel refuses to load a BPF program: Cannot allocate memory", "please report it"),
    ],
)
def test_each_error_number_has_its_cause(
    monkeypatch: pytest.MonkeyPatch, number: int, calls_helper: bool, message: str, hint: str
) -> None:
    refuse(monkeypatch, number, calls_helper=calls_helper)
    with pytest.raises(Problem) as caught:
        check_kernel("libbpf 1.1")
    assert caught.value.message.startswith(message)
    assert (caught.value.hint or "").startswith(hint)


def test_a_kernel_that_permits_both_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []
    monkeypatch.setattr(bpf_maps, "try_program", tried.append)
    check_kernel("libbpf 1.1")
    # Whole instructions, each program ends with exit, and only the second calls bpf_probe_read_kernel.
    assert [len(program) % 8 for program in tried] == [0, 0]
    assert [program[-8] for program in tried] == [0x95, 0x95]
    calls = [[at for at in range(0, len(program), 8) if program[at] == 0x85] for program in tried]
    assert calls[0] == []
    assert [int.from_bytes(tried[1][at + 4 : at + 8], "little") for at in calls[1]] == [113]


def test_the_running_kernel_gives_a_known_result() -> None:
    """The two programs load, or the kernel refuses them for a known reason."""
    try:
        check_kernel("libbpf 1.1")
    except Problem as problem:
        assert problem in (refusal._NO_PERMISSION, refusal._NO_BPF, refusal._NO_TRACING, refusal._LOCKED)


def test_headers_in_the_kernel_need_tar_and_xz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "kheaders.tar.xz"
    archive.write_bytes(b"headers")
    monkeypatch.setattr(refusal, "_MODULES", tmp_path / "none")
    monkeypatch.setattr(refusal, "_KHEADERS", archive)
    monkeypatch.setattr("shutil.which", lambda name: None if name == "xz" else f"/bin/{name}")
    problem = compile_problem(Exception("Failed to compile"), "bcc 0.26", 10)
    assert problem.hint == f"bcc needs tar and xz to unpack {archive}: apt install xz-utils"


def test_a_map_that_is_too_large_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN headers, and a kernel that cannot create a map of this size: bcc reports a compile error
    (tmp_path / os.uname().release / "build").mkdir(parents=True)
    monkeypatch.setattr(refusal, "_MODULES", tmp_path)
    asked: list[tuple[int, int, int]] = []

    def try_hash_map(*sizes: int) -> None:
        asked.append(sizes)  # type: ignore[arg-type]
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(bpf_maps, "try_hash_map", try_hash_map)
    # WHEN
    problem = compile_problem(Exception("Failed to compile"), "bcc 0.26", 1 << 30)
    # THEN
    assert problem.message == "the kernel cannot create a map of 1,073,741,824 swap entries: Cannot allocate memory"
    assert problem.hint == "free memory, or make the map smaller: spo-trace trace --max-entries N"
    assert asked == [(8, 56, 1 << 30)]


def test_a_program_that_the_kernel_refuses() -> None:
    problem = load_problem(OSError(errno.EINVAL, os.strerror(errno.EINVAL)), "libbpf 1.1")
    assert problem.message == "the BPF program cannot be loaded: Invalid argument"
    assert (problem.hint or "").startswith("please report it with all output above: libbpf 1.1, Linux ")
