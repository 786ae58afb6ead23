# SPDX-License-Identifier: LGPL-2.1-or-later
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm import qemu


def after(words: list[str], option: str) -> list[str]:
    """Return the value after each `option`."""
    return [words[i + 1] for i, word in enumerate(words) if word == option]


def test_the_hosts_root_is_read_only_and_only_the_share_is_writable(tmp_path: Path) -> None:
    words = qemu.command(qemu.Machine(Path("/k/bzImage")), tmp_path, [], "tcg")

    root, share = after(words, "-virtfs")
    assert "path=/,mount_tag=rootfs," in root and root.endswith(",readonly=on")
    assert f"path={tmp_path},mount_tag=out," in share and "readonly" not in share


def test_size_kernel_and_command_line_are_passed_on() -> None:
    machine = qemu.Machine(Path("/k/bzImage"), "page_owner=on,swap", memory_mib=700, processors=1)

    words = qemu.command(machine, Path("/out"), [], "tcg")

    assert after(words, "-kernel") == ["/k/bzImage"]
    assert after(words, "-m") == ["700"]
    assert after(words, "-smp") == ["1,sockets=1"]
    (append,) = after(words, "-append")
    assert append.endswith(f" init={qemu.INIT} page_owner=on,swap")
    assert os.access(qemu.INIT, os.X_OK)


def test_each_disk_is_an_open_file() -> None:
    words = qemu.command(qemu.Machine(Path("k"), disks_mib=(64, 128)), Path("/out"), [7, 9], "tcg")

    files = [option.split(",")[0] for option in after(words, "-drive")]
    assert files == ["file=/proc/self/fd/7", "file=/proc/self/fd/9"]


def test_a_comma_in_the_shares_path_is_doubled() -> None:
    words = qemu.command(qemu.Machine(Path("k")), Path("/a,b"), [], "tcg")

    assert "path=/a,,b," in after(words, "-virtfs")[1]


def test_kvm_uses_the_hosts_processor_and_tcg_excludes_slow_features() -> None:
    machine = qemu.Machine(Path("k"))

    assert after(qemu.command(machine, Path("/o"), [], "kvm"), "-cpu") == ["host"]
    assert after(qemu.command(machine, Path("/o"), [], "tcg"), "-cpu") == ["max,erms=off,avx2=off"]


class TestAccelerator:
    @pytest.fixture(autouse=True)
    def untold(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.delenv("SPO_TRACE_ACCEL", raising=False)
        monkeypatch.setattr(os, "access", lambda *_: True)
        qemu.accelerator.cache_clear()
        yield
        qemu.accelerator.cache_clear()

    @pytest.fixture
    def trial(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return the path of a script that replaces QEMU."""
        script = tmp_path / "qemu"
        monkeypatch.setattr(qemu, "QEMU", str(script))
        monkeypatch.setattr(qemu, "_KVM_TRIAL_SECONDS", 0.5)
        return script

    @pytest.mark.parametrize(
        ("does", "expected"),
        [
            ("echo 'Kernel panic - not syncing: VFS'", "kvm"),
            ("echo 'failed to set MSR 0x10a'; exit 1", "tcg"),
            ("true", "tcg"),
            ("exec sleep 60", "tcg"),
        ],
        ids=["comes up", "QEMU gives up", "no sign of a kernel", "hangs"],
    )
    def test_kvm_works_only_if_a_guest_boots(self, trial: Path, does: str, expected: str) -> None:
        trial.write_text(f"#!/bin/sh\n{does}\n")
        trial.chmod(0o755)

        assert qemu.accelerator(Path("k")) == expected

    def test_the_environment_overrides_the_trial(self, trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SPO_TRACE_ACCEL", "kvm")

        assert not trial.exists()
        assert qemu.accelerator(Path("k")) == "kvm"


def test_memory_is_divided_between_nodes_and_a_memory_device_is_of_the_last() -> None:
    # GIVEN two nodes with a processor each, and a memory device
    words = qemu.command(
        qemu.Machine(Path("k"), memory_mib=640, processors=2, nodes=2, dimm_mib=128), Path("/o"), [], "tcg"
    )

    # THEN each node has half of the memory and one processor
    assert after(words, "-m") == ["640,slots=1,maxmem=768M"]
    assert after(words, "-object") == [
        "memory-backend-ram,id=m0,size=320M",
        "memory-backend-ram,id=m1,size=320M",
        "memory-backend-ram,id=dimm,size=128M",
    ]
    assert after(words, "-numa") == [
        "node,nodeid=0,memdev=m0",
        "node,nodeid=1,memdev=m1",
        "cpu,node-id=0,socket-id=0",
        "cpu,node-id=1,socket-id=1",
    ]
    assert after(words, "-device") == ["pc-dimm,memdev=dimm,node=1"]


def test_one_node_needs_no_description() -> None:
    words = qemu.command(qemu.Machine(Path("k"), memory_mib=700), Path("/o"), [], "tcg")

    assert after(words, "-m") == ["700"]
    assert "-numa" not in words
