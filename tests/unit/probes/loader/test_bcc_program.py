# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs that bcc compiles; bcc and the kernel are fakes."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from spo_trace.files.bundled import bpf_program
from spo_trace.memory.problem import Problem
from spo_trace.memory.symbols import KernelSymbols
from spo_trace.probes.loader import refusal
from spo_trace.probes.loader.bcc_program import BccProgram, bcc_text
from spo_trace.probes.loader.hooks import Hook
from tests.unit.probes.loader.fake_bcc import FakeBpf

REPORT = "please report it with all output above: bcc 0.99.0, Linux "

HOOKS = [Hook("out", "swap_writeout", "out"), Hook("in", "swap_read_folio", "in")]


def program(tmp_path: Path, *, fentry: bool = True) -> Any:
    source = tmp_path / "x.c"
    source.write_text("/* program */\n")
    (tmp_path / "bcc.h").write_text("/* dialect */\n")
    request: Any = {"program": str(source), "sizes": {"entries": 10}}
    return BccProgram(request, HOOKS, fentry=fentry)


@pytest.mark.parametrize("fentry", [True, False])
def test_hooks_and_sizes_reach_the_compiler(bcc: type[FakeBpf], tmp_path: Path, fentry: bool) -> None:
    program(tmp_path, fentry=fentry)
    (made,) = bcc.made
    assert made.text.splitlines() == ["/* dialect */", "/* program */", *(hook.source for hook in HOOKS)]
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
    symbols = KernelSymbols([], ())
    assert BccProgram.has_fentry(symbols)
    monkeypatch.delattr(bcc, "support_kfunc")
    assert not BccProgram.has_fentry(symbols)


def test_kprobes_are_attached_after_the_ftrace_site(
    bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {0x1000: "f30f1efa0f1f440000", 0x2000: "415741564155415455"}
    monkeypatch.setattr(BccProgram, "read", lambda _, address, size: bytes.fromhex(code[address])[:size])
    symbols = KernelSymbols([b"1000 T swap_writeout\n2000 T swap_read_folio\n"], {h.function for h in HOOKS})
    held = program(tmp_path, fentry=False)
    held.attach(symbols)
    assert bcc.made[0].attached == [
        (b"swap_writeout", 9, b"on_swap_writeout"),
        (b"swap_read_folio", 0, b"on_swap_read_folio"),
    ]
    monkeypatch.setattr(bcc, "fails", "swap_read_folio")
    with pytest.raises(Problem, match="swap_read_folio cannot be hooked: it's not traceable"):
        held.attach(symbols)


def test_unreadable_memory(bcc: type[FakeBpf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spo_trace.probes.bpf_maps.run_program", lambda *_: -14)
    monkeypatch.setattr("spo_trace.probes.bpf_maps.lookup", lambda *_: bytes(256))
    with pytest.raises(Problem, match="kernel memory at 0x10 cannot be read"):
        program(tmp_path).u64(0x10)


def test_the_helpers_for_maps_get_the_form_of_bcc() -> None:
    text = bcc_text(bpf_program(), HOOKS)
    # No call is left in the form of libbpf, and none is lost.
    assert not re.search(r"bpf_map_\w+\(|bpf_get_stackid", text)
    calls = bpf_program().read_text().count("bpf_map_") + 1
    assert len(re.findall(r"\w+\.(?:lookup|update|insert|delete|get_stackid)\(", text)) == calls
    for line in (
        "entries.lookup(&entry)",
        "entries.update(&entry, owner)",
        "events.insert(&event, &zero)",
        "entries.delete(&entry)",
        "callers.get_stackid(ctx, 0)",
    ):
        assert line in text
    assert text.endswith("\nHOOK(swap_writeout, out)\nHOOK(swap_read_folio, in)\n")
