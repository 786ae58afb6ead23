# SPDX-License-Identifier: LGPL-2.1-or-later
import os
import subprocess
from pathlib import Path

import pytest

from tests.vm.arm64 import guest
from tests.vm.conftest import _CORE, _scope


def test_missing_tools_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a machine that has only the cross compiler and debugfs
    for tool in (guest.COMPILER, "debugfs"):
        (tmp_path / tool).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(guest.ToolMissing) as caught:
        guest.check_tools()

    assert str(caught.value) == "missing: qemu-system-aarch64: apt-get install qemu-system-arm"


def test_an_initrd_without_busybox_fails_with_the_reason(tmp_path: Path) -> None:
    # GIVEN no busybox in the cache, and an apt-get that can't reach a mirror
    tools = tmp_path / "bin"
    tools.mkdir()
    script = tools / "apt-get"
    script.write_text("#!/bin/sh\necho 'E: Unable to locate package busybox-static' >&2\nexit 100\n")
    script.chmod(0o755)
    for tool in ("dpkg-deb", "cpio"):
        (tools / tool).touch(mode=0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}

    command = [guest.HERE / "initrd.sh", tmp_path / "spo-collect", tmp_path / "job.sh", tmp_path / "initrd.gz"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "error: no busybox-static of arm64: E: Unable to locate package busybox-static\n"
    assert not (tmp_path / "initrd.gz").exists()


def test_the_first_disk_of_the_guest_is_the_last_that_qemu_gets(tmp_path: Path) -> None:
    words = guest.command(
        Path("/k/Image"), Path("/i/initrd.gz"), "page_owner=on", {"out": tmp_path / "a,b"}, [7, 9], 491
    )

    files = [word.split(",")[0] for word in words if word.startswith("file=")]
    assert files == ["file=/proc/self/fd/9", "file=/proc/self/fd/7"]
    assert f"local,id=out,path={tmp_path}/a,,b,security_model=none,multidevs=remap" in words
    assert words[-1].endswith("rdinit=/init page_owner=on")


def test_each_page_size_is_a_guest_of_its_own_and_not_in_core() -> None:
    test = "tests/vm/test_arm64.py::test_sums_by_comm_are_those_of_awk"

    assert _scope(f"{test}[7.2-arm64-64k-3-back]") == "tests/vm/test_arm64.py 7.2-arm64-64k"
    assert _scope(f"{test}[7.2-arm64-4k-3-back]") == "tests/vm/test_arm64.py 7.2-arm64-4k"
    assert not [place for place in _CORE if "arm64" in place]
