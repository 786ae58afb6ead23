# SPDX-License-Identifier: LGPL-2.1-or-later
"""The capture script on a real kernel, under busybox: its capture has the same records as a live `snapshot`."""

from pathlib import Path
from shutil import which

import pytest

import spo_trace as spo
from spo_trace.analysis.verdicts import verdicts
from tests.vm.support import boot

pytestmark = pytest.mark.vm

# /run is the guest's own; $OUT is the one place that the host can see.
JOB = r"""
cd /run || exit 77
busybox sh "$VM/../../spo_trace/capture.sh" || exit 1
busybox sh -s -- - < "$VM/../../spo_trace/capture.sh" > stdout.tar.gz || exit 1
test ! -e capture || exit 1
cp capture.tar.gz stdout.tar.gz "$OUT"
"""


@pytest.mark.skipif(which("busybox") is None, reason="busybox is not installed (Debian: busybox)")
def test_a_capture_of_a_real_kernel_adds_up(tmp_path: Path) -> None:
    guest = boot("7.2-spo", "page_owner=on,swap", JOB, tmp_path)
    for name in ("capture.tar.gz", "stdout.tar.gz"):
        snap = spo.snapshot(tmp_path / f"{name}.spo", from_=guest.out / name)
        assert snap.count("pages") > 1000
        assert snap.meta.swap_owner.origin == "debugfs"
        assert snap.meta.machine.page_size_from != "assumed"
        found = verdicts(snap).set_index("part")["verdict"]
        assert found["memory"] == found["stacks"] == "balanced"
