# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks of what `trace` needs, on machines in various states, each a tree of files."""

import gzip
import sys
from pathlib import Path

import pytest

from spo_trace.formats.missing import Missing
from spo_trace.machine.check import Check, CheckCode, State
from spo_trace.machine.facts import Machine
from spo_trace.probes import needs
from spo_trace.probes.needs import trace_needs
from tests.support import capture

CONFIG = {"proc/config.gz": gzip.compress(b"CONFIG_BPF_SYSCALL=y\nCONFIG_BPF_EVENTS=y\n")}
SYMBOLS = {"proc/kallsyms": b"".join(b"ff T %b\n" % name for name in (b"swap_writeout", b"swap_read_folio"))}
FREES = {"proc/kallsyms": SYMBOLS["proc/kallsyms"] + b"ff T __swap_cache_clear_shadow\n"}
RELEASE = {"proc/sys/kernel/osrelease": b"6.18.1\n"}
READY = CONFIG | FREES | RELEASE | {"sys/kernel/btf/vmlinux": b"", "lib/modules/6.18.1/build/Makefile": b""}

# A Python without bcc, or with a module of that name if its directory is on the path.
NO_BCC = ("/nonexistent/python3",)


def checks(root: Path, files: dict[str, bytes], *, euid: int = 0) -> dict[str, Check]:
    """Return the checks by their codes; no Python here has bcc."""
    return {check.code: check for check in trace_needs(Machine(capture(root, files), euid=euid), NO_BCC)}


def test_only_bcc_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = checks(tmp_path, READY)
    assert {code for code, check in found.items() if check.state is not State.OK} == {CheckCode.TRACE_BCC}
    assert "apt install python3-bpfcc" in found["trace_bcc"].fix
    # AND a Python that has the module is found
    monkeypatch.setattr(needs, "_FIND_BCC", "import sys; sys.exit(0)")
    states = {check.code: check.state for check in trace_needs(Machine(tmp_path), [sys.executable])}
    assert states[CheckCode.TRACE_BCC] is State.OK


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
    assert len(found) == 8
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
