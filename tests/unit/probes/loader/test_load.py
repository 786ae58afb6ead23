# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loader on machines that cannot be probed; bcc and the kernel are fakes."""

import errno
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from spo_trace.memory.btf import Btf
from spo_trace.memory.layout import Layout
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader import load as loader
from spo_trace.probes.loader import refusal
from spo_trace.probes.loader.hooks import Hook
from tests.unit.memory.btf_data import kernel_btf

REPORT = "please report it with all output above: bcc 0.99.0, Linux "

HOOKS = [Hook("out", "swap_writeout", "swap_out(ctx, FIRST)"), Hook("in", "swap_read_folio", "swap_in(ctx, FIRST)")]


class FakeBpf:
    """Stand in for bcc's BPF: fail as set, or record the calls."""

    RAW_TRACEPOINT = 17
    fails = ""
    has_fentry = True
    funcs: ClassVar[dict[str, Any]] = {}
    kprobe_fds: ClassVar[dict[str, Any]] = {}
    left_out = 0
    made: ClassVar[list[Any]] = []

    def __init__(self, text: str, cflags: list[str]) -> None:
        if self.fails.startswith("Failed to compile"):
            raise Exception(self.fails)
        self.module = 1
        if self.fails.startswith("Failed to"):
            raise Exception(self.fails)
        self.text, self.cflags = text, cflags
        hooks = text.count("HOOK(") if "-DFENTRY" in cflags else 0
        self.kfunc_entry_fds = {f"kfunc__{number}": number for number in range(hooks - self.left_out)}
        self.attached: list[tuple[bytes, int, bytes]] = []
        FakeBpf.made.append(self)

    def __getitem__(self, name: str) -> Any:
        return type("Table", (), {"map_fd": 3})

    @staticmethod
    def support_kfunc() -> bool:
        return FakeBpf.has_fentry

    def load_func(self, name: str, kind: int) -> Any:
        return type("Function", (), {"fd": 4})

    def attach_kprobe(self, event: bytes, event_off: int, fn_name: bytes) -> None:
        if self.fails == event.decode():
            raise Exception("it's not traceable")
        self.attached.append((event, event_off, fn_name))


@pytest.fixture
def bcc(monkeypatch: pytest.MonkeyPatch) -> type[FakeBpf]:
    module = ModuleType("bcc")
    module.BPF = FakeBpf  # type: ignore[attr-defined]
    module.__version__ = "0.99.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bcc", module)
    monkeypatch.setattr(FakeBpf, "fails", "")
    FakeBpf.made.clear()
    return FakeBpf


def program(tmp_path: Path, *, fentry: bool = True) -> Any:
    source = tmp_path / "x.c"
    source.write_text("/* program */\n")
    return loader._Program(source, HOOKS, {"MAX_ENTRIES": 10}, fentry=fentry)


@pytest.mark.parametrize("fentry", [True, False])
def test_hooks_and_sizes_reach_the_compiler(bcc: type[FakeBpf], tmp_path: Path, fentry: bool) -> None:
    program(tmp_path, fentry=fentry)
    (made,) = bcc.made
    assert made.text.splitlines()[1:] == [hook.source for hook in HOOKS]
    assert made.cflags == ["-DMAX_ENTRIES=10", *(["-DFENTRY"] if fentry else [])]


@pytest.mark.parametrize(
    ("said", "headers", "message", "hint"),
    [
        (
            "Failed to compile BPF module <text>",
            False,
            "the BPF program cannot be compiled",
            "bcc needs the running kernel's headers: apt install linux-headers-",
        ),
        ("Failed to compile BPF module <text>", True, "the BPF program cannot be compiled", REPORT),
        ("Failed to load BPF program b'kfunc__x': Invalid argument", True, "the BPF program cannot be loaded", REPORT),
        # The text of the error makes no difference.
        ("Failed to load BPF program b'compile': Permission denied", True, "the BPF program cannot be loaded", REPORT),
    ],
)
def test_failures_of_bcc(
    bcc: type[FakeBpf],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    headers: bool,
    message: str,
    hint: str,
) -> None:
    # GIVEN a kernel that permits BPF, with its headers or without
    monkeypatch.setattr(refusal, "_MODULES", tmp_path)
    monkeypatch.setattr(refusal, "_KHEADERS", tmp_path / "none")
    monkeypatch.setattr("spo_trace.probes.bpf_maps.try_hash_map", lambda *_: None)
    if headers:
        (tmp_path / os.uname().release / "build").mkdir(parents=True)
    monkeypatch.setattr(bcc, "fails", said)
    # WHEN
    with pytest.raises(Problem) as caught:
        program(tmp_path)
    # THEN the message of bcc is there, and neither root nor lockdown is blamed
    assert caught.value.message == f"{message}: {said}"
    assert (caught.value.hint or "").startswith(hint)
    assert not re.search("root|lockdown", caught.value.hint or "")


