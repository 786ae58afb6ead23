# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernels count as one build, and as one release."""

from pathlib import Path

import pytest

from spo_trace.analysis.kernels import same_build, same_release
from spo_trace.snapshots.meta import MachineFacts
from tests.support import MACHINE, page, snapshot_of


@pytest.mark.parametrize(
    ("a", "b", "build", "release"),
    [
        ("7.2.13-spo #1 SMP x86_64", "7.2.13-spo #1 SMP x86_64", True, True),
        ("7.2.13-spo #1 SMP x86_64", "7.2.13-spo #2 SMP x86_64", False, True),
        ("7.2.13-spo #1 SMP x86_64", "7.2.13-spo-debug #1 SMP x86_64", False, False),
        ("6.12.9 #1 SMP x86_64", "7.2.13 #1 SMP x86_64", False, False),
        ("6.8.0-45-generic #45-Ubuntu SMP x86_64", "6.8.0-45-generic #46-Ubuntu SMP x86_64", False, True),
        ("6.8.0-45-generic #1 SMP x86_64", "6.8.0-60-generic #1 SMP x86_64", False, False),
        ("5.14.0-427.13.1.el9_4.x86_64 #1 SMP x86_64", "5.14.0-362.8.1.el9_3.x86_64 #1 SMP x86_64", False, False),
        ("6.1.0 #1 SMP x86_64", "6.1.0 #2 SMP aarch64", False, False),
    ],
)
def test_uname_tells_builds_and_releases_apart(tmp_path: Path, a: str, b: str, build: bool, release: bool) -> None:
    machines = [machine(tmp_path / name, f"Linux box {text} GNU/Linux\n") for name, text in (("a", a), ("b", b))]
    assert (same_build(*machines), same_release(*machines)) == (build, release)


def test_an_unknown_kernel_is_of_an_unknown_release(tmp_path: Path) -> None:
    known, unknown = machine(tmp_path / "a", "Linux box 7.2.13 #1 SMP x86_64\n"), machine(tmp_path / "b", "")
    assert same_build(known, unknown) is same_release(known, unknown) is None
    assert same_build(unknown, unknown) is same_release(unknown, unknown) is None


def machine(path: Path, uname: str) -> MachineFacts:
    return snapshot_of(path, {**MACHINE, "uname": uname.encode(), "page_owner": page()}).meta.machine
