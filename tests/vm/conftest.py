# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which worker runs which tests: those of one guest run on one, so that it boots once."""

import re

import pytest
from xdist.scheduler import LoadScopeScheduling

_KERNEL = re.compile(r"\[(\d+\.\d+-[a-z]+)")


class ByGuest(LoadScopeScheduling):  # type: ignore[misc]
    """Keep the tests of a file together that have the same kernel as their parameter, or none."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        kernel = _KERNEL.search(nodeid)
        return f"{file} {kernel[1]}" if kernel else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Give out tests by guest, whatever --dist says."""
    return ByGuest(config, log)
