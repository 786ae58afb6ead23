# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for the sources."""

import pytest

from spo_trace.sources import enomem


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the pauses between reads that fail with ENOMEM; return their lengths in seconds."""
    made: list[float] = []
    monkeypatch.setattr(enomem, "sleep", made.append)
    return made
