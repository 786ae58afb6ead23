# SPDX-License-Identifier: LGPL-2.1-or-later
"""Collectors, compiled once."""

import shutil
from collections.abc import Sequence

import pytest

from tests.collectors import PYTHON, SANITIZE, compile_collector

Command = Sequence[str]


@pytest.fixture(scope="session")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return the command of a collector with sanitizers."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return compile_collector(tmp_path_factory.mktemp("collector") / "spo-collect", *SANITIZE)


@pytest.fixture(scope="session")
def with_kernel(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return the command of a collector for which page_owner is a file of the kernel."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return compile_collector(tmp_path_factory.mktemp("collector") / "spo-collect", *SANITIZE, fake_kernel=True)


@pytest.fixture(scope="session")
def optimized(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Return the command of a collector as it is installed, in Python if there is no C compiler."""
    if shutil.which("cc") is None:
        return PYTHON
    return compile_collector(tmp_path_factory.mktemp("collector") / "spo-collect", "-O2")


@pytest.fixture(params=["C", "Python"])
def collector(request: pytest.FixtureRequest) -> Command:
    """Return the command of a collector."""
    return request.getfixturevalue("in_c") if request.param == "C" else PYTHON