def test_programs_that_bcc_leaves_out(bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcc, "left_out", 1)
    with pytest.raises(Problem, match="bcc attached 1 of 2 programs") as caught:
        program(tmp_path)
    assert (caught.value.hint or "").startswith(REPORT)


def test_a_bcc_without_fentry(bcc: type[FakeBpf], monkeypatch: pytest.MonkeyPatch) -> None:
    assert loader._has_fentry()
    monkeypatch.delattr(bcc, "support_kfunc")
    assert not loader._has_fentry()


def test_kprobes_are_attached_after_the_ftrace_site(
    bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {0x1000: "f30f1efa0f1f440000", 0x2000: "415741564155415455"}
    monkeypatch.setattr(loader._Program, "read", lambda _, address, size: bytes.fromhex(code[address])[:size])
    symbols = KernelSymbols(["1000 T swap_writeout\n", "2000 T swap_read_folio\n"], {h.function for h in HOOKS})
    held = program(tmp_path, fentry=False)
    held.attach_kprobes(HOOKS, symbols)
    assert bcc.made[0].attached == [
        (b"swap_writeout", 9, b"on_swap_writeout"),
        (b"swap_read_folio", 0, b"on_swap_read_folio"),
    ]
    monkeypatch.setattr(bcc, "fails", "swap_read_folio")
    with pytest.raises(Problem, match="swap_read_folio cannot be hooked: it's not traceable"):
        held.attach_kprobes(HOOKS, symbols)


@pytest.mark.parametrize(("btf", "able"), [(True, True), (True, False), (False, True)])
def test_kprobes_are_used_without_fentry(
    bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, btf: bool, able: bool
) -> None:
    # GIVEN functions of which BTF lacks the last, so that fentry cannot use it
    functions = ("swap_writeout", "swap_read_folio", "__swap_cache_clear_shadow", "clear_shadow_from_swap_cache")
    known = Btf(kernel_btf())
    known.functions = {*functions[:2], "clear_shadow_from_swap_cache"}
    kallsyms = KernelSymbols([f"1000 T {name}\n" for name in functions], functions)
    given: list[bytes] = []
    for name, value in {
        "check_kernel": lambda: None,
        "_read_btf": lambda: known if btf else None,
        "_open_page_owner": lambda _: None,
        "KernelSymbols": lambda *_: kallsyms,
    }.items():
        monkeypatch.setattr(loader, name, value)
    monkeypatch.setattr(loader._Program, "read", lambda *_: bytes(9))
    monkeypatch.setattr("spo_trace.probes.bpf_maps.update", lambda _, __, value: given.append(value))
    monkeypatch.setattr(bcc, "has_fentry", able)
    (tmp_path / "x.c").touch()
    # WHEN
    answer, _ = loader._load(
        {"program": str(tmp_path / "x.c"), "defines": {}, "last_pfn": 0, "events": True, "debugfs": "/"}
    )
    # THEN
    fentry = btf and able
    assert answer["fentry"] is fentry
    assert bcc.made[0].cflags == (["-DFENTRY"] if fentry else [])
    free = "clear_shadow_from_swap_cache" if fentry else "__swap_cache_clear_shadow"
    hooked = ["swap_writeout", "swap_read_folio", free]
    assert list(answer["hooks"].values()) == hooked
    assert bcc.made[0].attached == ([] if fentry else [(f.encode(), 0, f"on_{f}".encode()) for f in hooked])
    # The structure offsets in BTF are used either way.
    order = list(Layout.__dataclass_fields__).index("order_offset")
    assert struct.unpack_from("=Q", given[0], 8 * order) == (64 if btf else 0,)


def test_unreadable_memory(bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spo_trace.probes.bpf_maps.run_program", lambda *_: -14)
    monkeypatch.setattr("spo_trace.probes.bpf_maps.lookup", lambda *_: bytes(256))
    with pytest.raises(Problem, match="kernel memory at 0x10 cannot be read"):
        program(tmp_path).u64(0x10)


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
        loader._read_btf()
    assert caught.value.hint == hint


def test_invalid_btf(bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "_BTF", tmp_path / "vmlinux")
    assert loader._read_btf() is None
    for content in (b"", bytes(100)):
        (tmp_path / "vmlinux").write_bytes(content)
        with pytest.raises(Problem, match="cannot be parsed") as caught:
            loader._read_btf()
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
