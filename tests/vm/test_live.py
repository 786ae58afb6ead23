# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several readers at once on real kernels: no record is lost at the seams of their ranges, and none comes twice."""

import json
from pathlib import Path

import pytest

from tests.vm import guest, kernels
from tests.vm.qemu import Machine

pytestmark = pytest.mark.vm

JOB = 'cd "$VM/../.." && python -m tests.vm.jobs.seams > $OUT/seams.json'


@pytest.mark.parametrize("kernel", ["6.1-stock", "6.12-stock", "7.2-spo"])
def test_readers_of_ranges_find_what_one_reader_finds(kernel: str, tmp_path: Path) -> None:
    try:
        machine = Machine(kernels.find(kernel), "page_owner=on", disks_mib=())
    except kernels.KernelMissing as missing:
        pytest.skip(str(missing))
    guest.run(machine, JOB, tmp_path, time_limit=180)
    found = [json.loads(line) for line in (tmp_path / "seams.json").read_text().splitlines()]
    assert [one["jobs"] for one in found] == [1, 2, 3, 8]
    for one in found:
        assert one["stayed"] > 3000
        assert (one["lost"], one["twice"], one["in_order"]) == (0, 0, True)
