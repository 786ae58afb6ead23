# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what `trace` needs, on machines in various states, each a tree of files."""

import gzip
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from spo_trace.formats.missing import Missing
from spo_trace.machine.answer import TRACE_NEEDS, Answer, answer
from spo_trace.machine.check import Check, CheckCode, State
from spo_trace.machine.facts import Machine
from spo_trace.probes import needs, ways
from spo_trace.probes.needs import trace_needs
from tests.support import capture

CONFIG = {"proc/config.gz": gzip.compress(b"CONFIG_BPF_SYSCALL=y\nCONFIG_BPF_EVENTS=y\n")}
SYMBOLS = {"proc/kallsyms": b"".join(b"ff T %b\n" % name for name in (b"swap_writeout", b"swap_read_folio"))}
FREES = {"proc/kallsyms": SYMBOLS["proc/kallsyms"] + b"ff T __swap_cache_clear_shadow\n"}
RELEASE = {"proc/sys/kernel/osrelease": b"6.18.1\n"}
READY = CONFIG | FREES | RELEASE | {"sys/kernel/btf/vmlinux": b"", "lib/modules/6.18.1/build/Makefile": b""}

# A Python without bcc.
NO_BCC = ("/nonexistent/python3",)


def checks(root: Path, files: dict[str, bytes], *, euid: int = 0) -> dict[str, Check]:
    """Return the checks by their codes; no Python here has bcc, and there is no libbpf."""
    machine = Machine(capture(root, files), euid=euid)
    return {check.code: check for check in trace_needs(machine, NO_BCC, "libnone.so.1")}


@pytest.fixture(autouse=True)
def _object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have spo-trace built with clang."""
    monkeypatch.setattr(ways, "bpf_object", lambda: Path("swap_owner.bpf.o"))


def not_ok(found: Iterable[Check]) -> set[CheckCode]:
    return {check.code for check in found if check.state is not State.OK}


def test_both_ways_to_load_are_missing(tmp_path: Path) -> None:
    found = checks(tmp_path, READY)
    assert not_ok(found.values()) == {CheckCode.TRACE_LOADER, CheckCode.TRACE_LIBBPF, CheckCode.TRACE_BCC}
    assert "apt install python3-bpfcc" in found["trace_bcc"].fix
    assert "apt install libbpf1" in found["trace_libbpf"].fix
    assert answer(found.values(), TRACE_NEEDS) is Answer.IMPOSSIBLE


def test_one_way_to_load_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(capture(tmp_path, READY), euid=0)
    # GIVEN libbpf; libc.so.6 stands for it
    found = list(trace_needs(machine, NO_BCC, "libc.so.6"))
    assert not_ok(found) == {CheckCode.TRACE_BCC}
    assert answer(found, TRACE_NEEDS) is Answer.POSSIBLE
    assert "libbpf loads the probes" in [check.found for check in found]
    # OR a Python that has the module bcc
    monkeypatch.setattr(needs, "_FIND_BCC", "import sys; sys.exit(0)")
    found = list(trace_needs(machine, [sys.executable], "libnone.so.1"))
    assert not_ok(found) == {CheckCode.TRACE_LIBBPF}
    assert answer(found, TRACE_NEEDS) is Answer.POSSIBLE
    # BUT bcc also needs headers
    (tmp_path / "lib/modules/6.18.1/build/Makefile").unlink()
    (tmp_path / "lib/modules/6.18.1/build").rmdir()
    found = list(trace_needs(machine, [sys.executable], "libnone.so.1"))
    assert answer(found, TRACE_NEEDS) is Answer.IMPOSSIBLE


def test_without_clang_the_object_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "bpf_object", lambda: None)
    found = {check.code: check for check in trace_needs(Machine(capture(tmp_path, READY)), NO_BCC, "libc.so.6")}
    assert found[CheckCode.TRACE_LIBBPF].found == "spo-trace was built without clang, for libbpf"
    assert found[CheckCode.TRACE_LIBBPF].fix.startswith("install clang")


def test_all_gaps_are_reported_at_once_and_none_prevents_a_snapshot(tmp_path: Path) -> None:
    # GIVEN a machine that has none of it
    files = {
        "proc/config.gz": gzip.compress(b"CONFIG_MMU=y\n"),
        "proc/kallsyms": b"ff T _stext\n",
        "sys/kernel/security/lockdown": b"none integrity [confidentiality]\n",
    }
    found = checks(tmp_path, files, euid=1000)
    # THEN every check has a fix
    assert {check.state for check in found.values()} == {State.OPTIONAL}
    assert all(check.fix and check.cause for check in found.values())
    assert len(found) == 10
    assert found["trace_privileges"].cause is Missing.NOT_ROOT
    assert found["trace_lockdown"].cause is Missing.LOCKDOWN


def test_checks_without_data_are_unknown(tmp_path: Path) -> None:
    found = checks(tmp_path, {})
    unknown = {code for code, check in found.items() if check.state is State.UNKNOWN}
    assert unknown == {CheckCode.TRACE_LOCKDOWN, CheckCode.TRACE_BPF, CheckCode.TRACE_HOOKS}


def test_the_function_that_is_missing_is_named(tmp_path: Path) -> None:
    found = checks(tmp_path, SYMBOLS)["trace_hooks"]
    assert found.state is State.OPTIONAL
    assert "none of the functions that free a swap entry" in found.found


@pytest.mark.parametrize(
    ("held", "state"),
    [
        ("000001ffffffffff", State.OK),
        # Only CAP_BPF and CAP_PERFMON.
        ("000000c000000000", State.OK),
        ("0000008000000000", State.OPTIONAL),
        # Docker's default.
        ("00000000a80425fb", State.OPTIONAL),
    ],
)
def test_roots_capabilities(tmp_path: Path, held: str, state: State) -> None:
    status = {"proc/self/status": f"Name:\tx\nCapEff:\t{held}\n".encode()}
    assert checks(tmp_path, status)["trace_privileges"].state is state


@pytest.mark.parametrize(
    ("files", "state", "word"),
    [
        ({"sys/kernel/kheaders.tar.xz": b""}, State.OK, "kheaders"),
        ({"proc/config.gz": gzip.compress(b"CONFIG_IKHEADERS=m\n")}, State.OPTIONAL, "not loaded"),
        ({}, State.OPTIONAL, "no /lib/modules/6.18.1/build"),
    ],
)
def test_headers(tmp_path: Path, files: dict[str, bytes], state: State, word: str) -> None:
    found = checks(tmp_path, RELEASE | files)["trace_headers"]
    assert found.state is state
    assert word in found.found


def test_kprobes_are_enough_without_btf(tmp_path: Path) -> None:
    found = checks(tmp_path, {"sys/bus/event_source/devices/kprobe/type": b"6\n"})
    assert (found["trace_btf"].state, found["trace_kprobes"].state) == (State.OPTIONAL, State.OK)
