# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples in the oracles' docstrings are correct."""

import doctest
from types import ModuleType

import pytest

from tests.oracle import awk, captures, framed, stacks


@pytest.mark.parametrize("module", [awk, captures, framed, stacks], ids=lambda module: module.__name__)
def test_examples(module: ModuleType) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
