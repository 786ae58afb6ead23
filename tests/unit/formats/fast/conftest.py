# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests of the compiled scanner need a compiler."""

import pytest

from spo_trace.native import library


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    if library.load() is None:
        pytest.skip("spo-trace was installed without the compiled scanner: there was no C compiler")
