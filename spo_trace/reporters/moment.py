# SPDX-License-Identifier: LGPL-2.1-or-later
"""The time at which a snapshot was taken, as programs want it."""

from datetime import UTC, datetime

__all__ = ["seconds_since_1970"]


def seconds_since_1970(taken_at: str | None) -> int | None:
    """Return an ISO 8601 time as seconds since 1970; None without one: a capture made by hand may have an invalid date.

    >>> seconds_since_1970("2026-11-29T12:00:00"), seconds_since_1970("yesterday")
    (1795953600, None)
    """
    try:
        moment = datetime.fromisoformat(taken_at or "")
    except ValueError:
        return None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
