# SPDX-License-Identifier: LGPL-2.1-or-later
"""The fixtures of these tests."""

import sys
from types import ModuleType

import pytest

from tests.unit.probes.loader.fake_bcc import FakeBpf


@pytest.fixture
def bcc(monkeypatch: pytest.MonkeyPatch) -> type[FakeBpf]:
    module = ModuleType("bcc")
    module.BPF = FakeBpf  # type: ignore[attr-defined]
    module.__version__ = "0.99.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bcc", module)
    monkeypatch.setattr(FakeBpf, "fails", "")
    FakeBpf.made.clear()
    return FakeBpf
