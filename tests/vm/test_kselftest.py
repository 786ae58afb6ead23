# SPDX-License-Identifier: LGPL-2.1-or-later
"""contrib/kselftest on a real kernel: files in a tmpfs are a leak, and what is freed is none."""

from pathlib import Path

import pytest

from tests.vm.support import boot

pytestmark = pytest.mark.vm

JOB = """
forget_files
test=$VM/../../contrib/kselftest/page_owner_leak.sh
mkdir -p /run/tmpfs && mount -t tmpfs tmpfs /run/tmpfs
$test sh -c 'head -c 20M /dev/zero > /run/tmpfs/$$; rm /run/tmpfs/$$'; echo "exit $?"
$test sh -c 'head -c 20M /dev/zero > /run/tmpfs/$$'; echo "exit $?"
"""


def test_memory_that_is_not_freed_is_a_failure(tmp_path: Path) -> None:
    log = boot("7.2-spo", "page_owner=on,swap", JOB, tmp_path, memory_mib=800).log
    freed, left = log.split("TAP version 13\n")[1:]
    assert freed.splitlines()[-1] == "exit 0", freed
    assert "\nok 2 no owner grew by more than 1MiB\n" in freed
    assert left.splitlines()[-1] == "exit 1", left
    assert "\n# shmem_alloc_folio " in left
    assert "\nnot ok 2 an owner grew by more than 1MiB\n" in left
