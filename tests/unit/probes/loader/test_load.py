# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loader on machines that cannot be probed; bcc and the kernel are fakes."""

import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from spo_trace.memory.btf import Btf
from spo_trace.memory.layout import Layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader import load as loader
from spo_trace.probes.loader.bcc_program import BccProgram
from spo_trace.probes.loader.libbpf_program import LibbpfProgram
from tests.unit.memory.btf_data import kernel_btf
from tests.unit.probes.loader.fake_bcc import FakeBpf

REPORT = "please report it with all output above: bcc 0.99.0, Linux "


@pytest.mark.parametrize(("btf", "able"), [(True, True), (True, False), (False, True)])
def test_kprobes_are_used_without_fentry(
    bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, btf: bool, able: bool
) -> None:
    # GIVEN functions of which BTF lacks the last, so that fentry cannot use it
    functions = ("swap_writeout", "swap_read_folio", "__swap_cache_clear_shadow", "clear_shadow_from_swap_cache")
    known = Btf(kernel_btf())
    monkeypatch.setattr(known, "has_function", {*functions[:2], "clear_shadow_from_swap_cache"}.__contains__)
    kallsyms = KernelSymbols([b"1000 T %b\n" % name.encode() for name in functions], functions)
    given: list[bytes] = []
    for name, value in {
        "_read_btf": lambda _: known if btf else None,
        "_open_page_owner": lambda _: None,
        "KernelSymbols": lambda *_: kallsyms,
    }.items():
        monkeypatch.setattr(loader, name, value)
    monkeypatch.setattr(BccProgram, "read", lambda *_: bytes(9))
    monkeypatch.setattr("spo_trace.probes.bpf_maps.update", lambda _, __, value: given.append(value))
    monkeypatch.setattr(bcc, "has_fentry", able)
    for name in ("x.c", "bcc.h"):
        (tmp_path / name).touch()
    # WHEN
    program = str(tmp_path / "x.c")
    answer, _ = loader._load(
        {"loader": "bcc", "program": program, "sizes": {}, "last_pfn": 0, "events": True, "debugfs": "/"}
    )
    # THEN
    fentry = btf and able
    assert (answer["fentry"], answer["loader"]) == (fentry, "bcc 0.99.0")
    assert bcc.made[0].cflags == (["-DFENTRY"] if fentry else [])
    free = "clear_shadow_from_swap_cache" if fentry else "__swap_cache_clear_shadow"
    hooked = ["swap_writeout", "swap_read_folio", free]
    assert list(answer["hooks"].values()) == hooked
    assert bcc.made[0].attached == ([] if fentry else [(f.encode(), 0, f"on_{f}".encode()) for f in hooked])
    # The structure offsets in BTF are used either way.
    order = list(Layout.__annotations__).index("order_offset")
    assert struct.unpack_from("=Q", given[0], 8 * order) == (64 if btf else 0,)


def test_debugfs_and_page_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem) as caught:
        loader._open_page_owner(tmp_path)
    assert caught.value.hint == f"mount -t debugfs debugfs {tmp_path}"
    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    assert loader._open_page_owner(tmp_path) is None
    (tmp_path / "page_owner").symlink_to("page_owner")
    with pytest.raises(Problem, match="page_owner cannot be read: Too many levels of symbolic links") as caught:
        loader._open_page_owner(tmp_path)
    assert caught.value.hint is None


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "run it as root"),
        (errno.EPERM, "boot without lockdown=, and without Secure Boot"),
        (errno.EIO, None),
    ],
)
def test_root_and_lockdown_are_blamed_by_error_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, hint: str | None
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "is_mount", lambda _: True)
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(Problem) as caught:
        loader._open_page_owner(tmp_path)
    assert caught.value.hint == hint
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Problem) as caught:
        loader._read_btf(LibbpfProgram)
    assert caught.value.hint == hint


def test_invalid_btf(bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_BTF", tmp_path / "vmlinux")
    assert loader._read_btf(BccProgram) is None
    for content in (b"", bytes(100)):
        (tmp_path / "vmlinux").write_bytes(content)
        with pytest.raises(Problem, match="cannot be parsed") as caught:
            loader._read_btf(BccProgram)
        assert (caught.value.hint or "").startswith(REPORT)


def test_a_kernel_without_symbols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_KALLSYMS", tmp_path / "kallsyms")
    with pytest.raises(Problem) as caught:
        loader._read_symbols({"swap_writeout"})
    assert caught.value.message == f"the kernel has no {tmp_path}/kallsyms"
    assert caught.value.hint == "use a kernel with CONFIG_KALLSYMS_ALL=y"


def test_a_loader_exits_if_its_caller_was_killed_before() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        # WHEN a request was sent, and its sender is gone
        ours.sendall(b"no request\n")
        ours.close()
        program = f"from spo_trace.probes.loader.load import main; main({theirs.fileno()})"
        left = subprocess.run(
            [sys.executable, "-c", program], pass_fds=[theirs.fileno()], capture_output=True, check=False
        )
    # THEN it has not read the request
    assert (left.returncode, left.stderr) == (0, b"")
