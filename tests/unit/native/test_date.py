# SPDX-License-Identifier: LGPL-2.1-or-later
"""The date that spo-collect writes is that of Python's calendar."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COLLECT = HERE.parents[2] / "spo_trace" / "native" / "collect"
DAY = 86400
# The end of each February: 2100 has no leap day, 2000 and 2400 have one.
LEAP_DAYS = [int(datetime(year, 2, 28, 23, 59, 59, tzinfo=UTC).timestamp()) for year in range(1970, 2402)]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_date_is_that_of_the_calendar(tmp_path: Path) -> None:
    program = tmp_path / "dates"
    sources = [HERE / "dates.c", COLLECT / "message.c"]
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-o", program, *sources], check=True)
    days = range(0, 500 * 365 * DAY, 11 * DAY + 12_347)
    times = [*days, *LEAP_DAYS, *(one + 1 for one in LEAP_DAYS), *(one + DAY + 1 for one in LEAP_DAYS)]
    printed = subprocess.run([program, *map(str, times)], check=True, capture_output=True, text=True).stdout
    assert printed.split() == [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for one in times]
