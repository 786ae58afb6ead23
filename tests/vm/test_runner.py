# SPDX-License-Identifier: LGPL-2.1-or-later
"""The runner itself, with a real guest."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.vm import guest
from tests.vm.support import boot

pytestmark = pytest.mark.vm

JOB = r"""
id -u
touch /usr/spo-droppings 2>&1 | sed 's/.*: //'
touch /tmp/here /run/here && echo writable
blockdev --getsize64 /dev/vda
cksum < "$VM/guest/lib.sh"
printf 'from the guest\n' > $OUT/kept
sleep 1000 &
"""


def left_of(out: Path) -> list[str]:
    """Return the mounts and the other processes that refer to this share."""
    lines = Path("/proc/mounts").read_text().splitlines()
    for process in Path("/proc").glob("[0-9]*"):
        # The process may exit meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            lines.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return [line for line in lines if str(out) in line]


def test_a_job_sees_the_hosts_files_and_writes_only_to_its_share(tmp_path: Path) -> None:
    # The sleep that the job leaves running does not prevent power-off.
    left = boot("7.2-stock", "page_owner=on", JOB, tmp_path, disks_mib=(64,))

    root, refused, writable, size, library = left.log.splitlines()
    assert (root, refused, writable) == ("0", "Read-only file system", "writable")
    assert int(size) == 64 << 20
    assert library == subprocess.check_output(["cksum"], input=guest.LIBRARY.read_text(), text=True).strip()
    assert (tmp_path / "kept").read_text() == "from the guest\n"
    assert not Path("/usr/spo-droppings").exists()
    assert left_of(tmp_path) == []


def test_a_guest_that_exceeds_its_time_limit_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(guest.GuestError, match="not done after"):
        boot("7.2-stock", "page_owner=on", "exec sleep 100000", tmp_path, time_limit=15)

    assert left_of(tmp_path) == []
