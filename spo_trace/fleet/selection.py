# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which snapshots of a fleet an answer is about: a time, a window, and conditions such as kernel=6.12*."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from spo_trace.errors import Argument, UsageError

__all__ = ["FIELDS", "LABEL", "Match", "Selection", "parse_time", "parse_window", "side_of"]

LABEL = "label."
FIELDS = ("kernel", "host", "arch")

_UNITS = {"min": 60, "h": 3600, "d": 86400}
_TIME_HINT = "for example: 2026-11-29, 2026-11-29T12:00Z"
_MATCH_HINT = "for example: kernel=6.12*, host=web1, label.role=web"


class Match(NamedTuple):
    """Keep snapshots whose `field` (kernel, host, arch, label.NAME) matches a pattern with * and ?."""

    field: str
    pattern: str

    def holds(self, value: str | None) -> bool:
        """Return whether a value matches; an unknown one does not."""
        return value is not None and fnmatchcase(value, self.pattern)


@dataclass(frozen=True, slots=True)
class Selection:
    """Hold which snapshots of each host are meant: the last one up to `at`, or all in the `window` before it.

    `only`: a snapshot must hold all of these.
    """

    at: datetime | None = None
    window: timedelta | None = None
    only: tuple[Match, ...] = ()

    @classmethod
    def of(cls, at: str | None = None, window: str | None = None, only: Iterable[str] = ()) -> "Selection":
        """Parse the arguments of a report; raise UsageError for one that is wrong."""
        time = None if at in (None, "latest") else parse_time(str(at), "at")
        length = None if window is None else parse_window(window)
        return cls(time, length, tuple(_match(text, "only") for text in only))


def side_of(texts: Iterable[str], argument: str, others: Selection) -> Selection:
    """Return one side of a difference: `others`, narrowed by texts such as kernel=A or time=2026-11-29."""
    side = others
    for text in texts:
        if text.startswith("time="):
            time = text.removeprefix("time=")
            side = replace(side, at=None if time == "latest" else parse_time(time, argument))
        else:
            side = replace(side, only=(*side.only, _match(text, argument)))
    return side


def parse_time(text: str, argument: str) -> datetime:
    """Return a time in ISO 8601, by default in UTC; raise UsageError for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError((Argument(argument), f": {text[:60]!r} is not a time"), hint=_TIME_HINT) from error


def parse_window(text: str) -> timedelta:
    """Return a length of time such as 30min, 12h or 7d; raise UsageError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})(min|h|d)", text.strip())
    if not match or not int(match[1]):
        raise UsageError(
            (Argument("window"), f": {text[:60]!r} is not a length of time"), hint="for example: 30min, 12h, 7d"
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _match(text: str, argument: str) -> Match:
    field, equals, pattern = text.partition("=")
    is_known = field in FIELDS or (field.startswith(LABEL) and len(field) > len(LABEL))
    if not equals or not pattern or not is_known:
        raise UsageError((Argument(argument), f": {text[:60]!r} selects no snapshots"), hint=_MATCH_HINT)
    return Match(field, pattern)
