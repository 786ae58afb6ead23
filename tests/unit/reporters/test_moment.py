# SPDX-License-Identifier: LGPL-2.1-or-later
"""The time of a snapshot in seconds since 1970."""

import pytest

from spo_trace.reporters.moment import seconds_since_1970


@pytest.mark.parametrize(
    ("taken_at", "expected"),
    [
        ("1970-01-02T00:00:00+00:00", 86400),
        ("1970-01-02T01:00:00+01:00", 86400),
        ("1970-01-02", 86400),
        ("Mon Nov 30 12:00:00 UTC 2026", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_since_1970(taken_at: str | None, expected: int | None) -> None:
    assert seconds_since_1970(taken_at) == expected
